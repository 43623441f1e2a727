"""What an `Encoding` says of a mask's extent, whatever the mask is made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata import masks
from mmdata.encoding import Encoding
from schemas.sample import Mask, Media, PolygonMask, RLEMask, Sample, SampleObject

SIZE = (17, 23)
POINT = st.tuples(st.integers(-5, 30), st.integers(-5, 30)).map(list)
RINGS = st.lists(st.lists(POINT, min_size=1, max_size=6), max_size=3)


def encoding(mask: Mask) -> Encoding:
    sample = Sample(
        [], [Media("image", ["a.png"])], [SampleObject({"": mask})], width=SIZE[1], height=SIZE[0]
    )
    return Encoding(sample, "geopixel", "internvl")


@settings(max_examples=100, deadline=None)
@given(RINGS)
def test_extent_is_that_of_the_pixels(rings: list[list[list[int]]]) -> None:
    pixels = masks.rasterize(rings, SIZE, "opencv")
    rows, columns = np.nonzero(pixels)
    box = (
        (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        if len(rows)
        else None
    )
    runs = masks.encode(pixels)
    polygons = encoding(PolygonMask(rings, "opencv"))  # type: ignore[arg-type]
    for one in (
        polygons,
        encoding(RLEMask(SIZE, runs["counts"])),
        encoding(RLEMask(SIZE, masks.runs(runs).tolist())),
    ):
        assert one.extent(0) == (box, len(rows))
    polygons.rle(0)
    assert polygons.extent(0) == (box, len(rows))
    if box is not None:
        _, error = polygons.permille(0)
        assert error == 1 - len(rows) / ((box[2] - box[0]) * (box[3] - box[1]))
