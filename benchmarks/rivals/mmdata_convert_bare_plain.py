"""mmdata's conversion: output checks on, without the kernel."""

import os

from benchmarks.rivals.mmdata_convert_bare import run

LABEL = "no carry, no numba"

os.environ["MMDATA_JIT"] = "0"

__all__ = ["LABEL", "run"]
