"""Paths of media files that lie inside a container: ``train.parquet!//17/images/0/a.png``, ``shard.tar!//000017.jpg``.

What stands before ``!//`` is the container, what follows is its own name for the file (see `mmdata.containers`).
"""

from __future__ import annotations

import atexit
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from mmdata.errors import UsageError

if TYPE_CHECKING:
    from mmdata.io.rows import RowSource

MARK = "!//"
HELD = 8

_open: OrderedDict[tuple[object, ...], RowSource] = OrderedDict()
"""By process too: what a fork inherits shares its place in the file with the parent. A file that changed is another."""


def is_member(path: str) -> bool:
    """Whether a path is of a file inside a container."""
    return MARK in path


def member_path(container: str, name: str) -> str:
    """The path of a file inside a container."""
    return f"{container}{MARK}{name}"


def member_name(path: str) -> str:
    """The container's own name for a file; the path itself where it lies in none."""
    return path.partition(MARK)[2] if MARK in path else path


def file_name(path: str, content: bytes) -> str:
    """A name for a file that lies in a container: its own, with an ending by its content where it has none."""
    name = os.path.basename(member_name(path))
    if "." in name.strip("."):
        return name
    from mmdata.media.sniff import sort_of

    sort = sort_of(content[:512])
    endings = {"png": "png", "jpeg": "jpg", "gif": "gif", "webp": "webp", "bmp": "bmp", "video": "mp4"}
    return f"{name or 'file'}.{endings.get(sort or '', 'bin')}"


def read_member(path: str) -> bytes:
    """The bytes of a file inside a container. A few containers stay open.

    Raises:
        KeyError: nothing lies there.
        UsageError: the container cannot be read.
    """
    from mmdata.io.read import open_source
    from mmdata.io.rows import RowSource

    container, _, name = path.partition(MARK)
    try:
        found = os.stat(container)
        key: tuple[object, ...] = (os.getpid(), container, found.st_ino, found.st_size, found.st_mtime_ns)
    except OSError:
        key = (os.getpid(), container)
    source = _open.get(key)
    if source is None:
        opened = open_source(container)
        if not isinstance(opened, RowSource):
            opened.close()
            raise UsageError(f"{container}: holds no media files")
        source = _open[key] = opened
        while len(_open) > HELD:
            _open.popitem(last=False)[1].close()
    _open.move_to_end(key)
    return source.opened().member(name)


def close_all() -> None:
    """Close the containers that are held open."""
    while _open:
        _open.popitem()[1].close()


atexit.register(close_all)

__all__ = ["MARK", "close_all", "file_name", "is_member", "member_name", "member_path", "read_member"]
