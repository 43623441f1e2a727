"""InternVL's meta file: its data sets counted and checked, and one more put in without touching the others.

Upstream opens ``annotation`` from its working directory (``internvl_chat``), splits it into lines and joins ``root`` with
the path of each picture (InternVL, ``internvl/train/internvl_chat_finetune.py``). ``length`` is read by nobody; it is kept
right for people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmdata.errors import DataError, UsageError
from mmdata.io.jsontext import JSONProblem, parse
from mmdata.io.streams import is_url
from mmdata.io.writer import atomic_writer
from mmdata.media.images import probe
from mmdata.media.paths import resolve
from mmdata.mixing.files import MixtureEntry, read_mixture_text
from mmdata.mixtures import MAX_BYTES

_PIECE = 1 << 20

SAMPLED = 8
"""Records of a data set whose media are looked at."""


@dataclass(slots=True)
class SetReport:
    """One data set.

    Attributes:
        name: its name in the meta file.
        annotation: as written.
        root: as written.
        lines: of the annotation; None if it cannot be read.
        length: as written, or None.
        sampled: media looked at.
        problems: what is wrong with it, one sentence each.
    """

    name: str
    annotation: str
    root: str
    lines: int | None = None
    length: int | None = None
    sampled: int = 0
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "name": self.name,
            "annotation": self.annotation,
            "root": self.root,
            "lines": self.lines,
            "length": self.length,
            "media_sampled": self.sampled,
            "problems": self.problems,
        }


def read_meta_file(path: str, base: str | None = None) -> Sequence[MixtureEntry]:
    """The entries of a meta file, repeated names included.

    Args:
        path: the file.
        base: directory that relative annotations start from; None for the working directory.

    Raises:
        UsageError: no such file, or no meta file.
    """
    text = read_mixture_text(path, media_root=base)
    if text.format != "internvl-meta":
        raise UsageError(f"{path}: is a data.txt, no InternVL meta file")
    return text.entries


def check(path: str, *, base: str | None = None, samples: int = SAMPLED) -> list[SetReport]:
    """Every data set of a meta file: the entry, its lines against its length, some of its media.

    Args:
        path: the meta file.
        base: directory that its relative paths start from, upstream's ``internvl_chat``.
        samples: records a set whose media are looked at; 0 for none.

    Raises:
        UsageError: no such file, or no meta file.
    """
    entries = read_meta_file(path, base)
    names = [entry.name for entry in entries]
    reports = []
    for entry in entries:
        length = entry.keys.get("length")
        report = SetReport(
            entry.name, entry.path, entry.root or "", length=length if type(length) is int else None
        )
        reports.append(report)
        if names.count(entry.name) > 1:
            report.problems.append("its name stands more than once; only the last one counts")
        if entry.error:
            report.problems.append(f"{entry.error}: upstream crashes")
        if entry.path:
            _count(report, entry.target)
        if report.lines and samples:
            look_at_media(report, entry.target, entry.root or "", base, samples)
    return reports


def _count(report: SetReport, target: str) -> None:
    try:
        report.lines, blank = count_lines(target)
    except DataError as error:
        report.problems.append(str(error))
        return
    if blank is not None:
        report.problems.append(f"{target}: line {blank} is blank: upstream crashes on it")
    if report.lines == 0:
        report.problems.append(f"{target}: has no record")
    if report.length is not None and report.length != report.lines:
        report.problems.append(f"length is {report.length:,}, {target} has {report.lines:,} lines")


def count_lines(path: str) -> tuple[int, int | None]:
    """Lines of a file as ``readlines`` counts them, and the number (from 1) of the first blank one.

    Raises:
        DataError: it cannot be read.
    """
    lines, blank = 0, None
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise OSError("not a regular file")  # a pipe would wait for ever, a device never ends
        with open(path, "rb") as file:
            begun = empty = False
            # A line longer than memory comes in pieces.
            while piece := file.readline(_PIECE):
                empty = (empty or not begun) and not piece.strip()
                begun = not piece.endswith(b"\n")
                lines += not begun
                if empty and not begun and blank is None:
                    blank = lines
            lines += begun
            if begun and empty and blank is None:
                blank = lines
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return lines, blank


def look_at_media(report: SetReport, target: str, root: str, base: str | None, samples: int) -> None:
    """Look at the media of some records, spread evenly over the file; faults go to the report."""
    missing: list[str] = []
    for number, line in sampled_lines(target, samples):
        try:
            record = parse(line)
        except JSONProblem as error:
            report.problems.append(f"{target}: byte {number}: not JSON: {error}")
            continue
        for path in media_of(record):
            full = resolve(path, root=root, base=base)
            if is_url(full):
                continue
            report.sampled += 1
            facts = probe(full, "header")
            video = facts.problem == "video" or (facts.problem == "unreadable" and os.path.isdir(full))
            if facts.problem == "missing":
                missing.append(full)
            elif facts.problem and not video:
                report.problems.append(f"{full}: {facts.detail or facts.problem}")
    if missing:
        report.problems.append(
            f"{len(missing)} of {report.sampled} sampled media are missing, first {missing[0]}"
        )


def sampled_lines(path: str, samples: int) -> Iterator[tuple[int, bytes]]:
    """Offset and text of lines that start nearest behind evenly spaced places; each line once."""
    size = os.path.getsize(path)
    seen = set()
    with open(path, "rb") as file:
        for k in range(samples):
            at = size * k // samples
            file.seek(max(at - 1, 0))
            if at:
                file.readline()
            start = file.tell()
            line = file.readline()
            if line.strip() and start not in seen:
                seen.add(start)
                yield start, line


def media_of(record: Any) -> list[str]:
    """Paths of the pictures or the video of an InternVL record."""
    if not isinstance(record, dict):
        return []
    value = record.get("image") or record.get("video") or []
    return [value] if isinstance(value, str) else [one for one in value if isinstance(one, str)]


def add(
    path: str,
    name: str,
    annotation: str,
    root: str,
    *,
    repeat_time: float = 1,
    data_augment: bool = False,
    max_dynamic_patch: int | None = None,
    base: str | None = None,
) -> dict[str, Any]:
    """Put one more data set into a meta file; every byte of the others stays. A missing file is begun.

    Args:
        path: the meta file.
        name: of the data set.
        annotation: its JSON Lines file, as the trainer is to open it.
        root: directory that its media paths start from, likewise.
        repeat_time: below one the first part of the lines, above one a whole number of repeats.
        data_augment: JPEG compression of random quality.
        max_dynamic_patch: most tiles of a picture of this set.
        base: directory that relative paths start from; None for the working directory.

    Returns:
        The entry as written, with its ``length``.

    Raises:
        UsageError: the name or the annotation is there already; the entry would make upstream crash; the file is no
            meta file or has a name twice (an entry is lost already).
        DataError: the annotation cannot be read, is empty or has a blank line.
    """
    if not name:
        raise UsageError("a data set needs a name")
    if not annotation.endswith(".jsonl"):
        raise UsageError(f"{annotation}: upstream asserts that annotations end in .jsonl")
    if (
        repeat_time <= 0
        or (repeat_time > 1 and not isinstance(repeat_time, int))
        or repeat_time != repeat_time
    ):
        raise UsageError(f"repeat_time {repeat_time}: expected a share below one or a whole number")
    where = annotation if base is None else os.path.join(base, annotation)
    lines, blank = count_lines(where)
    if blank is not None:
        raise DataError(f"{where}: line {blank} is blank: upstream crashes on it (mmdata validate --fix)")
    if lines == 0:
        raise DataError(f"{where}: has no record")
    place = root if base is None else os.path.join(base, root)
    if not is_url(root) and not os.path.isdir(place):
        raise UsageError(f"{place}: no such directory; root is where the paths of the pictures start")
    entry: dict[str, Any] = {
        "root": root,
        "annotation": annotation,
        "data_augment": data_augment,
        "repeat_time": repeat_time,
        **({} if max_dynamic_patch is None else {"max_dynamic_patch": max_dynamic_patch}),
        "length": lines,
    }
    data = _with_entry(path, name, entry, where, base)
    with atomic_writer(path) as file:
        file.write(data)
    return entry


def _with_entry(path: str, name: str, entry: dict[str, Any], where: str, base: str | None) -> bytes:
    """The text of the meta file with one more member at its end."""
    text = json.dumps(name, ensure_ascii=False) + ": " + json.dumps(entry, indent=2, ensure_ascii=False)
    member = ("  " + text.replace("\n", "\n  ")).encode()
    if not os.path.lexists(path):
        return b"{\n" + member + b"\n}\n"
    entries = read_meta_file(path, base)
    names = [one.name for one in entries]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"{path}: {twice!r} stands twice; only the last one counts: repair that first")
    if name in names:
        raise UsageError(f"{path}: {name!r} is there already; upstream would keep only one of the two")
    same = next((one.name for one in entries if one.path and _same(one.target, where)), None)
    if same is not None:
        raise UsageError(
            f"{path}: {same!r} has that annotation already; raise its repeat_time to train on it more often"
        )
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES)
    end = data.rindex(b"}")
    head = data[:end].rstrip()
    return head + (b",\n" if entries else b"\n") + member + b"\n" + data[end:]


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
