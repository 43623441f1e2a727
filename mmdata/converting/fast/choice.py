"""Whether the kernel pays: numba takes half a second to load, and some ten to compile what was never compiled here."""

from __future__ import annotations

import os
import sys

from mmdata import jit

LEAST_BYTES = 64 << 20
"""Bytes of sources from which on the kernel is used, if it was compiled before."""

COMPILE_BYTES = 1 << 30
"""Bytes of sources from which on it is compiled for them."""


def kernels_pay(size: int) -> bool:
    """Whether to use the kernel for sources of so many bytes; with ``MMDATA_JIT=1`` in the environment, always.

    What is written does not depend on it.
    """
    wanted = os.environ.get("MMDATA_JIT") == "1"
    if (size < LEAST_BYTES and not wanted) or sys.byteorder != "little" or not jit.available():
        return False
    return wanted or size >= COMPILE_BYTES or _compiled_before()


def _compiled_before() -> bool:
    """Whether numba has the kernel on disk."""
    from mmdata.converting.fast import kernel

    path = getattr(getattr(kernel.translate, "stats", None), "cache_path", None)
    try:
        return path is not None and any(name.startswith("kernel.translate-") for name in os.listdir(path))
    except OSError:
        return False


__all__ = ["COMPILE_BYTES", "LEAST_BYTES", "kernels_pay"]
