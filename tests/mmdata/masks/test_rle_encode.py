"""Encoding writes pycocotools' bytes, whatever the memory order and the way taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata import masks
from mmdata.masks import rle_encode


@pytest.mark.parametrize("small", [0, 1 << 17], ids=["by-rows", "by-pycocotools"])
@pytest.mark.parametrize("n", [1200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_text_is_pycocotools_own(masks_like, monkeypatch, n, small):
    monkeypatch.setattr(rle_encode, "_SMALL", small)
    for number, mask in enumerate(masks_like(n, seed=n + 2)):
        monkeypatch.setattr(rle_encode, "_BLOCK", 5 if number % 3 else 1 << 15)
        expected = {
            "size": list(mask.shape),
            "counts": coco.encode(np.asfortranarray(mask))["counts"].decode(),
        }
        wide = np.zeros((mask.shape[0], -(-mask.shape[1] // 8) * 8), np.uint8)
        wide[:, : mask.shape[1]] = mask
        assert masks.encode(mask) == expected
        assert masks.encode(np.asfortranarray(mask)) == expected
        assert masks.encode(mask.astype(bool)) == expected
        assert masks.encode(wide[:, : mask.shape[1]]) == expected
        assert masks.encode(mask.astype(np.int64)) == expected
        assert np.array_equal(masks.decode(masks.encode(wide)), wide)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2**28), min_size=1, max_size=30))
def test_any_runs_come_back_from_their_text(lengths):
    text = rle_encode.to_text(np.array(lengths, np.int64))
    total = sum(lengths)
    if total:
        rle = {"size": [total, 1], "counts": text}
        assert masks.runs(rle, limit_pixels=2**50).tolist() == lengths


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[0, 255]], np.uint8), "`mask > 0` makes one"),
        (np.array([[0, 2]], np.int64), "0 to 2"),
        (np.array([[-1, 1]], np.int8), "-1 to 1"),
        (np.zeros((2, 2, 2), np.uint8), r"shape \(h, w\)"),
        (np.zeros((0, 4), np.uint8), "positive"),
        (np.zeros((2, 2), np.float32), "float32"),
    ],
)
def test_what_is_no_mask_is_refused(array, words):
    with pytest.raises(masks.MaskError, match=words):
        masks.encode(array)
