"""``data.txt`` to InternVL meta and back: the same numbers of samples, and every difference in meaning named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmdata.errors import DataError, UsageError
from mmdata.mixing import data_txt, internvl
from mmdata.mixing.files import MixtureFormat, MixtureText, data_txt_bytes, meta_bytes
from mmdata.mixing.mixture import Mixture, Mode, members_of

DifferenceKind = Literal[
    "order",  # draws with replacement and in a cycle of sorts, or every sample once
    "subset",  # a random part of the file, or its first lines
    "repeats",  # whole repetitions, or a top-up drawn with replacement
    "split",  # one entry became two, because repeat_time cannot be a fraction above one
    "container",  # the annotation must lie in another container: JSON array or JSON Lines
    "invented",  # a key that the target needs and the source does not have
    "lost",  # a key that the target has no place for
    "name",  # a data set's name
    "merged",  # two entries of the same file became one
    "repeated",  # an entry that the source's trainer never used
]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the target cannot say what the source means.

    Attributes:
        kind: see `DifferenceKind`.
        entry: the data set, or "" for the whole mixture.
        message: one sentence.
    """

    kind: DifferenceKind
    entry: str
    message: str


@dataclass(slots=True)
class Conversion:
    """A converted mixture.

    Attributes:
        format: of `data`.
        data: the file's bytes.
        samples: (name, samples in the source, samples in the target) of each data set; the two numbers are equal.
        differences: what the target cannot say.
    """

    format: MixtureFormat
    data: bytes
    samples: list[tuple[str, int, int]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "format": self.format,
            "data_sets": [{"name": n, "before": a, "after": b} for n, a, b in self.samples],
            "differences": [
                {"kind": d.kind, "entry": d.entry, "message": d.message} for d in self.differences
            ],
        }


def convert_mixture(
    text: MixtureText,
    *,
    given_num: bool = True,
    root: str = "",
    records: Mapping[str, int] | None = None,
    one_container: bool = False,
) -> Conversion:
    """Write a mixture in the other trainer's words.

    Args:
        text: the mixture.
        given_num: whether the numbers of a ``data.txt`` are thousands or ratios; what is written is thousands.
        root: ``root`` of the meta entries.
        records: path of an annotation as written -> its length; other files are opened and counted.
        one_container: keep the annotation paths as they are, though the target reads another container.

    Raises:
        UsageError: an entry that the trainer cannot read, a file that cannot be counted, a path that the target cannot name.
    """
    mode: Mode = "internvl" if text.format == "internvl-meta" else "xcomposer"
    members = members_of(text, given_num=given_num, mode=mode)
    entries = text.counting(given_num=given_num)
    known = records or {}
    sizes = []
    with Mixture.of(members) as mixture:
        for number, entry in enumerate(entries):
            sizes.append(known[entry.path] if entry.path in known else len(mixture.dataset(number)))
    differences = [
        Difference("repeated", "", p.message)
        for p in text.problems(given_num=given_num)
        if p.code == "repeated"
    ]
    try:
        if text.format == "data-txt":
            return _to_meta(entries, sizes, differences, given_num, root, one_container)
        return _to_data_txt(entries, sizes, differences, one_container)
    except DataError as error:
        raise UsageError(f"{text.path}: {error}") from None


def _to_meta(
    entries: list[Any],
    sizes: list[int],
    differences: list[Difference],
    given_num: bool,
    root: str,
    one_container: bool,
) -> Conversion:
    result = Conversion("internvl-meta", b"", differences=differences)
    say = result.differences.append
    say(
        Difference(
            "order",
            "",
            "data.txt: files drawn in proportion to their samples, records with replacement, sorts of files in turn; "
            "meta: every sample once an epoch, in random order",
        )
    )
    say(Difference("invented", "", f"root is {root!r} and data_augment false; a data.txt has neither"))
    meta: dict[str, dict[str, Any]] = {}
    for entry, size in zip(entries, sizes, strict=True):
        count = data_txt.samples(entry.number, size, given_num=given_num)
        annotation = entry.path
        if not annotation.endswith(".jsonl") and not one_container:
            annotation = os.path.splitext(annotation)[0] + ".jsonl"
            say(
                Difference(
                    "container",
                    entry.path,
                    f"InternVL reads JSON Lines: {annotation} must hold the records of {entry.path} "
                    "(`mmdata convert --to internvl` writes it)",
                )
            )
        name = _free(os.path.splitext(os.path.basename(entry.path))[0], meta)
        if name != entry.path:
            say(Difference("name", entry.path, f"is called {name!r}"))
        whole, rest = divmod(count, size)
        base = {"root": root, "annotation": annotation, "data_augment": False}
        if whole:
            meta[name] = {**base, "repeat_time": whole, "length": size}
        if rest:
            part = name if not whole else _free(f"{name}_rest", meta)
            meta[part] = {**base, "repeat_time": _fraction(rest, size), "length": size}
            say(
                Difference(
                    "subset",
                    entry.path,
                    f"data.txt: {rest} records chosen at random; meta: the first {rest} of {size} lines",
                )
            )
            if whole:
                message = f"{count} samples of {size} records are {name!r} ({whole} times) and {part!r} ({rest} lines)"
                say(Difference("split", entry.path, message))
        if whole > 1:
            say(
                Difference(
                    "repeats",
                    entry.path,
                    f"data.txt: all {size} records and {count - size} drawn with replacement; "
                    f"meta: every record {whole} times",
                )
            )
        after = sum(
            internvl.length(size, m["repeat_time"]) for m in meta.values() if m["annotation"] == annotation
        )
        result.samples.append((entry.path, count, after))
    result.data = meta_bytes(meta)
    return result


def _to_data_txt(
    entries: list[Any], sizes: list[int], differences: list[Difference], one_container: bool
) -> Conversion:
    result = Conversion("data-txt", b"", differences=differences)
    say = result.differences.append
    say(
        Difference(
            "order",
            "",
            "meta: every sample once an epoch, in random order; data.txt: files drawn in proportion to their samples, "
            "records with replacement, sorts of files in turn",
        )
    )
    totals: dict[str, int] = {}
    lengths: dict[str, int] = {}
    for entry, size in zip(entries, sizes, strict=True):
        count = internvl.length(size, entry.number)
        path = entry.path
        if path.endswith(".jsonl") and not one_container:
            path = path[:-1]
            say(
                Difference(
                    "container",
                    entry.name,
                    f"GeoPixel and XComposer read a JSON array: {path} must hold the records of {entry.path} "
                    "(`mmdata convert --to xcomposer` or `--to geopixel` writes it)",
                )
            )
        if count < size:
            say(
                Difference(
                    "subset",
                    entry.name,
                    f"meta: the first {count} of {size} lines; data.txt: {count} records chosen at random",
                )
            )
        elif count > size:
            say(
                Difference(
                    "repeats",
                    entry.name,
                    f"meta: every record {count // size} times; data.txt: all {size} and {count - size} drawn with replacement",
                )
            )
        if entry.root:
            say(
                Difference(
                    "lost", entry.name, f"root {entry.root!r}: media paths must start with it themselves"
                )
            )
        for key, value in entry.keys.items():
            if key != "length" and not (key == "data_augment" and value is False):
                say(Difference("lost", entry.name, f"{key} {value!r}: a data.txt has no place for it"))
        say(Difference("name", entry.name, f"is known by its path {path}"))
        if path in totals:
            say(
                Difference(
                    "merged",
                    entry.name,
                    f"{path} stands twice: of a repeated path only the last line counts; added up",
                )
            )
        totals[path] = totals.get(path, 0) + count
        lengths[path] = size
    result.samples = [
        (path, count, data_txt.samples(data_txt.number_for(count), lengths[path]))
        for path, count in totals.items()
    ]
    result.data = data_txt_bytes([(path, data_txt.number_for(count)) for path, count in totals.items()])
    return result


def _fraction(kept: int, lines: int) -> float:
    """A ratio below one of which ``int(lines * ratio)`` is `kept`."""
    ratio = kept / lines
    for digits in range(1, 17):
        short = round(ratio, digits)
        if 0 < short < 1 and int(lines * short) == kept:
            return short
    exact = (kept + 0.5) / lines
    assert int(lines * exact) == kept
    return exact


def _free(name: str, taken: Mapping[str, Any]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


__all__ = ["Conversion", "Difference", "DifferenceKind", "convert_mixture"]
