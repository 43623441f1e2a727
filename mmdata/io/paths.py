"""What a person means by the paths on a command line: files, globs, directories, standard input, URLs."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mmdata.containers import suffixes
from mmdata.errors import UsageError
from mmdata.io.streams import is_url, local_path, nearest, reason

SUFFIXES = (".json", ".jsonl", ".txt")
PACKED = ("", ".gz", ".zst")
MOST_BRACED = 100_000


@dataclass(slots=True)
class Expansion:
    """The files that paths stand for.

    Attributes:
        files: what to read, in the order asked for; the content of a directory sorted.
        left_aside: files of directories that are no data files by their name.
    """

    files: list[str] = field(default_factory=list)
    left_aside: list[str] = field(default_factory=list)


def expand(args: Sequence[str]) -> Expansion:
    """Files, globs (``**`` too), directories (with everything below), ``-`` and URLs as a list of files.

    A directory gives its ``.json``, ``.jsonl`` and ``.txt`` files and those of `mmdata.containers`, plain or ``.gz`` or ``.zst``; hidden entries are passed
    over. A file that is named twice is listed once.

    Raises:
        UsageError: nothing of that name; a glob that matches nothing; a directory that holds no data file.
    """
    result = Expansion()
    seen: set[str] = set()
    for arg in args:
        for path in _expand_one(arg, result.left_aside):
            if path not in seen:
                seen.add(path)
                result.files.append(path)
    return result


def _expand_one(arg: str, left_aside: list[str]) -> list[str]:
    if arg == "-" or is_url(arg):
        return [arg]
    path = local_path(arg)
    if os.path.isdir(path):
        return _directory(path, left_aside)
    if os.path.exists(path):
        return [path]
    if len(braced := list(_braces(path))) > 1:
        return [file for one in braced for file in _expand_one(one, left_aside)]
    if glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise UsageError(f"{arg}: no file matches")
        return [
            file
            for name in found
            for file in (_directory(name, left_aside) if os.path.isdir(name) else [name])
        ]
    if not path:
        raise UsageError("an empty path names no file")
    raise UsageError(f"{arg}: no such file{nearest(path)}")


_BRACES = re.compile(r"\{([^{}]*)\}")
_NUMBERS = re.compile(r"(\d+)\.\.(\d+)")


def _braces(path: str) -> Iterator[str]:
    """The paths that ``shard-{000000..000009}.tar`` and ``{a,b}.tar`` stand for, as webdataset expands them."""
    match = _BRACES.search(path)
    if match is None:
        yield path
        return
    numbers = _NUMBERS.fullmatch(match[1])
    words = match[1].split(",")
    if numbers is not None:
        first, last = int(numbers[1]), int(numbers[2])
        width = len(numbers[1]) if numbers[1].startswith("0") or numbers[2].startswith("0") else 0
        step = 1 if first <= last else -1
        if abs(last - first) > MOST_BRACED:
            raise UsageError(f"{path}: more than {MOST_BRACED} files")
        words = [str(n).zfill(width) for n in range(first, last + step, step)]
    elif len(words) == 1:
        yield path
        return
    for word in words:
        yield from _braces(path[: match.start()] + word + path[match.end() :])


def _directory(path: str, left_aside: list[str]) -> list[str]:
    files: list[str] = []
    for name in _walk(path):
        (files if is_data_file(name) else left_aside).append(name)
    if not files:
        raise UsageError(f"{path}: holds no {', '.join((*SUFFIXES, *suffixes()))} file")
    return files


def is_data_file(path: str) -> bool:
    """Whether a name looks like a data set's."""
    known = (*SUFFIXES, *suffixes())
    return path.lower().endswith(tuple(suffix + packed for suffix in known for packed in PACKED))


def _walk(top: str) -> Iterator[str]:
    """The files below a directory, sorted; links to directories are followed, each directory is entered once."""
    entered: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename}: cannot be listed: {reason(error)}") from error

    for folder, folders, names in os.walk(top, followlinks=True, onerror=refuse):
        info = os.stat(folder)
        if (info.st_dev, info.st_ino) in entered:
            folders.clear()
            continue
        entered.add((info.st_dev, info.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield os.path.join(folder, name)
