"""mmdata's conversion: output checks on, two processes."""

import shutil

from mmdata.checks.registry import all_checks
from mmdata.converting.conversion import convert
from mmdata.format import all_formats

LABEL = "no carry, --jobs 2"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Convert InternVL to XComposer, any other format to InternVL."""
    out = f"{path}.mmdata_convert_bare_2"
    to = "xcomposer" if path.endswith(".jsonl") else "internvl"
    read = convert(path, out, to=to, force=True, carry=False, jobs=2).read
    shutil.rmtree(out)
    return read
