"""Records that belong together because they name the same picture or video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mmdata.dataset_ops.repeats import digest
from mmdata.dataset_ops.stream import read_values
from mmdata.progress import Progress


def media_paths(value: Any) -> Iterator[str]:
    """The pictures and videos a record names, whatever its format: strings and lists under the keys of media."""
    if not isinstance(value, dict):
        return
    for key in ("image", "images", "video", "videos"):
        found = value.get(key)
        for item in found if isinstance(found, list) else [found]:
            if isinstance(item, str) and item:
                yield item


def media_key(path: str) -> bytes:
    """A path's key: ``a/./b.png`` and ``a/b.png`` are one file."""
    return digest(os.path.normpath(path).encode("utf-8", "surrogatepass"))


class MediaGroups:
    """Which records are connected through shared media, directly or through records in between.

    A record with one picture needs no memory; only records with several do, as they tie their pictures together.

    Args:
        path: the file; it is read once.
        progress: told how far it is.
    """

    def __init__(self, path: str, progress: Progress | None = None) -> None:
        self._parent: dict[bytes, bytes] = {}
        for _, value in read_values(path, None, progress):
            keys = [media_key(p) for p in media_paths(value)]
            for other in keys[1:]:
                self._join(keys[0], other)

    def key(self, value: Any) -> bytes | None:
        """The same for all records of a group; None for a record without media."""
        first = next(media_paths(value), None)
        return None if first is None else self._find(media_key(first))

    def _find(self, key: bytes) -> bytes:
        path = []
        while (above := self._parent.get(key)) is not None:
            path.append(key)
            key = above
        for passed in path:
            self._parent[passed] = key
        return key

    def _join(self, one: bytes, other: bytes) -> None:
        a, b = self._find(one), self._find(other)
        if a != b:
            # The smaller hash is the root, so that the sides do not depend on the order of the records.
            low, high = sorted((a, b))
            self._parent[high] = low


__all__ = ["MediaGroups", "media_key", "media_paths"]
