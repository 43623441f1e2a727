"""Decoding gives pycocotools' pixels for everything that is an RLE, and an error for everything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata import masks
from mmdata.masks import rle as rle_module
from mmdata.masks import rle_decode, rle_text

pytestmark = pytest.mark.usefixtures("both_ways")

EVERYDAY, ALL = 750, 10_000


# Each way of decoding, forced upon masks of any size: (most runs to repeat, largest small canvas).
WAYS = [(6000, 0), (0, 1 << 17), (0, -(1 << 40))]


def take(way, monkeypatch):
    monkeypatch.setattr(rle_decode, "_REPEATED_RUNS", way[0])
    monkeypatch.setattr(rle_decode, "_SMALL_CANVAS", way[1])
    monkeypatch.setattr(rle_decode, "_DENSE", 64 if way[1] >= 0 else 0)


def as_coco(mask):
    return coco.encode(np.asfortranarray(mask))


@pytest.mark.parametrize("n", [EVERYDAY, pytest.param(ALL, marks=pytest.mark.slow)])
def test_every_form_of_counts_decodes_to_the_mask(masks_like, n, monkeypatch):
    for number, mask in enumerate(masks_like(n, seed=n)):
        take(WAYS[number % 3], monkeypatch)
        encoded = as_coco(mask)
        runs = masks.runs(encoded).tolist()
        for counts in (encoded["counts"], encoded["counts"].decode(), runs):
            pixels = masks.decode({"size": list(mask.shape), "counts": counts})
            assert pixels.dtype == np.uint8
            assert pixels.flags.c_contiguous
            assert np.array_equal(pixels, mask)


@pytest.mark.parametrize("n", [EVERYDAY, pytest.param(ALL, marks=pytest.mark.slow)])
def test_runs_of_no_pixels_change_nothing(masks_like, n, monkeypatch):
    rng = np.random.default_rng(n)
    for number, mask in enumerate(masks_like(n, seed=n + 1)):
        take(WAYS[number % 3], monkeypatch)
        split: list[int] = []
        for run in masks.runs(as_coco(mask)).tolist():
            first = int(rng.integers(0, run + 1))
            split += [first, 0, run - first] if rng.random() < 0.4 else [run]
        assert np.array_equal(masks.decode({"size": list(mask.shape), "counts": split}), mask)


def large_masks():
    rng = np.random.default_rng(7)
    yy, xx = np.mgrid[:1500, :1800]
    yield ((xx - 900) ** 2 + (yy - 700) ** 2 < 500**2).astype(np.uint8)
    yield (rng.random((1400, 1600)) < 0.5).astype(np.uint8)
    yield (rng.random((2049, 2051)) < 0.01).astype(np.uint8)
    yield np.ones((1500, 1501), np.uint8)
    yield ((xx // 7 + yy // 90) % 2).astype(np.uint8)
    band = np.zeros((3000, 3000), np.uint8)
    band[:, 1000:1100] = 1
    yield band


@pytest.mark.parametrize("mask", list(large_masks()), ids=lambda m: f"{m.shape}")
def test_large_masks_and_dense_ones_decode_too(mask):
    encoded = as_coco(mask)
    assert np.array_equal(masks.decode(encoded), mask)
    assert np.array_equal(masks.decode({**encoded, "counts": masks.runs(encoded).tolist()}), mask)
    assert np.array_equal(masks.decode_many([encoded, encoded]), np.stack([mask, mask]))
    assert masks.encode(mask) == {"size": list(mask.shape), "counts": encoded["counts"].decode()}


@settings(max_examples=600, deadline=None)
@given(
    st.binary(max_size=40) | st.lists(st.integers(48, 111), max_size=60).map(bytes),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_any_bytes_decode_to_every_pixel_or_raise(text, height, width):
    rle = {"size": [height, width], "counts": text}
    try:
        runs = masks.runs(rle)
    except masks.RLEError:
        with pytest.raises(masks.RLEError):
            masks.decode(rle)
        return
    expected = np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T
    assert np.array_equal(masks.decode(rle), expected)


@pytest.mark.parametrize(
    ("rle", "kind"),
    [
        ({"size": [10**9, 10**9], "counts": "0"}, "limit"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "limit"),
        ({"size": [4, 4], "counts": [8, 4]}, "sum"),
        ({"size": [4, 4], "counts": [8, 4, 5]}, "sum"),
        ({"size": [4, 4], "counts": [20, -4]}, "negative"),
        ({"size": [4, 4], "counts": "b'44d0'"}, "bytes-repr"),
        ({"size": [4, 4], "counts": ""}, "sum"),
        ({"size": [4, 4], "counts": []}, "sum"),
        ({"size": [0, 4], "counts": "0"}, "size"),
        ({"size": [4, -4], "counts": "0"}, "size"),
        ({"size": [4.0, 4], "counts": "0"}, "size"),
        ({"size": [4, 4], "counts": None}, "counts"),
        ({"size": [4, 4], "counts": "PPPPPPPPPP0"}, "number"),
        ({"size": [4, 4], "counts": "4P"}, "truncated"),
        ("44d0", "mapping"),
    ],
)
def test_hostile_rles_are_named_errors(rle, kind):
    with pytest.raises(masks.RLEError) as caught:
        masks.decode(rle)
    assert caught.value.kind == kind
    with pytest.raises(masks.RLEError, match="mask 1"):
        masks.decode_many([{"size": [1, 1], "counts": [1]}, rle])


def test_a_mutated_text_of_thousands_of_runs_is_an_error_or_fills_the_canvas():
    rng = np.random.default_rng(3)
    encoded = as_coco((rng.random((300, 300)) < 0.3).astype(np.uint8))
    for _ in range(150):
        text = bytearray(encoded["counts"])
        for _ in range(int(rng.integers(1, 4))):
            text[rng.integers(len(text))] = int(rng.integers(44, 116))
        rle = {"size": [300, 300], "counts": bytes(text)}
        try:
            runs = masks.runs(rle)
        except masks.RLEError:
            with pytest.raises(masks.RLEError):
                masks.decode(rle)
            continue
        assert runs.sum() == 300 * 300
        assert runs.min() >= 0
        assert masks.decode(rle).sum() == runs[1::2].sum()


def test_many_masks_keep_their_order_and_their_size(masks_like):
    size = (30, 41)
    stack = np.stack([np.resize(mask, size) for mask in masks_like(40, seed=4)])
    rles = [masks.encode(mask) for mask in stack]
    assert np.array_equal(masks.decode_many(rles), stack)
    assert np.array_equal(masks.decode_many(rles, size=size), stack)
    assert masks.decode_many([]).shape == (0, 0, 0)
    assert masks.decode_many([], size=size).shape == (0, 30, 41)
    with pytest.raises(masks.RLEError, match=r"mask 2 has the size \[1, 2\]"):
        masks.decode_many([*rles[:2], {"size": [1, 2], "counts": [2]}])


def plainly_read(text):
    """The numbers of RLE text by its definition, in unbounded integers; None where it has more than any run needs."""
    runs, digits = [], []
    for char in text:
        digits.append(char - 48)
        if char < 80:
            value = sum((digit & 31) << 5 * k for k, digit in enumerate(digits))
            value -= (1 << 5 * len(digits)) * (digits[-1] >> 4 & 1)
            if len(digits) > 7 or (len(digits) == 7 and value < 0):
                return None
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            digits = []
    return runs


@pytest.mark.parametrize("short", [1, 1 << 30], ids=["numpy", "loop"])
@pytest.mark.parametrize("few", [0, 16, 1 << 30])
def test_numbers_of_every_length_are_read_by_definition(short, few, monkeypatch):
    monkeypatch.setattr(rle_module, "SHORT", short)
    monkeypatch.setattr(rle_text, "_FEW_LONG", few)
    rng = np.random.default_rng(8)
    texts = [b"PPPP0", b"0PPPPPP0", b"PPPPPPP0", b"PPPPPP@", b"ooooooO", b"oooooO" * 9, b"44d0"]
    for _ in range(1200):
        n, longest = (int(v) for v in rng.integers(1, [30, 9]))
        goes_on = [rng.integers(80, 112, int(rng.integers(longest))).tolist() for _ in range(n)]
        texts.append(bytes([char for more in goes_on for char in [*more, int(rng.integers(48, 80))]]))
    kinds = []
    for text in texts:
        expected = plainly_read(text)
        rle = {"size": [1, max(1, sum(expected or [1]))], "counts": text}
        if expected is not None and min(expected) >= 0:
            if sum(expected):
                assert masks.runs(rle, limit_pixels=1 << 62).tolist() == expected
                kinds.append("read")
            continue
        with pytest.raises(masks.RLEError) as caught:
            masks.runs(rle, limit_pixels=1 << 62)
        kinds.append("number" if expected is None else "negative")
        assert caught.value.kind == kinds[-1]
    assert min(map(kinds.count, ("read", "number", "negative"))) > 30


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (256, 256), (200, 331)])
def test_an_object_in_some_columns_only_leaves_the_others_empty(size):
    rng = np.random.default_rng(9)
    for _ in range(200):
        mask = np.zeros(size, np.uint8)
        left, right = sorted(int(v) for v in rng.integers(0, size[1] + 1, 2))
        mask[:, left:right] = rng.random((size[0], right - left)) < rng.random()
        encoded = as_coco(mask)
        assert np.array_equal(masks.decode(encoded), mask)
        assert np.array_equal(masks.decode({**encoded, "counts": masks.runs(encoded).tolist()}), mask)


def test_long_and_short_text_are_read_alike(monkeypatch):
    rng = np.random.default_rng(5)
    read = faults = 0
    for _ in range(1500):
        height, width = (int(v) for v in rng.integers(1, 40, 2))
        mask = (rng.random((height, width)) < rng.random()).astype(np.uint8)
        text = bytearray(as_coco(mask)["counts"])
        for _ in range(int(rng.integers(0, 3))):
            text[rng.integers(len(text))] = int(rng.integers(46, 114))
        if rng.random() < 0.2:
            del text[int(rng.integers(len(text))) :]
        found = []
        for short in (1, 1 << 30):
            monkeypatch.setattr(rle_module, "SHORT", short)
            try:
                found.append(masks.runs({"size": [height, width], "counts": bytes(text)}).tolist())
                read += 1
            except masks.RLEError as error:
                found.append((error.kind, str(error)))
                faults += 1
        assert found[0] == found[1]
    assert min(read, faults) > 500
