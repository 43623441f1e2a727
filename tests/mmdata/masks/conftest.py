"""Random masks of every kind that has ever broken a mask library."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmdata.masks import compiled


def random_mask(rng: np.random.Generator, largest: int = 48) -> np.ndarray:
    """Noise, blobs, lines, holes, lattices, full, empty, one pixel wide or high; uint8 (h, w) of 0 and 1."""
    h, w = (int(n) for n in rng.integers(1, largest + 1, 2))
    kind = rng.integers(12)
    if kind == 10:
        h = 1
    elif kind == 11:
        w = 1
    mask = np.zeros((h, w), np.uint8)

    def point():
        return int(rng.integers(w)), int(rng.integers(h))

    if kind in (0, 10, 11):
        mask[:] = rng.random((h, w)) < rng.random()
    elif kind == 1:
        mask[:] = 1
    elif kind == 3:
        for _ in range(3):
            cv2.line(mask, point(), point(), 1, 1)
    elif kind == 4:
        for _ in range(4):
            axes = (int(rng.integers(w)), int(rng.integers(h)))
            cv2.ellipse(mask, point(), axes, 0, 0, 360, 1, int(rng.choice([-1, 1, 2])))
    elif kind == 5:
        mask[:] = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 2) > 0
    elif kind == 6:
        mask[:] = 1
        mask[rng.random((h, w)) < 0.05] = 0
    elif kind == 7:
        mask[::2] = 1
        mask[:, ::3] = 1
    elif kind == 8:
        x, y = point()
        mask[y] = 1
        mask[:, x] = 1
        mask[point()[1], point()[0]] = 1
    elif kind == 9:
        mask[:] = np.indices((h, w)).sum(0) % 2  # corners touch only
    return mask


@pytest.fixture
def masks_like():
    """``masks_like(n, seed)``: n random masks."""

    def make(n: int, seed: int, largest: int = 48):
        rng = np.random.default_rng(seed)
        return (random_mask(rng, largest) for _ in range(n))

    return make


@pytest.fixture(scope="module", params=["numpy", "kernels"])
def both_ways(request):
    """Every test of the module once by numpy alone and once by compiled kernels, where numba is installed."""
    if not compiled.use(request.param == "kernels"):
        pytest.skip("numba is not installed")
    yield request.param
    compiled.use(None)
