"""What is drawn from which file: data files and mixture files become sources, sources become `mmdata.Mixture`.

The plan of an epoch is a pure function of sources, mode, seed and epoch (`mmdata.mixing`); nothing here draws anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError, UsageError
from mmtrain.data.sources import Source

if TYPE_CHECKING:
    from mmdata.mixing.mixture import Mixture, Mode
    from mmtrain.config.fields import DataFile


def sources(files: Sequence[DataFile], *, mode: Mode = "exact", given_num: bool = True) -> tuple[Source, ...]:
    """The record files that are trained on: each file itself, or those that a mixture file names.

    InternVL's meta: ``repeat_time``, ``root`` and ``max_dynamic_patch`` apply. ``data.txt``: the number of each line; of a
    path listed twice the last line counts. What a number means for an epoch, the mode says (`mmdata.Mixture`).

    Args:
        files: of the config.
        mode: of the mixture; each trainer's mode reads its own mixture files alone.
        given_num: whether the numbers of a ``data.txt`` are thousands of samples, or ratios.

    Raises:
        UsageError: a file is missing or of no known format, or a mixture has an entry that the trainer cannot read.
    """
    from mmdata.format import get_format
    from mmdata.options import Options
    from mmdata.plan import MixtureFile, make_plan

    found: list[Source] = []
    for file in files:
        if not Path(file.path).exists():
            raise UsageError(f"data: {file.path}: no such file")
        plan = make_plan([file.path], format=file.format, options=Options(media_root=file.media_root))
        mixtures = [item for item in plan.items if isinstance(item, MixtureFile)]
        for item in mixtures:
            found += _of_mixture(item, file, mode, given_num)
        if not mixtures:
            if file.format is not None:
                get_format(file.format)
            found += [
                Source(
                    path=item.path,
                    name=file.name,
                    format=item.format.name,
                    media_root=file.media_root,
                    max_tiles=file.max_dynamic_patch,
                    number=file.weight,
                )
                for item in plan.items
                if not isinstance(item, MixtureFile)
            ]
    return tuple(found)


def _of_mixture(item: Any, file: DataFile, mode: Mode, given_num: bool) -> list[Source]:
    from mmdata.mixing.files import read_mixture_text
    from mmdata.mixing.mixture import members_of

    if item.problem is not None:
        raise UsageError(f"data: {item.path}: {item.problem}")
    if file.weight != 1:
        raise UsageError(f"data: {item.path}: is a mixture, its own numbers say how much; leave weight out")
    text = read_mixture_text(item.path, media_root=file.media_root)
    targets = {target.path: target.dataset for target in item.targets}
    entries = {entry.name: entry for entry in text.counting(given_num=given_num)}
    found = []
    for member in members_of(text, given_num=given_num, mode=mode):
        dataset = targets.get(member.path)
        if dataset is None:
            raise UsageError(f"data: {item.path}: {member.name}: no file at {member.path}")
        tiles = entries[member.name].keys.get("max_dynamic_patch", file.max_dynamic_patch)
        found.append(
            Source(
                path=member.path,
                name=member.name,
                format=dataset.format.name,
                media_root=dataset.root or file.media_root,
                max_tiles=tiles,
                number=member.number,
                unit=member.unit,
            )
        )
    return found


def mixture(sources: Sequence[Source], *, mode: Mode = "exact", batch_size: int = 1) -> Mixture:
    """The mixture of some sources; draws name them by their place.

    Args:
        sources: the files; each is opened and counted.
        mode: ``exact``, ``internvl``, ``geopixel`` or ``xcomposer``, see `mmdata.Mixture`.
        batch_size: GeoPixel's and XComposer's ``--batch_size``.

    Raises:
        UsageError: a file cannot be opened or holds no record, or a number gives no sample.
    """
    from mmdata.mixing import data_txt
    from mmdata.mixing.mixture import Member, Mixture, first_record

    members = []
    for source in sources:
        kind = None
        if mode in ("geopixel", "xcomposer"):
            trainer: data_txt.Trainer = "xcomposer" if mode == "xcomposer" else "geopixel"
            kind = data_txt.kind_of_first(first_record(source.records()), trainer)
        members.append(
            Member(
                source.path,
                source.name or source.path,
                source.number,
                source.unit,
                len(source),
                kind,
                source.media_root,
                source.format,
            )
        )
    try:
        made = Mixture.of(members, mode=mode, batch_size=batch_size)
        made.quotas()
    except (DataError, UsageError) as error:
        raise UsageError(f"data: {error}") from None
    return made


__all__ = ["mixture", "sources"]
