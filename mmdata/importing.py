"""`import_files`: annotations of other projects as InternVL records, every question and object accounted for.

One module of `mmdata.importers` a project. What it reads is either written or named in the `ImportLedger`; the files
appear together when all went well, or not at all.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from mmdata.errors import UnknownName, UsageError
from mmdata.io.writer import Writable, atomic_writer, output_folder
from mmdata.plugins import Registry, discover
from mmdata.progress import Progress, Silent

MAX_NAMED = 1000
"""Things of one reason that the ledger names; their number is always complete."""

Purpose = Literal["train", "eval"]


@dataclass(frozen=True, slots=True)
class Left:
    """Something read that was not written.

    Attributes:
        kind: what it is: question, object, answer …
        place: file and place in it.
        reason: a short word, the key of the counts.
        detail: what about it, or "".
    """

    kind: str
    place: str
    reason: str
    detail: str = ""


@dataclass(slots=True)
class ImportLedger:
    """What became of everything that was read.

    Attributes:
        read: things by kind.
        written: things by kind; each counts once, however often it was written.
        left: things not written by (kind, reason).
        named: the first of each reason.
        notes: what else a person should know, by reason: (count, first place).
        files: records by file.
        facts: what the importer alone has to say.
        expected: reasons that are no fault of the data.
    """

    importer: str
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    named: list[Left] = field(default_factory=list)
    notes: dict[str, tuple[int, str]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    facts: dict[str, Any] = field(default_factory=dict)
    expected: frozenset[str] = frozenset()

    def leave(self, kind: str, place: str, reason: str, detail: str = "") -> None:
        """Something is not written."""
        self.left[kind, reason] += 1
        if self.left[kind, reason] <= MAX_NAMED and reason not in self.expected:
            self.named.append(Left(kind, place, reason, detail))

    def note(self, reason: str, place: str) -> None:
        """Something was written and a person should know about it."""
        count, first = self.notes.get(reason, (0, place))
        self.notes[reason] = (count + 1, first)

    @property
    def exit_code(self) -> int:
        """1 if anything was left out that nobody asked to leave out, or a person should know something; else 0."""
        return int(bool(self.notes) or any(reason not in self.expected for _, reason in self.left))

    @property
    def balanced(self) -> bool:
        """Whether everything read is written or named, or the importer has a bug."""
        gone = Counter[str]()
        for (kind, _), count in self.left.items():
            gone[kind] += count
        return all(
            self.read[kind] == self.written[kind] + gone[kind] for kind in self.read | self.written | gone
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json`` and ``--report``."""
        return {
            "importer": self.importer,
            "read": dict(self.read),
            "written": dict(self.written),
            "left": [
                {"kind": kind, "reason": why, "count": n} for (kind, why), n in sorted(self.left.items())
            ],
            "balanced": self.balanced,
            "files": dict(self.files),
            "named": [
                {"kind": one.kind, "place": one.place, "reason": one.reason, "detail": one.detail}
                for one in self.named
            ],
            "notes": [{"reason": why, "count": n, "first": at} for why, (n, at) in self.notes.items()],
            **self.facts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a person may choose; each importer names those that it takes.

    Attributes:
        name: start of the names of the files written.
        purpose: records to train on, or rows in the layout of the published evaluation files.
        window: key frames that belong together.
        stride: key frames from one window to the next.
        arrange: the cameras of a time step stitched into one picture, or as pictures of their own.
        per: a record a question, or a record a window with its questions as turns.
        ask: questions of a window's last frame, or of each of its frames.
        split: file of the numbers of the objects that are wanted.
        media_root: directory of the pictures, where they must be looked at.
        boxes: how boxes in texts are written: as they are, or as InternVL's.
        ending: of the pictures' names, where the annotation does not say.
        instruction: what is added to a question.
    """

    name: str | None = None
    purpose: Purpose = "train"
    window: int = 1
    stride: int | None = None
    arrange: Literal["stitch", "images"] = "stitch"
    per: Literal["question", "window"] | None = None
    ask: Literal["last", "every"] = "last"
    split: str | None = None
    media_root: str | None = None
    boxes: Literal["keep", "internvl"] = "keep"
    ending: str | None = None
    instruction: str | None = None


class Sink:
    """Where an importer writes: files of one folder that appear together at the end.

    Args:
        folder: theirs.
        ledger: counts the records.
        force: whether files that are there may be replaced.
        stack: closes the files; an exception in it takes all of them back.
    """

    def __init__(self, folder: str, ledger: ImportLedger, stack: ExitStack, *, force: bool) -> None:
        self._folder = folder
        self._ledger = ledger
        self._force = force
        self._stack = stack
        self._files: dict[str, Writable] = {}

    def line(self, name: str, record: dict[str, Any]) -> None:
        """Append a record to a JSON Lines file."""
        self._open(name).write(_text(record) + b"\n")
        self._ledger.files[name] += 1

    def row(self, name: str, record: dict[str, Any]) -> None:
        """Append an element to the JSON array of a file."""
        new = name not in self._files
        file = self._open(name)
        file.write((b"[\n" if new else b",\n") + _text(record))
        if new:
            self._stack.callback(_close_array, file)
        self._ledger.files[name] += 1

    def _open(self, name: str) -> Writable:
        if name not in self._files:
            path = os.path.join(self._folder, name)
            if os.path.lexists(path) and not self._force:
                raise UsageError(f"{path}: is there already; --force replaces it")
            self._files[name] = self._stack.enter_context(atomic_writer(path))
        return self._files[name]


def _text(record: dict[str, Any]) -> bytes:
    """A record as JSON; what orjson cannot write, or would write as null, stands as Python's json writes and reads it."""
    try:
        data = orjson.dumps(record)
    except TypeError:  # escapes that are no characters, integers beyond 64 bits
        return json.dumps(record).encode()
    return json.dumps(record).encode() if b"null" in data and not _finite(record) else data


def _finite(value: Any) -> bool:
    """Whether no NaN and no Infinity lies in a value."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _close_array(file: Writable) -> None:
    file.write(b"\n]\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """How the annotation of one project is read.

    Attributes:
        name: on the command line.
        title: what it is, for a person.
        files: what the paths must be.
        takes: names of the `ImportOptions` that mean something to it.
        run: reads the paths and writes to the sink, counting in the ledger.
        expected: reasons to leave something out that are no fault of the data: counted, not named one by one.
    """

    name: str
    title: str
    files: str
    takes: frozenset[str]
    run: Callable[[Sequence[str], ImportOptions, Sink, ImportLedger, Progress], None]
    expected: frozenset[str] = frozenset()


def importers() -> Registry[Importer]:
    """Every importer by name."""
    return discover("mmdata.importers", "mmdata.importers", attribute="IMPORTER")


def import_files(
    importer: str,
    paths: Sequence[str],
    folder: str,
    options: ImportOptions | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> ImportLedger:
    """Read annotations and write InternVL records below `folder`.

    Raises:
        UnknownName: there is no such importer.
        UsageError: an option that the importer does not take; an output that is there already.
        DataError: a file that is not what the importer reads.
    """
    chosen = importers()[importer]
    options = options or ImportOptions()
    plain = ImportOptions()
    for name in ImportOptions.__dataclass_fields__:
        if getattr(options, name) != getattr(plain, name) and name not in chosen.takes:
            raise UsageError(
                f"{importer} takes no --{name.replace('_', '-')}; it takes {_listed(chosen.takes)}"
            )
    _check(options)
    ledger = ImportLedger(importer, expected=chosen.expected)
    with output_folder(folder), ExitStack() as stack:
        chosen.run(paths, options, Sink(folder, ledger, stack, force=force), ledger, progress or Silent())
    assert ledger.balanced, f"{importer}: read {ledger.read}, written {ledger.written}, left {ledger.left}"
    return ledger


def _listed(names: frozenset[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in sorted(names)) or "none"


_CHOICES = {
    "purpose": ("train", "eval"),
    "arrange": ("stitch", "images"),
    "per": ("question", "window", None),
    "ask": ("last", "every"),
    "boxes": ("keep", "internvl"),
}


def _check(options: ImportOptions) -> None:
    for name, known in _CHOICES.items():
        value = getattr(options, name)
        if value not in known:
            raise UnknownName(name, str(value), [one for one in known if one])
    if options.window < 1 or (options.stride is not None and options.stride < 1):
        raise UsageError("--window and --stride count key frames: from 1 on")
    if options.name is not None and (not options.name or os.path.basename(options.name) != options.name):
        raise UsageError(f"--name: expected the start of a file name, got {options.name!r}")


__all__ = [
    "ImportLedger",
    "ImportOptions",
    "Importer",
    "Left",
    "Sink",
    "import_files",
    "importers",
]
