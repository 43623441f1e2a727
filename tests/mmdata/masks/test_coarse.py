"""Masks at another size are what resizing the full mask gives: by torch, OpenCV and Pillow themselves."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdata import masks
from mmdata.errors import DataError
from mmdata.masks.coarse import coarse_rings, coarse_rle, scratch, target_size
from mmdata.masks.resize_rules import line_sources

pytestmark = pytest.mark.usefixtures("both_ways")

EXACT = ("nearest", "nearest-exact", "cv2-nearest", "cv2-area", "cv2-linear")


def resized(full: np.ndarray, size: tuple[int, int], rule: str) -> np.ndarray:
    """The reference: the library's own resize of the full mask."""
    if rule in ("nearest", "nearest-exact"):
        return torch.nn.functional.interpolate(torch.from_numpy(full)[None, None], size=size, mode=rule)[
            0, 0
        ].numpy()
    how = {"cv2-nearest": cv2.INTER_NEAREST, "cv2-area": cv2.INTER_AREA, "cv2-linear": cv2.INTER_LINEAR}[rule]
    grey = cv2.resize(full * np.uint8(255), size[::-1], interpolation=how)
    return (grey > 127).astype(np.uint8)


SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, st.sampled_from(EXACT), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_rle(full: tuple[int, int], new: tuple[int, int], rule: Any, fill: float, seed: int) -> None:
    mask = (np.random.default_rng(seed).random(full) < fill).astype(np.uint8)
    got = coarse_rle(masks.encode(mask), new, rule)
    np.testing.assert_array_equal(got, resized(mask, new, rule))
    assert got.flags.c_contiguous


RING = st.lists(st.tuples(st.floats(-40, 110), st.floats(-40, 110)), min_size=3, max_size=9)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@settings(max_examples=200, deadline=None)
@given(st.lists(RING, max_size=3), SIZES, SIZES, st.sampled_from(("opencv", "coco")), st.sampled_from(EXACT))
def test_rings(rings: Any, full: tuple[int, int], new: tuple[int, int], raster: Any, rule: Any) -> None:
    expected = resized(masks.rasterize(rings, full, raster), new, rule)
    np.testing.assert_array_equal(coarse_rings(rings, full, new, raster, rule), expected)
    assert not scratch(full).pixels.any()


@pytest.mark.parametrize(
    "old, new", [(800, 256), (4096, 1024), (1023, 1024), (7, 5000), (30001, 256), (2048, 2047)]
)
def test_sources_of_long_lines(old: int, new: int) -> None:
    line = np.arange(old, dtype=np.float64)[None]
    for rule in ("nearest", "nearest-exact"):
        expected = torch.nn.functional.interpolate(torch.from_numpy(line)[None], size=new, mode=rule)[
            0, 0
        ].numpy()
        np.testing.assert_array_equal(line_sources(old, new, rule), expected)  # type: ignore[arg-type]
    expected = cv2.resize(line, (new, 1), interpolation=cv2.INTER_NEAREST)[0]
    np.testing.assert_array_equal(line_sources(old, new, "cv2-nearest"), expected)


@settings(max_examples=50, deadline=None)
@given(SIZES, SIZES)
def test_pillows_nearest(full: tuple[int, int], new: tuple[int, int]) -> None:
    mask = np.random.default_rng(full[0]).integers(0, 2, full, dtype=np.uint8)
    expected = np.array(Image.fromarray(mask).resize(new[::-1], Image.Resampling.NEAREST))
    np.testing.assert_array_equal(coarse_rle(masks.encode(mask), new, "pil-nearest"), expected)


def test_scaled_rings_are_near() -> None:
    a = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.c_[np.cos(a), np.sin(a)] * [900, 700] + [1000, 1000]
    for raster in ("opencv", "coco"):
        exact = coarse_rings([ring], (2048, 2048), (256, 256), raster, "cv2-area")  # type: ignore[arg-type]
        near = coarse_rings([ring], (2048, 2048), (256, 256), raster, "scaled-rings")  # type: ignore[arg-type]
        assert (exact & near).sum() / (exact | near).sum() > 0.97


def test_what_is_refused() -> None:
    rle = masks.encode(np.ones((4, 4), np.uint8))
    with pytest.raises(DataError, match="scaled-rings"):
        coarse_rle(rle, (2, 2), "scaled-rings")
    with pytest.raises(DataError, match="positive"):
        coarse_rle(rle, (0, 2), "nearest")
    with pytest.raises(DataError, match="limit"):
        coarse_rle(rle, (10**9, 10**9), "nearest")
    with pytest.raises(masks.RingError, match="ring 0"):
        coarse_rings([[]], (4, 4), (2, 2), "opencv", "nearest")


def test_target_sizes() -> None:
    assert target_size((800, 600), None) == (800, 600)
    assert target_size((800, 600), 256) == (256, 192)
    assert target_size((1, 4000), 100) == (1, 100)
    assert target_size((800, 600), (5, 7)) == (5, 7)
    for bad in (0, -1, True, 2.5, (1,), (0, 4)):
        with pytest.raises(DataError):
            target_size((8, 6), bad)  # type: ignore[arg-type]
