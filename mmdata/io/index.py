"""`SeekIndex`: where every record of a file lies, so that record 12 000 000 is one seek away.

The index of a large file is kept in a cache directory and memory-mapped: ``$MMDATA_CACHE``, else
``$XDG_CACHE_HOME/mmdata``, else ``~/.cache/mmdata``. It is trusted only as long as the file's path, size, time of change
and inode are the same. Nothing is lost by deleting it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress

from mmdata.io.record import RawRecord
from mmdata.io.source import Source

IN_MEMORY_BYTES = 16 << 20
"""A smaller file is indexed in memory each time: that is as fast as reading the cache."""

_MAGIC = b"MMDATA-INDEX-1\0\0"
_HEADER = struct.Struct("<16s32sQQQQ")
_PAIR = 16
_CHUNK = 1 << 16


class SeekIndex:
    """Start and end of each record, in file order; broken records included.

    ``index[i]`` is (start, end) in bytes of the file; 16 bytes a record, mapped and not loaded for large files.
    """

    def __init__(self, places: memoryview, close: Callable[[], None] | None = None) -> None:
        self._places = places
        self._close = close

    def __len__(self) -> int:
        return len(self._places) // 2

    def __getitem__(self, i: int) -> tuple[int, int]:
        if not 0 <= i < len(self):
            raise IndexError(f"record {i} of {len(self)}")
        return self._places[2 * i], self._places[2 * i + 1]

    def close(self) -> None:
        """Unmap the file."""
        self._places.release()
        if self._close is not None:
            self._close()
            self._close = None


def cache_dir() -> str:
    """Where indexes are kept; it need not exist."""
    own = os.environ.get("MMDATA_CACHE")
    if own:
        return own
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "mmdata")


def open_index(source: Source, *, in_memory_below: int = IN_MEMORY_BYTES) -> SeekIndex:
    """The index of a seekable source: from the cache, or built now in one pass.

    A cache that cannot be written, or an entry that is stale or damaged, is no error: the index is built again, in
    memory if need be.
    """
    assert source.stat is not None, "only a plain local file has a seek index"
    if (
        source.stat.st_size < in_memory_below or sys.byteorder != "little"
    ):  # the mapped numbers are little-endian
        return _in_memory(source)
    key = _key(source)
    name = os.path.join(
        cache_dir(),
        f"{hashlib.sha256(os.path.realpath(source.path).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.idx",
    )
    cached = _load(name, key)
    if cached is not None:
        return cached
    try:
        os.makedirs(os.path.dirname(name), exist_ok=True)
        _build(source, name, key)
    except OSError:
        return _in_memory(source)
    return _load(name, key) or _in_memory(source)


def _places(source: Source) -> Iterator[array[int]]:
    """Starts and ends, in chunks."""
    chunk = array("Q")
    for item in source.records():
        if isinstance(item, RawRecord):
            too_large = item.problem is not None and not item.data
            chunk.append(item.start)
            chunk.append(
                item.problem.end if too_large and item.problem is not None else item.start + len(item.data)
            )
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = array("Q")
    yield chunk


def _in_memory(source: Source) -> SeekIndex:
    whole = array("Q")
    for chunk in _places(source):
        whole.extend(chunk)
    return SeekIndex(memoryview(whole))


def _key(source: Source) -> bytes:
    """The header of a valid index of this file, without the count."""
    assert source.stat is not None
    path = hashlib.sha256(os.path.realpath(source.path).encode("utf-8", "surrogateescape")).digest()
    return _HEADER.pack(_MAGIC, path, source.stat.st_size, source.stat.st_mtime_ns, source.stat.st_ino, 0)[
        :-8
    ]


def _build(source: Source, name: str, key: bytes) -> None:
    temporary = f"{name}.{secrets.token_hex(6)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(key + bytes(8))
            count = 0
            for chunk in _places(source):
                count += len(chunk) // 2
                file.write(chunk.tobytes())
            file.seek(len(key))
            file.write(struct.pack("<Q", count))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _load(name: str, key: bytes) -> SeekIndex | None:
    try:
        with open(name, "rb") as file:
            header = file.read(_HEADER.size)
            size = os.fstat(file.fileno()).st_size
            if len(header) < _HEADER.size or not header.startswith(key):
                return None
            count = struct.unpack("<Q", header[-8:])[0]
            if size != _HEADER.size + count * _PAIR:
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:
        return None
    whole = memoryview(mapped)
    places = whole[_HEADER.size :].cast("Q")

    def close() -> None:
        whole.release()
        mapped.close()

    return SeekIndex(places, close)
