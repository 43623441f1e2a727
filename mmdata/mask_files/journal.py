"""What a run has done so far, and what is left to read of it when it is done: ``index.json``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from mmdata.io.writer import atomic_writer

if TYPE_CHECKING:
    from mmdata.mask_files.summary import Summary

INDEX = "index.json"
JOURNAL = "index.partial.jsonl"

_LEDGER = b'"ledger":'
_BETWEEN = b'"between_records":'


def whole_lines(path: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The lines of a journal and where each ends; a last one that was cut off is left out."""
    end = 0
    with open(path, "rb") as file:
        for line in file:
            end += len(line)
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                return
            if not line.endswith(b"\n") or not isinstance(value, dict):
                return
            yield value, end


def index_lines(path: str) -> Iterator[Any]:
    """The settings of an ``index.json``, then its records one by one, read line by line as they were written."""
    with open(path, "rb") as file:
        try:
            yield orjson.loads(file.readline().rstrip(b",\n") + b"}").get("settings")
            for line in file:
                if line.startswith(b'{"record":'):
                    yield orjson.loads(line.rstrip(b"\n").removesuffix(b","))
        except (orjson.JSONDecodeError, AttributeError):
            return


def between_of(path: str) -> tuple[list[str], int]:
    """The texts between records that an ``index.json`` names, and how many more there were."""
    more = 0
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(_LEDGER):
                more = orjson.loads(line.removeprefix(_LEDGER).rstrip(b",\n")).get("more_between_records", 0)
            elif line.startswith(_BETWEEN):
                return orjson.loads(line.removeprefix(_BETWEEN).rstrip(b",\n")), more
    return [], more


def named_files(output: str) -> Iterator[str]:
    """The base names of the files with masks that the index or journal of a directory names."""
    index, journal = os.path.join(output, INDEX), os.path.join(output, JOURNAL)
    known: list[Any] = []
    if os.path.isfile(index):
        known += index_lines(index)
    if os.path.isfile(journal):
        known += (line for line, _ in whole_lines(journal))
    for entry in known:
        for file in entry.get("files", ()) if isinstance(entry, dict) else ():
            yield os.path.basename(str(file.get("file")))


def write_index(
    path: str, settings: dict[str, Any], summary: Summary, entries: Iterable[dict[str, Any]]
) -> None:
    """Write ``index.json``: settings, ledger, text between records, rejects, then a line for each record."""
    ledger = {
        "records": summary.records,
        "written": summary.written,
        "without_masks": summary.without_masks,
        "rejected": len(summary.rejects),
        **({"more_between_records": summary.more_between} if summary.more_between else {}),
    }
    with atomic_writer(path) as file:
        file.write(b'{"settings":' + orjson.dumps(settings) + b",\n" + _LEDGER + orjson.dumps(ledger))
        file.write(b",\n" + _BETWEEN + orjson.dumps(summary.between))
        rejects = [{"record": record, "error": why} for record, why in summary.rejects]
        file.write(b',\n"rejects":' + orjson.dumps(rejects) + b',\n"records":[')
        for number, entry in enumerate(entries):
            entry.pop("annotations", None)  # they are in the COCO file
            file.write((b",\n" if number else b"\n") + orjson.dumps(entry))
        file.write(b"\n]}\n")
