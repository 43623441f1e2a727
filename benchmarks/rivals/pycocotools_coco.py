"""pycocotools' own loading of a COCO file: parsed and indexed, nothing checked, no mask read, nothing written."""

import contextlib
import io

from pycocotools.coco import COCO

LABEL = "pycocotools COCO()"


def run(path: str) -> int:
    """Load."""
    with contextlib.redirect_stdout(io.StringIO()):
        return len(COCO(path).imgs)
