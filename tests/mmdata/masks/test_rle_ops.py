"""Set operations, crop and resize of runs agree with the same operation on pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco

from mmdata import masks
from mmdata.errors import DataError, UnknownName

pytestmark = pytest.mark.usefixtures("both_ways")


@pytest.mark.parametrize("n", [800, pytest.param(10_000, marks=pytest.mark.slow)])
def test_runs_agree_with_pixels(masks_like, n):
    rng = np.random.default_rng(n)
    for mask in masks_like(n, seed=n + 3):
        height, width = mask.shape
        others = [
            (rng.random(mask.shape) < 0.3).astype(np.uint8),
            np.roll(mask, 2, axis=int(rng.integers(2))),
        ]
        rles = [masks.encode(one) for one in (mask, *others)]
        assert masks.union(rles) == masks.encode(mask | others[0] | others[1])
        assert masks.intersection(rles) == masks.encode(mask & others[0] & others[1])
        assert masks.union(rles[:1]) == masks.intersection(rles[:1]) == rles[0]
        ours, theirs = masks.iou(*rles[:2]), coco.iou(rles[:1], rles[1:2], [0])[0][0]
        assert ours == pytest.approx(theirs, abs=1e-12)
        x, y = int(rng.integers(width)), int(rng.integers(height))
        w, h = int(rng.integers(1, width - x + 1)), int(rng.integers(1, height - y + 1))
        assert masks.crop(rles[0], (x, y, w, h)) == masks.encode(mask[y : y + h, x : x + w])
        size = tuple(int(v) for v in rng.integers(1, 60, 2))
        resized = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST)
        assert masks.resize(rles[0], size, "cv2-nearest") == masks.encode(resized)
        resized = np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))
        assert masks.resize(rles[0], size, "pil-nearest") == masks.encode(resized)
        for rule in ("nearest", "nearest-exact"):
            resized = torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None], size, mode=rule)
            assert masks.resize(rles[0], size, rule) == masks.encode(resized[0, 0].numpy())


def test_two_empty_masks_have_nothing_in_common():
    empty = masks.encode(np.zeros((3, 3), np.uint8))
    assert masks.iou(empty, empty) == 0.0


def test_what_does_not_fit_is_named():
    one, other = masks.encode(np.ones((3, 3), np.uint8)), masks.encode(np.ones((3, 4), np.uint8))
    for operation in (masks.union, masks.intersection):
        with pytest.raises(masks.RLEError, match="mask 1 has the size"):
            operation([one, other])
        with pytest.raises(masks.RLEError, match="at least one"):
            operation([])
        with pytest.raises(masks.RLEError, match="mask 1: "):
            operation([one, {"size": [3, 3], "counts": [4]}])
    with pytest.raises(masks.RLEError):
        masks.iou(one, other)
    for box in ((-1, 0, 2, 2), (0, 0, 4, 1), (0, 0, 0, 1), (0, 2, 1, 2)):
        with pytest.raises(DataError, match="not inside"):
            masks.crop(one, box)
    with pytest.raises(UnknownName):
        masks.resize(one, (2, 2), "cv2-linear")
    for size in ((0, 1), (10**9, 10**9), (2.5, 2), 3):
        with pytest.raises(DataError):
            masks.resize(one, size)
