"""`atomic_writer`: a file appears complete or not at all."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Protocol

from mmdata.errors import UsageError
from mmdata.io.streams import GZIP, ZSTD, is_url, local_path, reason


class Writable(Protocol):
    """What `atomic_writer` gives."""

    def write(self, data: bytes, /) -> int:
        """Append bytes; all of them are written."""


class _Gzip:
    """Compresses as one gzip member without a time stamp: the same bytes for the same content."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packer = zlib.compressobj(level=6, wbits=31)

    def write(self, data: bytes, /) -> int:
        self._file.write(self._packer.compress(data))
        return len(data)

    def finish(self) -> None:
        self._file.write(self._packer.flush())


class _Zstandard:
    """Compresses as one Zstandard frame."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file = file
        self._packer = zstandard.ZstdCompressor().compressobj()

    def write(self, data: bytes, /) -> int:
        self._file.write(self._packer.compress(data))
        return len(data)

    def finish(self) -> None:
        self._file.write(self._packer.flush())


@contextmanager
def atomic_writer(path: str) -> Iterator[Writable]:
    """Write a file beside `path` and put it in its place when the block ends without an exception.

    A symbolic link stays a link: the file that it names is replaced. The mode of an existing file is kept. What is gzip
    or Zstandard already (by content), or will be (by the name's ``.gz`` or ``.zst``), is compressed.

    Raises:
        UsageError: the place cannot be written.
    """
    if path == "-" or is_url(path):
        raise UsageError(f"{path}: only local files can be written")
    target = os.path.realpath(local_path(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise UsageError(f"{path}: is not a regular file")
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else None
        magic = _magic(target)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise UsageError(f"{path}: cannot write: {reason(error)}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            packer = _packer(file, magic, name)
            yield file if packer is None else packer
            if packer is not None:
                packer.finish()
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, target)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise UsageError(f"{path}: cannot write: {reason(error)}") from error
        raise
    _sync_folder(folder)


@contextmanager
def output_folder(path: str) -> Iterator[None]:
    """Make a directory for outputs; if the run fails before anything is in it, none is left behind.

    Raises:
        UsageError: it cannot be made.
    """
    new = not os.path.lexists(path)
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be made: {reason(error)}") from None
    try:
        yield
    except BaseException:
        if new:
            with suppress(OSError):  # it holds something
                os.rmdir(path)
        raise


def _magic(target: str) -> bytes:
    if not os.path.exists(target):
        return b""
    with open(target, "rb") as file:
        return file.read(4)


def _packer(file: IO[bytes], magic: bytes, name: str) -> _Gzip | _Zstandard | None:
    if magic.startswith(GZIP) or (not magic and name.endswith(".gz")):
        return _Gzip(file)
    if magic.startswith(ZSTD) or (not magic and name.endswith((".zst", ".zstd"))):
        return _Zstandard(file)
    return None


def _sync_folder(folder: str) -> None:
    """Make the new name durable, where directories can be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
