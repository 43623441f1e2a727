"""Masks in files that open, and what the raster rule changes: ``python examples/rasterize.py``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from make_data import main as make_data
from PIL import Image

from mmdata.mask_files import rasterize_file
from mmdata.raster_diff import raster_diff


def main(home: Path) -> None:
    """Write the masks of the example data three ways, look at one, and compare the two rules."""
    make_data(home)
    os.chdir(home)
    for to in ("png", "npz", "coco"):
        done = rasterize_file("geopixel.json", f"masks-{to}", to=to)  # type: ignore[arg-type]
        print(f"{to}: {done.records} records, {done.written} with masks, {done.files} files")
    values = np.array(Image.open(sorted(Path("masks-png").glob("*.png"))[0]))
    print("values in the first picture:", np.unique(values).tolist(), "(0 is the background)")

    found = raster_diff("geopixel.json", worst=1)
    print(f"{found.masks} masks by both rules: {found.differing / found.masks:.0f} pixels differ a mask")
    for worst in found.worst:
        print(f"worst: record {worst.record}, object {worst.object}, IoU {worst.iou:.3f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder) / "data")
