"""A full disk, told by libraries in their own ways, as one error for a person."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdata.errors import DataError

_SIGNS = ("PytorchStreamWriter", "I/O error", "unexpected pos", "No space left", "File too large")


@contextmanager
def written(path: Path, *, remove: bool = False) -> Iterator[None]:
    """Around what torch and safetensors write.

    Args:
        path: the file or directory, for the message.
        remove: delete it when anything goes wrong.

    Raises:
        DataError: it could not be written; libraries raise errors of their own rather than `OSError`.
    """
    try:
        yield
    except BaseException as error:
        if remove:
            shutil.rmtree(path, ignore_errors=True)
        said = str(error).strip().splitlines()
        if isinstance(error, OSError) or not any(sign in str(error) for sign in _SIGNS):
            raise
        raise DataError(f"{path}: cannot be written, is the disk full? {said[-1]}") from None
