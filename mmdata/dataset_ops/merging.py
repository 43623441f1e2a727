"""`merge`: several files of records to one, in order, with equal ids named or renamed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from mmdata.dataset_ops.fields import canonical
from mmdata.dataset_ops.ledger import MAX_NAMED, Ledger
from mmdata.dataset_ops.repeats import Members, Repeats
from mmdata.dataset_ops.stream import Outputs, read_records, read_values, twice_readable, value_of
from mmdata.detection import detect
from mmdata.errors import UsageError
from mmdata.finding import Edit
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.progress import Progress

DuplicateIds = Literal["report", "rename", "error"]

FIRST_DECIDES = ("geopixel", "xcomposer", "xcomposer-2.0")
"""Formats of which a file's first record decides how all of them are read."""


def merge(
    paths: Sequence[str],
    output: str,
    *,
    duplicate_ids: DuplicateIds = "report",
    mixed: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Write the records of several files into one, file by file, in order.

    Args:
        paths: the files; one that is named twice is read twice.
        output: file to write; its name decides between JSON array and JSON Lines, else the first file does.
        duplicate_ids: ``report`` names them and keeps them; ``rename`` gives each repetition the id
            ``<id>~<file's stem>:<record>``, every other byte kept; ``error`` refuses.
        mixed: also merge files of different formats, or sorts of records of which a trainer reads one sort a file.
        force: replace the output.
        progress: told how far it is.
        ledger: to fill in; a new one if None.

    Raises:
        UsageError: files that do not go together, equal ids with ``error``, a file that cannot be read or written.
    """
    books = ledger or Ledger("merge")
    if duplicate_ids not in ("report", "rename", "error"):
        raise UsageError(f"--duplicate-ids is report, rename or error, got {duplicate_ids!r}")
    for path in paths:
        twice_readable(path, "merge")
    with Outputs([output], inputs=paths, force=force, ledger=books) as out:
        _go_together(paths, mixed)
        repeated = Members(*_repeated(paths, mixed, progress))
        after = Repeats()
        position, places = 0, _Places()
        renamed: list[dict[str, Any]] = []
        for path in paths:
            places.begin(path, position)
            for raw in read_records(path, books, progress):
                data, first = raw.data, repeated.first_of(position)
                if first is not None:
                    books.extra["duplicate_ids"] = books.extra.get("duplicate_ids", 0) + 1
                    value = value_of(raw)
                    if duplicate_ids == "error":
                        raise UsageError(
                            f"{path}: record {raw.index} has the id of {places.name(first)}: {value['id']!r}"
                        )
                    if duplicate_ids == "report":
                        books.note(
                            f"{path}: record {raw.index} has the id of {places.name(first)}: {value['id']!r}"
                        )
                    else:
                        new = f"{value['id']}~{os.path.basename(path).partition('.')[0]}:{raw.index}"
                        data = apply(data, [Edit("set", "/id", new)])
                        if len(renamed) < MAX_NAMED:
                            renamed.append(
                                {"path": path, "record": raw.index, "before": value["id"], "after": new}
                            )
                        books.extra["renamed"] = books.extra.get("renamed", 0) + 1
                if duplicate_ids == "rename" and (key := _id(value_of(raw._replace(data=data)))) is not None:
                    after.add(key, position)
                out.writers[0].write(data)
                position += 1
        if renamed:
            books.extra["renamed_records"] = renamed
        if duplicate_ids == "rename" and len(after.found()[0]):
            raise UsageError("a new id is taken already; rename ids of that kind by hand first")
    return books


class _Places:
    """Which file and record a position counted over all files is; as every broken record is left out, about where."""

    def __init__(self) -> None:
        self._starts: list[tuple[int, str]] = []

    def begin(self, path: str, position: int) -> None:
        self._starts.append((position, path))

    def name(self, position: int) -> str:
        start, path = max(s for s in self._starts if s[0] <= position)
        return f"whole record {position - start} of {path}"


def _id(value: Any) -> bytes | None:
    found = value.get("id") if isinstance(value, dict) else None
    return None if found is None else canonical(found)


def _repeated(paths: Sequence[str], mixed: bool, progress: Progress | None) -> Any:
    """Positions that repeat an id, and the sorts of records while we are at it."""
    repeats, position = Repeats(), 0
    kinds: dict[str, str] = {}
    for path in paths:
        name = detect(path).format
        kind_of = get_format(name).kind if name in FIRST_DECIDES and not mixed else None
        for raw, value in read_values(path, None, progress):
            if (key := _id(value)) is not None:
                repeats.add(key, position)
            if kind_of is not None and isinstance(value, dict):
                kinds.setdefault(kind_of(value), f"record {raw.index} of {path}")
            position += 1
    if len(kinds) > 1:
        found = "; ".join(f"{kind}: {place}" for kind, place in kinds.items())
        raise UsageError(
            f"a file's first record decides how the trainer reads all of them, and these are of different sorts ({found}); "
            "merge each sort to a file of its own and name them in data.txt, or give --mixed"
        )
    return repeats.found()


def _go_together(paths: Sequence[str], mixed: bool) -> None:
    names: dict[str, str] = {}
    for path in paths:
        found = detect(path)
        if found.format is not None:
            if get_format(found.format).mixture:
                raise UsageError(f"{path}: a {found.format} file lists data sets; merge those")
            names.setdefault(found.format, path)
    if len(names) > 1 and not mixed:
        listed = ", ".join(f"{path} is {name}" for name, path in names.items())
        raise UsageError(
            f"different formats: {listed}; convert them first (`mmdata convert`), or give --mixed"
        )


__all__ = ["FIRST_DECIDES", "DuplicateIds", "merge"]
