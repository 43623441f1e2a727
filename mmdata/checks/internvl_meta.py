"""InternVL's meta file: the entries and what they name (M01 to M10)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import EntryView
from mmdata.finding import Edit

META = ("internvl-meta",)
REQUIRED = ("root", "annotation", "data_augment", "repeat_time")


def repeat_of(entry: EntryView) -> int | float | None:
    """The entry's ``repeat_time`` where it is a number; for Python, true and false are 1 and 0."""
    value = entry.raw.get("repeat_time") if isinstance(entry.raw, dict) else None
    return value if isinstance(value, (int, float)) else None


def lines_of(entry: EntryView) -> int | None:
    """How many lines of the file, repeats included, the trainer keeps; None where that is not known."""
    value = repeat_of(entry)
    if value is None or entry.records is None or not math.isfinite(value):
        return None
    if value < 1:
        return len(range(entry.records)[: int(entry.records * value)])
    return entry.records * int(value)


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
        edits = (Edit("set", place, int(value)),) if value.is_integer() else ()
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
    kept = lines_of(entry)
    if value <= 0:
        upstream = f"the end is trimmed: the first {kept} of {entry.records} lines are used" if kept else None
        yield Hit(f"{entry.name}: repeat_time {json.dumps(value)}", place, upstream=upstream)
    elif value < 1 and kept == 0:
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
    kept = lines_of(entry)
    if value is not None and 0 < value < 1 and kept:
        message = f"{entry.name}: only the first {kept} of {entry.records} lines are used"
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
    lines = lines_of(entry)
    if ranks is None or lines is None or value is None or value <= 0 or entry.assume("packed") is False:
        return
    readers = ranks * (workers or 1)
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


_TYPES = {"root": "text", "annotation": "text", "max_dynamic_patch": "a whole number"}


@check("M10", severity="error", formats=META)
def wrong_type(entry: EntryView) -> Iterator[Hit]:
    """An entry is no object, or a key has a type that the trainer does not take.

    `data_augment` is asked for its truth: 0, 1 and null do, but a text is true whatever it says, a warning.

    Upstream: TypeError or AttributeError: the run crashes before the first step, or at the first picture (root, max_dynamic_patch).
    Fix: Give each data set an object with root, annotation, data_augment and repeat_time.
    Source: `internvl_chat_finetune.py`, `build_datasets`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": "one.jsonl"}
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": "false", "repeat_time": 1}}
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1, "max_dynamic_patch": "12"}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1, "max_dynamic_patch": 12}}
    """
    if not isinstance(entry.raw, dict):
        yield Hit(f"{entry.name} is no object", entry.pointer)
        return
    for key, words in _TYPES.items():
        if key in entry.raw and not isinstance(entry.raw[key], str if words == "text" else int):
            yield _mistyped(entry, key, words)
    if "repeat_time" in entry.raw and repeat_of(entry) is None:
        yield _mistyped(entry, "repeat_time", "a number")
    if isinstance(entry.raw.get("data_augment"), (str, list, dict)):
        hit = _mistyped(entry, "data_augment", "true or false")
        hit.severity = "warning"
        hit.upstream = f"It counts as {'true' if entry.raw['data_augment'] else 'false'}."
        yield hit


def _mistyped(entry: EntryView, key: str, words: str) -> Hit:
    value = json.dumps(entry.raw[key])[:40]
    return Hit(f"{entry.name}: {key} is {value}, not {words}", f"{entry.pointer}/{key}")
