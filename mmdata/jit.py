"""Compiled loops where numba is installed (extra ``fast``): nothing is read or drawn differently with it, only sooner.

A module of kernels is imported only after `available` said yes::

    if jit.available():
        from mmdata.masks import kernels

    @jit.kernel
    def ones(mask): ...

Kernels are compiled at their first call and kept on disk, beside the source or in the user's cache folder.
``MMDATA_JIT=0`` in the environment switches them off.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


@cache
def available() -> bool:
    """Whether kernels may be used: numba is installed and can be imported, and ``MMDATA_JIT`` does not forbid it.

    The first call imports numba, which takes about half a second: ask only where there is work for it.
    """
    if os.environ.get("MMDATA_JIT") == "0" or find_spec("numba") is None:
        return False
    try:
        import numba  # noqa: F401
    except (
        ImportError,
        OSError,
    ):  # a numpy newer than this numba knows, a library of LLVM that does not load
        return False
    return True


def kernel(function: F) -> F:
    """`function` compiled without Python objects and without the interpreter's lock."""
    from numba import njit

    try:
        return cast("F", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return cast("F", njit(nogil=True)(function))
