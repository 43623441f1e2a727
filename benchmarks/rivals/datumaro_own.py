"""datumaro: COCO instances imported and exported in one of its formats, without pictures, in one process."""

import logging
import os
import tempfile

import datumaro

LABEL = "datumaro, to its own"
REQUIRES = ("datumaro==1.13.12",)
TO = "datumaro"

logging.disable(logging.WARNING)


def run(path: str) -> int:
    """Import and export; it wants the folder that holds `annotations` and `images`."""
    root = os.path.dirname(os.path.dirname(path))
    rows = datumaro.Dataset.import_from(root, "coco_instances")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        rows.export(f"{folder}/out", TO, save_media=False)
    return len(rows)
