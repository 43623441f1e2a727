"""What an epoch of a mixture draws of each data set under a trainer's arithmetic, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mmdata.mixing import data_txt, internvl
from mmdata.mixing.files import MixtureText, read_mixture_text
from mmdata.mixing.mixture import Member, Mixture, Mode, first_record, members_of


@dataclass(frozen=True, slots=True)
class Share:
    """One data set's part of an epoch.

    Attributes:
        name: path (data.txt) or name (meta).
        number: as written; None for the whole file.
        records: length of the file.
        kind: sort of the file for GeoPixel's and XComposer's loader, else None.
        samples: what the trainer takes of the file (data.txt) or the length of the data set (meta).
        distinct: how many different records can come at all.
        draws: draws in an epoch; the expected number where upstream draws by chance.
        exact: whether `draws` is exact.
        share: part of all draws, 0 to 1.
        warnings: one sentence each.
    """

    name: str
    number: int | float | str | None
    records: int
    kind: str | None
    samples: int
    distinct: int
    draws: float
    exact: bool
    share: float
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Description:
    """An epoch of a mixture.

    Attributes:
        path: the mixture file.
        mode: whose arithmetic.
        shares: one for each data set that counts.
        draws: draws of an epoch.
        warnings: what concerns the mixture as a whole.
        epoch: which one `first_draws` are of.
        seed: of `first_draws`.
        first_draws: (data set, record) of the epoch's first draws, as many as were asked for.
    """

    path: str
    mode: str
    shares: list[Share] = field(default_factory=list)
    draws: float = 0
    warnings: list[str] = field(default_factory=list)
    epoch: int = 0
    seed: int = 0
    first_draws: list[tuple[int, int]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is no warning."""
        return not self.warnings and not any(s.warnings for s in self.shares)

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "path": self.path,
            "mode": self.mode,
            "draws": self.draws,
            "data_sets": [asdict(s) for s in self.shares],
            "warnings": self.warnings,
            "epoch": self.epoch,
            "seed": self.seed,
            "first_draws": self.first_draws,
        }


def trainer_of(text: MixtureText, *, given_num: bool = True) -> Mode:
    """The trainer that reads a mixture file: of a ``data.txt`` GeoPixel where a data set has masks, else XComposer.

    Raises:
        UsageError: a data set cannot be opened.
    """
    if text.format == "internvl-meta":
        return "internvl"
    with Mixture.of(members_of(text, given_num=given_num, mode="xcomposer")) as mixture:
        firsts = (first_record(mixture.dataset(number)) for number in range(len(mixture.members)))
        masks = any(data_txt.kind_of_first(first, "geopixel") == "grounding" for first in firsts)
    return "geopixel" if masks else "xcomposer"


def describe(
    path: str,
    *,
    mode: Mode | None = None,
    given_num: bool = True,
    media_root: str | None = None,
    batch_size: int = 1,
    resampling: bool = False,
    packed: bool = False,
    epoch: int = 0,
    seed: int = 0,
    draws: int = 0,
) -> Description:
    """Say what an epoch draws of each data set.

    Args:
        path: the mixture file.
        mode: as for `Mixture.from_file`, like those below; None takes the file's trainer.
        given_num: whether the numbers of a ``data.txt`` are thousands of samples or ratios.
        media_root: directory that relative paths of data files start from.
        batch_size: of GeoPixel and XComposer.
        resampling: InternVL's ``--use_data_resampling``.
        packed: InternVL's ``--use_packed_ds``.
        epoch: of `first_draws`.
        seed: of `first_draws`.
        draws: how many `first_draws` to list.

    Raises:
        UsageError: a file cannot be read or opened; an entry that the trainer crashes on is named.
    """
    text = read_mixture_text(path, media_root=media_root)
    chosen = mode or trainer_of(text, given_num=given_num)
    members = members_of(text, given_num=given_num, mode=chosen)
    mixture = Mixture.of(members, mode=chosen, batch_size=batch_size, resampling=resampling, packed=packed)
    result = Description(path, chosen, epoch=epoch, seed=seed)
    with mixture:
        result.warnings += [p.message for p in text.problems(given_num=given_num)]
        sizes, quotas = mixture.sizes(), mixture.quotas()
        expected = _expected(mixture, quotas)
        for number, member in enumerate(mixture.members):
            samples = _samples(member, sizes[number], quotas[number], chosen)
            result.shares.append(
                Share(
                    member.name,
                    member.number,
                    sizes[number],
                    member.kind,
                    samples,
                    _distinct(member, sizes[number], quotas[number], chosen),
                    expected[number],
                    chosen in ("exact", "internvl"),
                    expected[number] / (sum(expected) or 1),
                    tuple(_warnings(member, sizes[number], samples, chosen)),
                )
            )
        if draws:
            result.first_draws = [(d.source, d.record) for d in mixture.plan(epoch, seed=seed)[:draws]]
    result.draws = round(sum(expected), 6)
    result.warnings += _general(mixture, quotas)
    return result


def _expected(mixture: Mixture, quotas: Sequence[int]) -> list[float]:
    """Draws of each data set in an epoch, on the average where they are left to chance."""
    if mixture.mode in ("exact", "internvl"):
        return [float(q) for q in quotas]
    kinds: list[data_txt.Kind] = [m.kind or "text" for m in mixture.members]
    trainer: data_txt.Trainer = "geopixel" if mixture.mode == "geopixel" else "xcomposer"
    cycle = data_txt.cycle(kinds, trainer, mixture.batch_size)
    whole, rest = divmod(data_txt.calls_of_epoch(quotas, mixture.batch_size), sum(cycle.values()))
    draws: dict[str, int] = {}
    for kind, calls in cycle.items():
        tail = min(max(rest, 0), calls)
        rest -= calls
        draws[kind] = (whole * calls + tail) * data_txt.kept_of_batch(kind, mixture.batch_size)
    totals = {kind: sum(q for q, k in zip(quotas, kinds, strict=True) if k == kind) for kind in cycle}
    return [draws[k] * q / totals[k] for q, k in zip(quotas, kinds, strict=True)]


def _samples(member: Member, records: int, quota: int, mode: Mode) -> int:
    if mode == "internvl" and member.unit == "repeat_time" and isinstance(member.number, (int, float)):
        return internvl.length(records, member.number)
    return quota


def _distinct(member: Member, records: int, quota: int, mode: Mode) -> int:
    if mode == "internvl" and member.unit == "repeat_time" and isinstance(member.number, (int, float)):
        return min(quota, internvl.lines_kept(records, member.number))
    return min(quota, records)


def _warnings(member: Member, records: int, samples: int, mode: Mode) -> list[str]:
    found = []
    if mode in ("geopixel", "xcomposer") and member.number is not None:
        number = str(member.number)
        given = member.unit == "thousands"
        wanted = data_txt.meant(number, records, given_num=given)
        if wanted != samples:
            better = f"; write {data_txt.number_for(wanted)}" if given else ""
            found.append(f"int() loses samples: {number} says {wanted}, upstream takes {samples}{better}")
        if given and samples < records and 0 < float(number) <= 1 and records >= 20 * samples:
            found.append(f"looks like a ratio: {number} thousand are {samples} of {records} records")
        if samples > records:
            found.append(f"topped up with replacement: {samples - records} samples repeat a record")
        elif samples < records:
            found.append(
                f"{records - samples} of {records} records are left out; which ones differs from rank to rank upstream"
            )
    if mode == "internvl" and isinstance(member.number, (int, float)):
        kept = internvl.lines_kept(records, member.number)
        if kept < records:
            found.append(f"prefix only: lines {kept + 1} to {records} are never seen, in any epoch")
    return found


def _general(mixture: Mixture, quotas: Sequence[int]) -> list[str]:
    found = []
    if mixture.mode == "internvl" and mixture.resampling and not mixture.packed:
        found.append("use_data_resampling has no effect without packing")
    if mixture.mode in ("geopixel", "xcomposer"):
        kinds = {m.kind for m in mixture.members}
        if "text" in kinds and mixture.batch_size > 1:
            found.append(
                f"of text only one of {mixture.batch_size} records drawn is trained on (batch_size {mixture.batch_size})"
            )
        if data_txt.calls_of_epoch(quotas, mixture.batch_size) == 0:
            found.append(f"an epoch has no step: {sum(quotas)} samples, batch_size {mixture.batch_size}")
        if len(kinds) > 1:
            found.append(
                "sorts of files take turns whatever their numbers: numbers weigh only files of the same sort"
            )
    return found


__all__ = ["Description", "Share", "describe", "trainer_of"]
