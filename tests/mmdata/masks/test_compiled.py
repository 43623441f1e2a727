"""Kernels give what numpy gives, errors included, and a handful of masks never imports numba."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pycocotools import mask as coco

from mmdata import jit, masks
from mmdata.errors import DataError
from mmdata.masks import compiled
from mmdata.masks.coarse import coarse_rings
from mmdata.masks.contours import ring_arrays


@pytest.fixture(autouse=True)
def count_anew():
    compiled.use(None)
    yield
    compiled.use(None)


@pytest.fixture
def asked(monkeypatch):
    """As in a process that has not imported numba: what was asked of `jit.available`, which says no."""
    calls: list[str] = []
    monkeypatch.delenv("MMDATA_JIT", raising=False)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setattr(jit, "available", lambda: bool(calls.append("asked")))
    return calls


RLE = {"size": [2, 2], "counts": "4"}


def test_a_handful_of_masks_never_asks_for_numba(asked):
    for _ in range(compiled.ENOUGH // 8):
        masks.decode(RLE)
    assert not asked
    for _ in range(compiled.ENOUGH):
        masks.decode(RLE)
    assert asked == ["asked"]


def test_kernels_are_asked_for_at_once_where_numba_is_loaded_or_wanted(asked, monkeypatch):
    monkeypatch.setenv("MMDATA_JIT", "1")
    masks.decode(RLE)
    assert asked == ["asked"]
    compiled.use(None)
    monkeypatch.delenv("MMDATA_JIT")
    monkeypatch.setitem(sys.modules, "numba", object())
    masks.decode(RLE)
    assert asked == ["asked"] * 2


def test_the_environment_forbids_kernels(monkeypatch):
    monkeypatch.setenv("MMDATA_JIT", "0")
    jit.available.cache_clear()
    try:
        assert not compiled.use(True)
        assert not compiled.ready()
    finally:
        jit.available.cache_clear()


def both(work):
    """What work gives by numpy and by kernels; an error counts as its type, kind and message."""
    found = []
    for kernels in (False, True):
        if not compiled.use(kernels):
            pytest.skip("numba is not installed")
        try:
            found.append(work())
        except DataError as error:
            found.append((type(error), getattr(error, "kind", None), str(error)))
    return found


def test_damaged_text_gets_the_same_words():
    rng = np.random.default_rng(12)
    refused = 0
    for number in range(200):
        mask = (rng.random(tuple(rng.integers(1, 40, 2))) < rng.random()).astype(np.uint8)
        text = bytearray(coco.encode(np.asfortranarray(mask))["counts"])
        for _ in range(int(rng.integers(0, 3))):
            text[rng.integers(len(text))] = int(rng.integers(46, 114))
        if number % 5 == 0:
            text[rng.integers(len(text)) :] = b"PPPPPP" + bytes(rng.integers(48, 112, 3).tolist())
        counts = text.decode("latin-1") if number % 2 else bytes(text)
        plain, quick = both(lambda rle={"size": [*mask.shape], "counts": counts}: masks.decode(rle).tolist())
        assert plain == quick
        refused += isinstance(plain, tuple)
    assert 30 < refused < 170


def test_text_of_no_ascii_and_numbers_beyond_any_run_get_the_same_words():
    for counts in ("4é", "\ud800", "0" * 70, "PPPPPP0", "PPPPPPO", "oooooo?", "PPPPPPP0", "", b"\xff", "PPP"):
        plain, quick = both(lambda c=counts: masks.runs({"size": [2, 2], "counts": c}).tolist())
        assert plain == quick
        assert isinstance(plain, tuple)


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_the_rings_are_the_same_ones_in_the_same_order(masks_like, rule):
    for mask in masks_like(150, seed=21, largest=70):
        plain, quick = both(lambda m=mask: masks.to_rings(m, rule))
        assert plain == quick
        plain, quick = both(lambda m=mask: [ring.tolist() for ring in ring_arrays(m, rule)])
        assert plain == quick


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_masks_in_any_memory_and_what_is_no_mask(rule):
    mask = np.zeros((40, 50), np.uint8)
    mask[5:20, 7:30] = mask[25:39, 1:9] = 1
    frozen = mask.copy()
    frozen.setflags(write=False)
    expected = both(lambda: masks.to_rings(mask, rule))[0]
    for other in (mask.astype(bool), mask.astype(np.int64), np.asfortranarray(mask), frozen):
        assert both(lambda m=other: masks.to_rings(m, rule)) == [expected] * 2
    assert (
        both(lambda: masks.to_rings(mask[:, ::2], rule))[0]
        == both(lambda: masks.to_rings(mask[:, ::2].copy(), rule))[1]
    )
    for wrong in (mask * 255, mask[0], mask.astype(float), np.empty((0, 3), np.uint8)):
        plain, quick = both(lambda m=wrong: masks.to_rings(m, rule))
        assert plain == quick
        assert plain[0] is masks.MaskError


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_rings_are_drawn_and_refused_alike(rule):
    nan, far = float("nan"), 1e12
    square = [[1.5, 1], [8, 1.2], [8, 9], [1, 9]]
    frozen = np.array(square)
    frozen.setflags(write=False)
    for rings in (
        [square],
        [square, [[3, 3], [20, 3], [20, 5]]],
        [frozen],
        [np.array(square, np.float32)[:, ::-1]],
        [[[1, 1], [5, 1], [5, 10**17]]],
        [[[1, 1], [5, 1], [nan, 5]]],
        [square, [[1, 1], [5, 1], [far, 5]]],
        [square, [[1, 1]]],
        [square, []],
        [[[1, 1], [5, -2e7], [4, 4]]],
        (ring for ring in ()),
    ):
        given = list(rings)
        plain, quick = both(lambda g=given: masks.rasterize(iter(g), (12, 16), rule).tolist())
        assert plain == quick
        plain, quick = both(
            lambda g=given: coarse_rings(iter(g), (12, 16), (5, 31), rule, "nearest").tolist()
        )
        assert plain == quick
