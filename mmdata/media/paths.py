"""Where a trainer looks for a media file, and where a missing one lies instead."""

from __future__ import annotations

import os
from functools import lru_cache

from mmdata.media.members import is_member

LEVELS_UP = 4
SIBLINGS = ("images", "data")


def is_url(path: str) -> bool:
    """Whether a path names an object store or a web server, not a local file."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.isalnum()


def resolve(path: str, *, root: str | None = None, base: str | None = None) -> str:
    """The path that the trainer opens for a path in a record.

    Args:
        path: as written in the record. An absolute path discards `root` and `base`; a trailing ``/`` is kept.
        root: the prefix that the trainer joins (InternVL's meta ``root``, VideoRefer's ``--data_folder``). After a
            root that starts with ``s3://`` InternVL puts the path without a separator, and so does this.
        base: directory that relative results start from; None leaves them to the working directory.
    """
    if is_member(path):
        return path
    if root and root.startswith("s3://"):
        return root + path
    if is_url(path):
        return path
    if root and is_url(root):
        return f"{root.rstrip('/')}/{path.lstrip('/')}"
    joined = os.path.join(root, path) if root else path
    return os.path.join(base, joined) if base else joined


def find_elsewhere(path: str, data_file: str) -> str | None:
    """The directory from which a missing relative path would resolve.

    Looked at: the data file's directory, `LEVELS_UP` directories above it, and the folders `SIBLINGS` in each.
    The costly part is remembered by directory, so that a million missing pictures of one folder cost little.

    Args:
        path: the missing path, relative; absolute paths and URLs are found nowhere.
        data_file: the file that names it.

    Returns:
        A directory for ``--media-root`` (or to run from), or None.
    """
    if not path or is_member(path) or path.startswith(os.sep) or is_url(path) or is_url(data_file):
        return None
    folder, name = os.path.split(path.rstrip("/"))
    for root in _roots_with(folder, os.path.dirname(data_file)):
        if _is_there(os.path.join(root, folder, name)):
            return root
    return None


@lru_cache(maxsize=4096)
def _roots_with(folder: str, start: str) -> tuple[str, ...]:
    """The candidate roots in which a relative folder exists."""
    return tuple(root for root in _roots(start) if _is_there(os.path.join(root, folder)))


@lru_cache(maxsize=256)
def _roots(start: str) -> tuple[str, ...]:
    """Candidate roots, nearest first, as a person would write them: relative where the data file's path is."""
    roots: list[str] = []
    here = os.path.normpath(start or ".")
    for _ in range(LEVELS_UP + 1):
        roots += [here, *(os.path.join(here, name) for name in SIBLINGS)]
        above = os.path.normpath(os.path.join(here, ".."))
        if above == here:
            break
        here = above
    return tuple(root for root in map(os.path.normpath, roots) if _is_there(root))


def _is_there(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:  # a NUL character or a lone surrogate: no file has such a name
        return False
