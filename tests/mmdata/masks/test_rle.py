"""RLE is checked as COCO defines it, and measured exactly, against pycocotools and a brute-force reader."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata.masks import rle, rle_text
from mmdata.masks.kept_runs import runs_kept

pytestmark = pytest.mark.usefixtures("both_ways")

RNG = np.random.default_rng(5)


def masks():
    """Masks of many kinds, uint8 (h, w)."""
    for h, w in [(1, 1), (1, 9), (9, 1), (2, 2), (7, 5), (33, 47), (64, 64), (130, 210)]:
        yield np.zeros((h, w), np.uint8)
        yield np.ones((h, w), np.uint8)
        for density in (0.02, 0.5, 0.98):
            yield (RNG.random((h, w)) < density).astype(np.uint8)
        corner = np.zeros((h, w), np.uint8)
        corner[-1, :] = RNG.random(w) < 0.5
        yield corner
        side = np.zeros((h, w), np.uint8)
        side[:, -1] = 1
        yield side
        box = np.zeros((h, w), np.uint8)
        box[h // 3 : h // 2 + 1, w // 4 : w // 2 + 1] = 1
        yield box


def last_line_only(mask):
    inner = mask[:-1, :-1]
    return bool(mask.any() and not inner.any())


def measured_by_hand(mask):
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return (0, 0, 0, 0)
    return (int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1)


@pytest.mark.parametrize("mask", list(masks()), ids=lambda m: f"{m.shape[0]}x{m.shape[1]}-{m.sum()}")
def test_measures_agree_with_the_pixels_and_with_pycocotools(mask):
    encoded = coco.encode(np.asfortranarray(mask))
    flat = mask.ravel(order="F")
    for counts in (encoded["counts"], encoded["counts"].decode(), rle.runs(encoded).tolist()):
        given_rle = {"size": list(mask.shape), "counts": counts}
        lengths = rle.runs(given_rle)
        assert lengths.dtype == np.int64
        assert np.array_equal(np.repeat(np.arange(len(lengths)) % 2, lengths), flat)
        assert rle.area(given_rle) == mask.sum() == coco.area(encoded)
        assert rle.is_empty(given_rle) == (not mask.any())
        assert rle.bbox_xywh(given_rle) == measured_by_hand(mask) == tuple(coco.toBbox(encoded).astype(int))
        assert rle.extent(given_rle) == (measured_by_hand(mask), mask.sum())
        assert rle.touches_only_last_row_or_column(given_rle) == last_line_only(mask)


def test_short_and_long_texts_are_read_alike():
    texts = [coco.encode(np.asfortranarray(mask))["counts"] for mask in masks()]
    assert min(map(len, texts)) < rle_text.SHORT < max(map(len, texts))
    for text in texts:
        assert rle_text.parse_short(text) == rle_text.parse_long(text).tolist()


def test_runs_of_length_zero_do_not_widen_the_box():
    split = {"size": [4, 4], "counts": [5, 1, 0, 1, 0, 0, 9]}
    assert rle.bbox_xywh(split) == (1, 1, 1, 2)
    assert rle.area(split) == 2
    assert rle.extent(split) == ((1, 1, 1, 2), 2)
    leading = {"size": [4, 4], "counts": [0, 0, 15, 1]}
    assert rle.bbox_xywh(leading) == (3, 3, 1, 1)


def slow_numbers(text: bytes):
    """The numbers of RLE text straight from its definition; None where the text does not end with a number."""
    out, group = [], []
    for char in text:
        group.append(char - 48)
        if group[-1] & 32:
            continue
        value = sum((bits & 31) * 32**k for k, bits in enumerate(group))
        if group[-1] & 16:
            value -= 32 ** len(group)
        out.append(value + (out[-2] if len(out) > 2 else 0))
        group = []
    return None if group else out


_GROUPS = st.lists(st.lists(st.integers(0, 31), min_size=1, max_size=6), min_size=20, max_size=60)


@settings(max_examples=200, deadline=None)
@given(_GROUPS, st.lists(st.integers(0, 31), max_size=8), st.integers(0, 60))
def test_numbers_of_any_length_are_read(groups, longest, at):
    groups = groups[:at] + [longest] * bool(longest) + groups[at:]
    text = bytes(48 + bits + 32 * (k < len(group) - 1) for group in groups for k, bits in enumerate(group))
    if len(longest) > 7 or (len(longest) == 7 and longest[-1] & 16):
        with pytest.raises(rle.RLEError, match="longer than any run"):
            rle_text.parse_long(text)
    else:
        assert rle_text.parse_long(text).tolist() == slow_numbers(text)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 40), st.integers(1, 40))
def test_any_bytes_are_accepted_exactly_when_they_fill_the_canvas(text, height, width):
    judge(text, height, width)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(48, 111), min_size=1, max_size=60).map(bytes), st.integers(1, 2000))
def test_any_rle_text_is_accepted_exactly_when_it_fills_the_canvas(text, height):
    numbers = slow_numbers(text)
    total = sum(numbers) if numbers else 0
    judge(text, height, 7)
    if numbers and min(numbers) >= 0 and 0 < total <= rle.LIMIT_PIXELS:
        judge(text, total, 1)


def outcome(call, *args):
    """What a call gives: (result, None) or (None, the RLEError)."""
    try:
        return call(*args), None
    except rle.RLEError as error:
        return None, error


def judge(text, height, width):
    legal = all(48 <= c <= 111 for c in text)
    numbers = slow_numbers(text) if legal else None
    good = numbers is not None and sum(numbers) == height * width and min(numbers, default=0) >= 0
    lengths, error = outcome(rle.runs, {"size": [height, width], "counts": text})
    if error is None:
        assert good
        assert lengths.tolist() == numbers
    else:
        # Padding a number to eight characters is legal in the text; no writer does it and pycocotools overflows.
        assert not good or error.kind == "number"


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=12,
    ),
    st.data(),
)
def test_no_value_raises_anything_else_than_rle_error(value, data):
    size = data.draw(st.just([4, 4]) | st.just(value))
    for thing in (value, {"size": size, "counts": value}, {"size": value, "counts": "`0"}):
        _, error = outcome(rle.check, thing)
        assert error is None or len(str(error)) < 300


@pytest.mark.parametrize(
    ("given_rle", "kind", "said"),
    [
        ([1, 2], "mapping", "object"),
        ({"counts": "`0"}, "size", "None"),
        ({"size": [4], "counts": "`0"}, "size", "[4]"),
        ({"size": [4, 0], "counts": ""}, "size", "positive"),
        ({"size": [4.0, 4], "counts": [16]}, "size", "4.0"),
        ({"size": [True, 16], "counts": [16]}, "size", "True"),
        ({"size": [10**9, 10**9], "counts": "0"}, "limit", "1000000000"),
        ({"size": [4, 4]}, "counts", "None"),
        ({"size": [4, 4], "counts": [[16]]}, "counts", "element 0"),
        ({"size": [4, 4], "counts": [8, 8.0]}, "counts", "element 1"),
        ({"size": [4, 4], "counts": "b'`0'"}, "bytes-repr", "printed form"),
        ({"size": [4, 4], "counts": "`0 "}, "alphabet", "character 2"),
        ({"size": [4, 4], "counts": "`0é"}, "alphabet", "character 2"),
        ({"size": [4, 4], "counts": "\ud800"}, "alphabet", "character 0"),
        ({"size": [4, 4], "counts": "`0`"}, "truncated", "3 characters"),
        ({"size": [4, 4], "counts": "0" + "o" * 40 + "0"}, "number", "character 1"),
        ({"size": [4, 4], "counts": [20, -4]}, "negative", "run 1"),
        ({"size": [4, 4], "counts": "d0L"}, "negative", "run 1"),
        ({"size": [4, 4], "counts": ""}, "sum", "sum to 0"),
        ({"size": [4, 4], "counts": [4, 4]}, "sum", "sum to 8, `size` [4, 4] has 16"),
        ({"size": [4, 4], "counts": [10**4200, 10**4300]}, "sum", "bits"),
    ],
)
def test_each_fault_has_its_kind_and_is_named(given_rle, kind, said):
    with pytest.raises(rle.RLEError) as caught:
        rle.check(given_rle)
    assert caught.value.kind == kind
    assert said in str(caught.value)


def test_text_escaped_twice_is_recognised():
    rng = np.random.default_rng(1)
    mask = next(
        m
        for m in (rng.random((40, 40)) < d for d in np.linspace(0.01, 0.4, 60))
        if b"\\" in coco.encode(np.asfortranarray(m.astype(np.uint8)))["counts"]
    )
    text = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    rle.check({"size": [40, 40], "counts": text})
    with pytest.raises(rle.RLEError, match="backslash"):
        rle.check({"size": [40, 40], "counts": text.replace("\\", "\\\\")})


def test_the_limit_is_the_callers():
    big = {"size": [100, 100], "counts": [10_000]}
    rle.check(big)
    with pytest.raises(rle.RLEError):
        rle.check(big, limit_pixels=9_999)
    wide = {"size": [2, 1 << 28], "counts": [(1 << 29) - 1, 1]}
    with pytest.raises(rle.RLEError):
        rle.area(wide)
    assert rle.area(wide, limit_pixels=1 << 29) == 1
    assert rle.touches_only_last_row_or_column(wide, limit_pixels=1 << 29)


def test_runs_that_are_kept_are_those_of_the_mask():
    mask = (RNG.random((40, 60)) < 0.3).astype(np.uint8)
    whole = {"size": [40, 60], "counts": coco.encode(np.asfortranarray(mask))["counts"].decode()}
    with runs_kept():
        first = rle.runs(whole)
        first[:] = 0  # the caller's own
        assert rle.area(whole) == mask.sum()
        assert rle.area({**whole, "size": [60, 40]}) == mask.sum()
        with pytest.raises(rle.RLEError, match="sum"):
            rle.check({**whole, "size": [41, 60]})
