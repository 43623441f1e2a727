"""Reading the evaluation sets of the domain-adaptation guide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from mmdata.errors import DataError, UsageError


def entries(path: Path, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, entry) of a JSON array or a JSON Lines file, each with all of the keys.

    Raises:
        UsageError: no such file.
        DataError: not JSON, or a key is missing.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.suffix == ".jsonl":
        with path.open("rb") as file:
            found: Any = [
                (n, _loads(line, f"{path}, line {n}")) for n, line in enumerate(file, 1) if line.strip()
            ]
        places = [(f"{path}, line {number}", entry) for number, entry in found]
    else:
        found = _loads(path.read_bytes(), str(path))
        if not isinstance(found, list):
            raise DataError(f"{path}: expected an array of questions")
        places = [(f"{path}, question {number}", entry) for number, entry in enumerate(found)]
    for where, entry in places:
        if not isinstance(entry, dict):
            raise DataError(f"{where}: expected an object, got {type(entry).__name__}")
        missing = [key for key in keys if key not in entry]
        if missing:
            raise DataError(
                f"{where}: no {' and no '.join(f'`{key}`' for key in missing)}: is it the right file?"
            )
        yield where, entry


def picture(root: Path, name: Any, where: str) -> Path:
    """A picture's path.

    Raises:
        DataError: there is no such file.
    """
    if not isinstance(name, str):
        raise DataError(f"{where}: the picture's path is {type(name).__name__}, expected text")
    path = root / name
    if not path.is_file():
        raise DataError(f"{where}: no picture {path}")
    return path


def _loads(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error}") from None
