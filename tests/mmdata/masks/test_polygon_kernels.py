"""Polygon files read by compiled loops: the same arrays, errors and facts as without them, to the sign of a zero."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata import jit
from mmdata.checks import sidecars
from mmdata.masks import compiled
from mmdata.masks.polygon_file import PolygonFileError, load_polygon_file

pytestmark = pytest.mark.skipif(not jit.available(), reason="numba is not installed")

NUMBERS = st.one_of(
    st.integers(-3, 12).map(str),
    st.sampled_from(
        [
            "-0",
            "-0.0",
            "0.5",
            "1e3",
            "1E-2",
            "123456789012345",
            "1234567890.123456",
            "2147483648",
            "NaN",
            "1e999",
        ]
    ),
    st.integers(-9, 900).map(lambda n: str(n / 8)),
)
# Mostly points of two and rings of three or more, now and then neither.
POINTS = st.lists(NUMBERS, min_size=2, max_size=2) | st.lists(NUMBERS, max_size=3)
WHOLE = st.lists(st.integers(0, 9).map(str), min_size=2, max_size=2)


def nested(points):
    rings = st.lists(points, min_size=3, max_size=6) | st.lists(points, max_size=3)
    return st.lists(st.lists(rings, max_size=3), max_size=3)


def spelled(value, comma):
    return value if isinstance(value, str) else f"[{comma.join(spelled(one, comma) for one in value)}]"


def seen(data):
    try:
        file = load_polygon_file(data)
    except PolygonFileError as error:
        return error.kind, str(error)
    parts = file.points.tobytes(), file.ring_offsets.tolist(), file.object_offsets.tolist(), file.extras
    return (*parts, repr(sidecars._facts("x.json", file)))


@settings(max_examples=200, deadline=None)
@given(
    objects=nested(WHOLE) | nested(POINTS),
    comma=st.sampled_from([",", ", ", " ,\n "]),
    extra=st.sampled_from([{}, {"img": "a.png"}]),
    broken=st.none() | st.tuples(st.integers(0, 400), st.sampled_from('[],.-e "{}a')),
)
def test_compiled_reading_is_the_other_reading(objects, comma, extra, broken):
    text = f'{{"polygons":{spelled(objects, comma)}{"," + json.dumps(extra)[1:-1] if extra else ""}}}'
    if broken is not None:
        at = broken[0] % len(text)
        text = text[:at] + broken[1] + text[at + 1 :]
    found = []
    for kernels in (False, True):
        assert compiled.use(kernels)
        try:
            found.append(seen(text.encode()))
        finally:
            compiled.use(None)
    assert found[0] == found[1]
