"""Byte streams: local files, standard input, gzip and Zstandard (told by content), and any fsspec URL."""

from __future__ import annotations

import os
import re
import stat
import sys
import zlib
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Protocol

from mmdata.errors import MissingExtra, UsageError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
_PIECE = 1 << 16
_ZSTD_PIECE = 1 << 10


class Readable(Protocol):
    """A binary file object, as much of it as is needed here."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""

    def close(self) -> None:
        """Give the file back."""


class Stream:
    """Bytes in sequence.

    Attributes:
        damage: what is wrong with the compressed file, once it is met; the stream then ends there.
        position: bytes read so far.
    """

    def __init__(self, file: Readable, path: str, pushed_back: bytes = b"") -> None:
        self._file = file
        self._path = path
        self._pushed = pushed_back
        self.damage: str | None = None
        self.position = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end.

        Raises:
            UsageError: the operating system or the remote store cannot deliver the bytes.
        """
        parts: list[bytes] = []
        missing = size
        while missing > 0:
            piece, self._pushed = self._pushed[:missing], self._pushed[missing:]
            piece = piece or self._next(missing)
            if not piece:
                break
            parts.append(piece)
            missing -= len(piece)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.position += len(data)
        return data

    def close(self) -> None:
        """Close the file below."""
        self._file.close()

    def _next(self, size: int) -> bytes:
        if self.damage is not None:
            return b""
        try:
            return self._file.read(size)
        except Damaged as error:
            self.damage = str(error)
            return b""
        except OSError as error:
            raise UsageError(f"{self._path}: cannot read: {reason(error)}") from error


class Damaged(Exception):
    """The compressed file below is broken."""


class _Gzip:
    """Decompresses gzip members with bounded memory, however well they compress."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._pending = b""
        self._member: Any = None

    def read(self, size: int) -> bytes:
        while True:
            if not self._pending:
                self._pending = self._file.read(_PIECE)
            if not self._pending:
                if self._member is not None:
                    raise Damaged("the gzip file ends in the middle; its rest is missing")
                return b""
            if self._member is None:
                self._pending = self._pending.lstrip(b"\0")  # padding between members
                if not self._pending:
                    continue
                self._member = zlib.decompressobj(wbits=31)
            try:
                data: bytes = self._member.decompress(self._pending, size)
            except zlib.error as error:
                raise Damaged(f"the gzip file is damaged: {error}") from error
            self._pending = self._member.unconsumed_tail
            if self._member.eof:
                self._pending = self._member.unused_data
                self._member = None
            if data:
                return data

    def close(self) -> None:
        self._file.close()


class _Zstandard:
    """Decompresses Zstandard frames, a kilobyte of input at a time: that much holds 32 MB of output at the very most."""

    def __init__(self, file: Readable) -> None:
        import zstandard

        self._error: type[Exception] = zstandard.ZstdError
        self._new_frame: Callable[[], Any] = zstandard.ZstdDecompressor().decompressobj
        self._file = file
        self._packed = b""
        self._at = 0
        self._data = b""
        self._frame: Any = None

    def read(self, size: int) -> bytes:
        while not self._data:
            if self._at >= len(self._packed):
                self._packed, self._at = self._file.read(_PIECE), 0
            if not self._packed:
                if self._frame is not None:
                    raise Damaged("the Zstandard file ends in the middle; its rest is missing")
                return b""
            piece = self._packed[self._at : self._at + _ZSTD_PIECE]
            self._at += len(piece)
            self._frame = self._frame or self._new_frame()
            try:
                self._data = self._frame.decompress(piece)
            except self._error as error:
                raise Damaged(f"the Zstandard file is damaged: {error}") from error
            if self._frame.eof:
                self._at -= len(self._frame.unused_data)
                self._frame = None
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def close(self) -> None:
        self._file.close()


class _PushedBack:
    """A file with bytes put back in front of it."""

    def __init__(self, file: Readable, data: bytes) -> None:
        self._file = file
        self._data = data

    def read(self, size: int) -> bytes:
        if self._data:
            piece, self._data = self._data[:size], self._data[size:]
            return piece
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


def is_url(path: str) -> bool:
    """Whether fsspec must open the path: it has a scheme that is not ``file``."""
    return _URL.match(path) is not None and not path.startswith("file://")


def local_path(path: str) -> str:
    """The path in the file system of a local name or ``file://`` URL."""
    if path.startswith("file://"):
        from urllib.parse import unquote

        return unquote(path.removeprefix("file://"))
    return path


def open_stream(path: str) -> tuple[Stream, os.stat_result | None, bool]:
    """Open a file for reading in sequence.

    Returns:
        The stream; the file's stat where it is a plain, uncompressed local file (its bytes may be read from anywhere);
        whether the path can be opened a second time.

    Raises:
        UsageError: there is no such file, it is a directory, or it cannot be read.
        MissingExtra: the URL's library is not installed.
    """
    if path == "-":
        return _decompressed(sys.stdin.buffer, path)[0], None, False
    if is_url(path):
        return _decompressed(_open_url(path), path)[0], None, True
    file, info = _open_local(local_path(path))
    regular = stat.S_ISREG(info.st_mode)
    stream, compressed = _decompressed(file, path)
    return stream, info if regular and not compressed else None, regular


def _decompressed(file: Readable, path: str) -> tuple[Stream, bool]:
    probe = Stream(file, path)
    magic = probe.read(4)
    whole = _PushedBack(file, magic)
    if magic.startswith(GZIP):
        return Stream(_Gzip(whole), path), True
    if magic.startswith(ZSTD):
        return Stream(_Zstandard(whole), path), True
    return Stream(file, path, pushed_back=magic), False


def _open_local(path: str) -> tuple[Readable, os.stat_result]:
    try:
        if os.path.isdir(path):
            raise UsageError(f"{path}: is a directory, expected a file")
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - the Source closes it
        return file, os.fstat(file.fileno())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file{nearest(path)}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot open: {reason(error)}") from None


def _open_url(path: str) -> Readable:
    try:
        import fsspec
    except ImportError:
        raise MissingExtra("fsspec", "remote", f"reading {path}") from None
    try:
        file: Readable = fsspec.open(path, "rb").open()
    except ImportError as error:
        raise MissingExtra(getattr(error, "name", None) or str(error), "remote", f"reading {path}") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UsageError(f"{path}: cannot open: {reason(error)}") from None
    return file


def nearest(path: str) -> str:
    """``"; did you mean 'x'?"`` for the nearest name in the same directory, or nothing."""
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except (OSError, ValueError):
        return ""
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {os.path.join(folder, near[0])!r}?" if near else ""


def read_whole(path: str, most: int) -> bytes:
    """The bytes of a local file that other data name.

    Raises:
        OSError: it cannot be opened, is no regular file (a pipe would wait for a writer for ever, a device never ends),
            or is longer than ``most`` bytes.
    """
    with open(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    ) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        if found.st_size > most:
            raise OSError(f"longer than {most >> 20} MiB")
        return file.read(most + 1)


def reason(error: Exception) -> str:
    """What an exception says, without its number and its file name."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


Opener = Callable[[], Stream]
