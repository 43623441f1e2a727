"""When masks are read, drawn and traced by compiled loops (extra ``fast``): once a process has seen enough of them.

Importing numba takes a second, which a handful of masks never wins back. So the first `ENOUGH` calls take numpy's way,
and after them the kernels are loaded; at once where numba is loaded already or ``MMDATA_JIT=1`` asks for it, never with
``MMDATA_JIT=0`` or without numba. Both ways give the same to the bit, errors and their messages included: a kernel that
meets anything wrong only says so, and numpy's way finds the words.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Literal

from mmdata import jit

ENOUGH = 2000
"""Calls that take numpy's way before numba is imported: about as long as the import itself."""

_calls = 0
_decided: bool | None = None


def ready() -> bool:
    """Whether this call takes the kernels; counts as one of `ENOUGH` while that is open."""
    global _calls, _decided
    if _decided is None:
        _calls += 1
        if _calls <= ENOUGH and "numba" not in sys.modules and os.environ.get("MMDATA_JIT") != "1":
            return False
        _decided = jit.available()
    return _decided


@cache
def kernels(of: Literal["rle", "contour", "raster", "polygon"]) -> ModuleType:
    """The module of kernels; after `ready` said yes. An import statement at every call would take longer than some."""
    return import_module(f"mmdata.masks.{of}_kernels")


def use(wanted: bool | None) -> bool:
    """Take the kernels from now on, or numpy's way, or (None) count anew; whether that is possible here."""
    global _calls, _decided
    _calls = 0
    _decided = wanted if wanted is None else wanted and jit.available()
    return _decided == wanted
