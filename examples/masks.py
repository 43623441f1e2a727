"""Masks in five minutes: ``python examples/masks.py``."""

from __future__ import annotations

import numpy as np

from mmdata import masks
from schemas.sample import PolygonMask, Sample, SampleObject


def main() -> None:
    """Draw, encode, measure, trace, and read the masks of a sample."""
    ring = [[20.5, 10.2], [90, 30], [60, 90.9], [15, 70]]

    # The same ring covers other pixels for GeoPixel (opencv) and VideoRefer (coco).
    geopixel = masks.rasterize([ring], size=(100, 120), rule="opencv")
    videorefer = masks.rasterize([ring], size=(100, 120), rule="coco")
    a, b = masks.encode(geopixel), masks.encode(videorefer)
    print(f"opencv {masks.area(a)} px, coco {masks.area(b)} px, IoU {masks.iou(a, b):.3f}")

    # From GeoPixel to VideoRefer without a pixel changing: trace the drawn mask for the other rule.
    moved = masks.rle_to_rings(a, "coco")
    assert np.array_equal(masks.rasterize(moved, (100, 120), "coco"), geopixel)
    fewer = masks.rle_to_rings(a, "opencv"), masks.to_rings(geopixel, "opencv", simplify=1.0)
    print(f"{len(fewer[0][0])} points exactly, {len(fewer[1][0])} when pixels may move by 1")

    # Runs are measured, joined, cut and resized without being decoded.
    print("box", masks.bbox(a), "union", masks.area(masks.union([a, b])))
    print(
        "half size",
        masks.resize(a, (50, 60))["size"],
        "cut",
        masks.area(masks.crop(a, (20, 10, 30, 30))),
        "px",
    )
    assert np.array_equal(masks.decode_many([a, b]), np.stack([geopixel, videorefer]))

    # A sample's masks, each by the rule of its format. `mmdata.open(...).sample(i)` gives such samples.
    sample = Sample(
        [], objects=[SampleObject({"": PolygonMask([ring], rule)}) for rule in ("opencv", "coco")],
        height=100, width=120,
    )  # fmt: skip
    print(
        "stacked",
        masks.of(sample).shape,
        "one by one",
        [one.mask.sum().item() for one in masks.iter_of(sample)],
    )

    # What cannot be decoded is an error with a reason, never garbage.
    for bad in ({"size": [4, 4], "counts": [3]}, {"size": [10**9, 10**9], "counts": "0"}):
        try:
            masks.decode(bad)
        except masks.RLEError as error:
            print(f"{error.kind}: {error}")


if __name__ == "__main__":
    main()
