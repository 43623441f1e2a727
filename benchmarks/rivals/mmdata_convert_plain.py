"""mmdata's conversion: carry and output checks on, without the kernel."""

import os

from benchmarks.rivals.mmdata_convert import run

LABEL = "without numba"

os.environ["MMDATA_JIT"] = "0"

__all__ = ["LABEL", "run"]
