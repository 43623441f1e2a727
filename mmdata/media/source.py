"""Opening a local file or a remote object for reading, with every way to fail named."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import Any, Literal

from mmdata.errors import MissingExtra, UsageError
from mmdata.media.members import is_member, read_member
from mmdata.media.paths import is_url

SourceProblem = Literal["missing", "empty", "directory", "unreadable"]


class UnopenableError(Exception):
    """A path that gives no bytes; never leaves this package.

    Attributes:
        problem: what is wrong with it.
        detail: the same for a person.
    """

    def __init__(self, problem: SourceProblem, detail: str) -> None:
        super().__init__(detail)
        self.problem: SourceProblem = problem
        self.detail = detail


def open_source(path: str) -> tuple[io.RawIOBase, int]:
    """Open for reading at random; the caller closes.

    Returns:
        The file, unbuffered, and its size in bytes (never 0).

    Raises:
        UnopenableError: there are no bytes to read.
    """
    if is_member(path):
        return _open_member(path)
    return _open_remote(path) if is_url(path) else _open_local(path)


def _open_member(path: str) -> tuple[io.RawIOBase, int]:
    try:
        content = read_member(path)
    except KeyError as error:
        raise UnopenableError("missing", "not in the container") from error
    except (UsageError, OSError) as error:
        raise UnopenableError("unreadable", str(error)) from error
    if not content:
        raise UnopenableError("empty", "0 bytes")
    return _RemoteFile(io.BytesIO(content)), len(content)


def _open_local(path: str) -> tuple[io.RawIOBase, int]:
    # Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise UnopenableError("missing", "no such file") from error
    except OSError as error:
        kind: SourceProblem = "missing" if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else "unreadable"
        raise UnopenableError(kind, error.strerror or str(error)) from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return io.FileIO(descriptor), found.st_size
    os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise UnopenableError("directory", "a directory")
    if stat.S_ISREG(found.st_mode):
        raise UnopenableError("empty", "0 bytes")
    raise UnopenableError("unreadable", "not a regular file (pipe, socket or device)")


def _open_remote(path: str) -> tuple[io.RawIOBase, int]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        needs = MissingExtra("fsspec", "remote", "reading remote media")
        raise UnopenableError("unreadable", str(needs)) from error
    try:
        filesystem, name = url_to_fs(path)
        inner = filesystem.open(name, "rb")
        size = inner.seek(0, os.SEEK_END)
        inner.seek(0)
    except FileNotFoundError as error:
        raise UnopenableError("missing", "no such object") from error
    except IsADirectoryError as error:
        raise UnopenableError("directory", "a directory") from error
    except Exception as error:  # every store has its own exceptions; what they say is passed on
        raise UnopenableError("unreadable", f"{type(error).__name__}: {error}") from error
    if not size:
        inner.close()
        raise UnopenableError("empty", "0 bytes")
    return _RemoteFile(inner), size


class _RemoteFile(io.RawIOBase):
    """A remote file whose failures are all `OSError`, as those of a local file are."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._inner.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except Exception as error:  # see _open_remote
            raise OSError(f"{type(error).__name__}: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
