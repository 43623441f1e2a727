"""mmdata's conversion of a COCO file to LLaVA's conversations with boxes: carry and output checks on, one process."""

import shutil
import tempfile

from mmdata.checks.registry import all_checks
from mmdata.converting.conversion import convert
from mmdata.format import all_formats

LABEL = "mmdata, to LLaVA"
TO = "llava"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Convert; nothing may be rejected."""
    with tempfile.TemporaryDirectory(dir=path.rpartition("/")[0]) as folder:
        report = convert(path, f"{folder}/out", to=TO, jobs=1)
        shutil.rmtree(f"{folder}/out")
    assert report.written == report.read
    return report.read
