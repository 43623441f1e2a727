"""InternVL's meta file: the entries and what they name (M01 to M10)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import EntryView
from mmdata.finding import Edit

META = ("internvl-meta",)
REQUIRED = ("root", "annotation", "data_augment", "repeat_time")


def repeat_of(entry: EntryView) -> int | float | None:
    """The entry's ``repeat_time`` where it is a number."""
    value = entry.raw.get("repeat_time") if isinstance(entry.raw, dict) else None
    return value if type(value) in (int, float) else None


@check("M01", severity="error", formats=META, fixable="sometimes")
def fractional_repeat(entry: EntryView) -> Iterator[Hit]:
    """`repeat_time` is a float above one.

    Upstream: an assertion wants an integer: the run crashes before the first step; 2.0 is a float too.
    Fix: Write an integer.
    Source: `internvl_chat_finetune.py`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 2.0}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 2}}
    """
    value = repeat_of(entry)
    if isinstance(value, float) and value > 1:
        place = f"{entry.pointer}/repeat_time"
        edits = (Edit("set", place, int(value)),) if value == int(value) else ()
        yield Hit(f"{entry.name}: repeat_time {value} is above one and no integer", place, edits=edits)


@check("M02", severity="error", formats=META)
def nothing_repeated(entry: EntryView) -> Iterator[Hit]:
    """`repeat_time` leaves no line.

    A ratio below one keeps the first int(lines x ratio) lines; a negative one trims the end.

    Upstream: an empty data set: a division by zero or an endless loop when it is drawn from.
    Fix: Write a larger ratio, or remove the entry.
    Source: `internvl_chat_finetune.py`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 0.5}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    value = repeat_of(entry)
    if value is None:
        return
    place = f"{entry.pointer}/repeat_time"
    if value <= 0:
        yield Hit(f"{entry.name}: repeat_time {value}", place)
    elif value < 1 and entry.records is not None and int(entry.records * value) == 0:
        yield Hit(f"{entry.name}: repeat_time {value} of {entry.records} lines leaves none", place)


@check("M03", severity="warning", formats=META)
def prefix_only(entry: EntryView) -> Iterator[Hit]:
    """`repeat_time` below one keeps only the beginning of the file.

    Upstream: the first int(lines x ratio) lines are kept, always the same; the rest is never seen.
    Fix: Shuffle the file first, or sample it into a file of its own.
    Source: `internvl_chat_finetune.py`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 0.5}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    value = repeat_of(entry)
    if value is not None and 0 < value < 1 and entry.records is not None and int(entry.records * value) > 0:
        message = (
            f"{entry.name}: only the first {int(entry.records * value)} of {entry.records} lines are used"
        )
        yield Hit(message, f"{entry.pointer}/repeat_time")


@check("M04", severity="error", formats=META)
def missing_key(entry: EntryView) -> Iterator[Hit]:
    """An entry lacks `root`, `annotation`, `data_augment` or `repeat_time`.

    Upstream: KeyError: the run crashes before the first step.
    Fix: Add the key.
    Source: `internvl_chat_finetune.py`, `build_datasets`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "repeat_time": 1}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    if isinstance(entry.raw, dict):
        missing = [key for key in REQUIRED if key not in entry.raw]
        if missing:
            yield Hit(f"{entry.name} lacks {', '.join(missing)}", entry.pointer)


@check("M05", severity="info", formats=META, fixable="always")
def wrong_length(entry: EntryView) -> Iterator[Hit]:
    """`length` is not the number of lines.

    Upstream: the trainer never reads it; scripts that do are misled.
    Fix: Write the number of lines.
    Source: `internvl_chat_finetune.py` counts the lines itself.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1, "length": 5}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1, "length": 1}}
    """
    if (
        isinstance(entry.raw, dict)
        and "length" in entry.raw
        and entry.records is not None
        and entry.raw["length"] != entry.records
    ):
        place = f"{entry.pointer}/length"
        message = f"{entry.name}: length {json.dumps(entry.raw['length'])[:40]}, {entry.records} lines"
        yield Hit(message, place, edits=(Edit("set", place, entry.records),))


@check("M06", severity="warning", formats=META)
def repeated_name(entry: EntryView) -> Iterator[Hit]:
    """Two data sets have the same name.

    Upstream: JSON keeps the last: the earlier data set is never used.
    Fix: Give one of them another name.
    Source: Python's json.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}, "mine": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 1}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}, "other": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    if entry.earlier is not None:
        yield Hit(f"{entry.name} stands twice; entry {entry.earlier} is never used", entry.pointer)


@check("M07", severity="warning", formats=META)
def resampling_without_packing(entry: EntryView) -> Iterator[Hit]:
    """Resampling by length is asked for without packing.

    Known only with `--assume use_data_resampling=true` and `--assume packed=false`.

    Upstream: the weighted sampler is built and never consulted: the data sets are drawn in proportion to their lines.
    Fix: Train packed, or set repeat_time.
    Source: `internvl_chat_finetune.py`, `use_data_resampling`.
    Bad (internvl-meta; use_data_resampling=true; packed=false): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    Good (internvl-meta; use_data_resampling=true; packed=true): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    if entry.index == 0 and entry.assume("use_data_resampling") and entry.assume("packed") is False:
        yield Hit("use_data_resampling has no effect without packing", entry.pointer)


@check("M08", severity="warning", formats=META)
def fewer_lines_than_workers(entry: EntryView) -> Iterator[Hit]:
    """A data set has fewer lines than there are ranks times workers.

    Known only with `--assume ranks=N` and `--assume workers=M`; concerns packing.

    Upstream: lines are dealt out to ranks and workers in turn: some get none, and lose the data set.
    Fix: Repeat the lines, or train with fewer workers.
    Source: `internvl/train/dataset_packed.py`.
    Bad (internvl-meta; ranks=2; workers=8): {"mine": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 1}}
    Good (internvl-meta; ranks=2; workers=4): {"mine": {"root": "", "annotation": "ten.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    ranks, workers, value = entry.assume("ranks"), entry.assume("workers"), repeat_of(entry)
    if (
        ranks is None
        or entry.records is None
        or value is None
        or value <= 0
        or entry.assume("packed") is False
    ):
        return
    lines, readers = int(entry.records * value), ranks * (workers or 1)
    if 0 < lines < readers:
        yield Hit(f"{entry.name}: {lines} lines for {ranks} ranks x {workers or 1} workers", entry.pointer)


@check("M09", severity="error", formats=META)
def annotation_not_there(entry: EntryView) -> Iterator[Hit]:
    """The annotation file is not there.

    Upstream: open() fails: the run crashes before the first step.
    Fix: Correct the path; it starts in the directory that training is run from, not in root.
    Source: `internvl_chat_finetune.py`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "gone.jsonl", "data_augment": false, "repeat_time": 1}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    if entry.target is not None and not entry.exists:
        fix = (
            f"It was found under {entry.hint}: run from there or pass --media-root {entry.hint}."
            if entry.hint
            else None
        )
        yield Hit(
            f"{entry.name}: there is no file {entry.target}",
            f"{entry.pointer}/annotation",
            related_path=entry.target,
            fix=fix,
        )


_TYPES = {"root": str, "annotation": str, "data_augment": bool}


@check("M10", severity="error", formats=META)
def wrong_type(entry: EntryView) -> Iterator[Hit]:
    """An entry is no object, or a key has a type that the trainer does not take.

    Upstream: TypeError: the run crashes before the first step.
    Fix: Give each data set an object with root, annotation, data_augment and repeat_time.
    Source: `internvl_chat_finetune.py`, `build_datasets`.
    Bad (internvl-meta): {"mine": "one.jsonl"}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    if not isinstance(entry.raw, dict):
        yield Hit(f"{entry.name} is no object", entry.pointer)
        return
    for key, kind in _TYPES.items():
        if key in entry.raw and type(entry.raw[key]) is not kind:
            words = {str: "text", bool: "true or false"}[kind]
            yield Hit(
                f"{entry.name}: {key} is {json.dumps(entry.raw[key])[:40]}, not {words}",
                f"{entry.pointer}/{key}",
            )
    if "repeat_time" in entry.raw and repeat_of(entry) is None:
        yield Hit(
            f"{entry.name}: repeat_time is {json.dumps(entry.raw['repeat_time'])[:40]}, not a number",
            f"{entry.pointer}/repeat_time",
        )
