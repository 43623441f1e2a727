"""Mixture files as text: read strictly as the trainers read them, checked, and written.

`mmdata.mixtures` reads leniently, for the checks of `validate`; here an entry that the trainer would choke on is a named
problem, because a plan or a conversion must not guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mmdata.errors import DataError, UsageError
from mmdata.io.read import open_source
from mmdata.io.writer import atomic_writer
from mmdata.mixing import data_txt
from mmdata.mixtures import MAX_BYTES, JSONProblem, read_data_txt, read_meta, resolve_target

MixtureFormat = Literal["data-txt", "internvl-meta"]
REQUIRED = ("root", "annotation", "data_augment", "repeat_time")


@dataclass(frozen=True, slots=True)
class MixtureEntry:
    """A data set as a mixture file names it.

    Attributes:
        name: its name (meta) or path (data.txt).
        path: the annotation file as written.
        target: where that lies from here.
        number: ``repeat_time``, or the token of ``data.txt``; None for "the whole file".
        root: ``root`` of the meta file, or None.
        keys: the other members of the meta entry.
        place: "line 3" or "entry 'name'", for messages.
        error: why the trainer cannot read the entry, or None.
    """

    name: str
    path: str
    target: str
    number: int | float | str | None
    place: str
    root: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MixtureProblem:
    """Something to know about a mixture file.

    Attributes:
        code: a word for it: ``unreadable``, ``repeated``, ``number`` …
        message: one sentence that begins with the place.
        fatal: the trainer crashes on it.
    """

    code: str
    message: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class MixtureText:
    """A mixture file.

    Attributes:
        path: the file.
        format: ``data-txt`` or ``internvl-meta``.
        entries: every entry in file order, those that do not count included.
    """

    path: str
    format: MixtureFormat
    entries: Sequence[MixtureEntry]

    def counting(self, *, given_num: bool = True) -> list[MixtureEntry]:
        """The entries that the trainer uses: of a name that stands twice the last one, at the first one's place."""
        readable = [e for e in self.entries if self._problem(e, given_num=given_num) is None]
        return list({e.name: self._plain(e, given_num=given_num) for e in readable}.values())

    def problems(self, *, given_num: bool = True) -> list[MixtureProblem]:
        """What the trainer chokes on, and names that stand twice."""
        found = []
        last: dict[str, int] = {}
        for number, entry in enumerate(self.entries):
            problem = self._problem(entry, given_num=given_num)
            if problem is not None:
                found.append(MixtureProblem("unreadable", f"{entry.place}: {problem}", True))
            else:
                last[entry.name] = number
        for number, entry in enumerate(self.entries):
            later = last.get(entry.name, number)
            if later > number and self._problem(entry, given_num=given_num) is None:
                message = (
                    f"{entry.place}: {entry.name} stands again at {self.entries[later].place}, which wins"
                )
                found.append(MixtureProblem("repeated", message, False))
        return found

    def _problem(self, entry: MixtureEntry, *, given_num: bool) -> str | None:
        if self.format == "internvl-meta":
            return entry.error
        if entry.keys["line"].startswith("\ufeff"):
            return "begins with a byte order mark, which the trainer takes for a part of the path"
        try:
            data_txt.read_line(entry.keys["line"], given_num=given_num)
        except DataError as error:
            return str(error)
        return None

    def _plain(self, entry: MixtureEntry, *, given_num: bool) -> MixtureEntry:
        if self.format == "internvl-meta":
            return entry
        line = data_txt.read_line(entry.keys["line"], given_num=given_num)
        return MixtureEntry(line.path, line.path, entry.target, line.number, entry.place, keys=entry.keys)


def read_mixture_text(path: str, *, media_root: str | None = None) -> MixtureText:
    """Read a ``data.txt`` or an InternVL meta file; which of the two it is, the content says.

    Args:
        path: the file.
        media_root: directory that relative annotation paths start from; None for the working directory.

    Raises:
        UsageError: no such file, far too long, neither of the two, or a meta file that is not JSON.
    """
    with open_source(path) as source:
        data = source.head(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES >> 20} MiB; no mixture file is that long")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise UsageError(f"{path}: is empty")
    if start.startswith(b"["):
        raise UsageError(f"{path}: is a JSON array, no mixture file; name it in a data.txt or a meta file")
    try:
        if start.startswith(b"{"):
            return MixtureText(path, "internvl-meta", _meta(path, data, media_root))
        return MixtureText(path, "data-txt", _lines(data, media_root))
    except JSONProblem as problem:
        line = data.count(b"\n", 0, problem.offset) + 1
        raise UsageError(
            f"{path}: line {line}: {problem.message}; InternVL's trainer crashes on it"
        ) from None


def _lines(data: bytes, media_root: str | None) -> list[MixtureEntry]:
    entries = []
    for index, entry in enumerate(read_data_txt(data)):
        words = str(entry.raw).strip().split(" ")
        entries.append(
            MixtureEntry(
                words[0],
                words[0],
                resolve_target(words[0], media_root),
                words[1] if len(words) == 2 else None,
                f"line {index + 1}",
                keys={"line": str(entry.raw)},
            )
        )
    return entries


def _meta(path: str, data: bytes, media_root: str | None) -> list[MixtureEntry]:
    entries = read_meta(data)
    if entries and all(e.name in ("conversations", "image", "id", "video") for e in entries[:2]):
        raise UsageError(f"{path}: is a record, no mixture file")
    found = []
    for entry in entries:
        raw = entry.raw if isinstance(entry.raw, dict) else {}
        number = raw.get("repeat_time")
        found.append(
            MixtureEntry(
                entry.name,
                entry.annotation or "",
                resolve_target(entry.annotation or "", media_root),
                number if type(number) in (int, float) else 1,
                f"entry {entry.name!r}",
                entry.root,
                {k: v for k, v in raw.items() if k not in ("root", "annotation", "repeat_time")},
                _meta_error(entry.raw),
            )
        )
    return found


def _meta_error(raw: Any) -> str | None:
    """Why InternVL's script crashes on an entry."""
    if not isinstance(raw, dict):
        return "is no object"
    missing = [key for key in REQUIRED if key not in raw]
    if missing:
        return f"lacks {', '.join(missing)}"
    if not isinstance(raw["annotation"], str) or not isinstance(raw["root"], str):
        return "root and annotation must be text"
    if not raw["annotation"].endswith("jsonl"):
        return f"annotation {raw['annotation']!r} is no *.jsonl file"
    number = raw["repeat_time"]
    if type(number) not in (int, float):
        return f"repeat_time is {json.dumps(number)[:40]}, not a number"
    if isinstance(number, float) and (number > 1 or number != number):
        return f"repeat_time {number} is above one and no integer"
    return None


def data_txt_bytes(lines: Sequence[tuple[str, str]]) -> bytes:
    """The text of a ``data.txt``.

    Args:
        lines: (path, number) pairs.

    Raises:
        DataError: a path has white space in it, which the trainer cannot read.
    """
    for path, number in lines:
        if not path or path.split() != [path] or number.split() != [number]:
            raise DataError(f"{path!r}: a data.txt cannot name a path with white space in it")
    return "".join(f"{path} {number}\n" for path, number in lines).encode()


def meta_bytes(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The text of an InternVL meta file."""
    return (json.dumps(entries, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def write_mixture(path: str, data: bytes, *, force: bool = False) -> None:
    """Write a mixture file; it appears complete or not at all.

    Raises:
        UsageError: the file is there and `force` is not given, or the place cannot be written.
    """
    import os

    if os.path.lexists(path) and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")
    with atomic_writer(path) as out:
        out.write(data)


__all__ = [
    "MixtureEntry",
    "MixtureFormat",
    "MixtureProblem",
    "MixtureText",
    "data_txt_bytes",
    "meta_bytes",
    "read_mixture_text",
    "write_mixture",
]
