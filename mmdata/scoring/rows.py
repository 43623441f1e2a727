"""Predictions: JSON Lines, a JSON array, or an object with the array under ``outputs``, as the published scripts write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from mmdata.errors import DataError, UsageError
from mmdata.scoring.task import Row, Task


def read_rows(path: str, task: Task, others: Sequence[Task] = ()) -> list[Row]:
    """All rows of a predictions file.

    Args:
        path: the file.
        task: whose rows they should be.
        others: tasks to name if the rows are theirs.

    Raises:
        UsageError: no such file.
        DataError: not JSON, not the task's rows, or no rows at all.
    """
    rows: list[Row] = []
    seen: dict[Any, int] = {}
    for number, entry in enumerate(read_entries(path)):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, row {number}: expected an object, got {type(entry).__name__}")
        missing = [key for key in task.keys if key not in entry]
        if missing:
            raise DataError(f"{path}, row {number}: {_misses(entry, missing, task, others)}")
        try:
            row = task.read(number, entry)
        except DataError as error:
            raise DataError(f"{path}, row {number}: {error}") from None
        if row.response is not None and not isinstance(row.response, str):
            raise DataError(f"{path}, row {number}: the response is {type(row.response).__name__}, not text")
        if row.id is not None:
            if (key := repr(row.id)) in seen:
                raise DataError(
                    f"{path}, row {number}: the id {key} was answered already, in row {seen[key]}"
                )
            seen[key] = number
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _misses(entry: Mapping[str, Any], missing: list[str], task: Task, others: Sequence[Task]) -> str:
    said = f"no {' and no '.join(f'`{key}`' for key in missing)}, as every row of {task.name} has"
    fitting = [other.name for other in others if other is not task and all(k in entry for k in other.keys)]
    return f"{said}; the row is one of {' or '.join(fitting)}" if fitting else said


def read_entries(path: str) -> Iterator[Any]:
    """What a file of JSON Lines, a JSON array or an object with `outputs` holds, one after the other.

    Raises:
        UsageError: no such file.
        DataError: not JSON, or another object.
    """
    if not os.path.isfile(path):
        raise UsageError(f"{path}: no such file")
    with open(path, "rb") as file:
        start = file.read(4096).lstrip()
        file.seek(0)
        if start[:1] == b"{":
            line = file.readline()
            try:
                first = orjson.loads(line)
            except orjson.JSONDecodeError:
                first = None  # an object over several lines
            if first is not None and "outputs" not in first:
                file.seek(0)
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _loads(line, f"{path}, line {number}")
                return
            file.seek(0)
        text = file.read()
        if not text.strip():
            return  # no rows, which the caller tells
        whole = _loads(text, path)
    found = whole.get("outputs") if isinstance(whole, dict) else whole
    if not isinstance(found, list):
        raise DataError(f"{path}: expected JSON Lines, an array of rows, or an object with `outputs`")
    yield from found


def _loads(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error}") from None


def text(entry: Mapping[str, Any], key: str) -> str:
    """A key's text.

    Raises:
        DataError: it is something else.
    """
    value = entry[key]
    if not isinstance(value, str):
        raise DataError(f"`{key}` is {type(value).__name__}, expected text")
    return value
