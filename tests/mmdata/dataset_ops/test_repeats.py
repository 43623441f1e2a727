"""Which keys repeat: the same answer in memory and through bucket files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.dataset_ops.fields import ABSENT, canonical, lookup
from mmdata.dataset_ops.repeats import Members, Repeats


@pytest.mark.parametrize("spill_at", [3, 1000])
@given(keys=st.lists(st.integers(0, 30), max_size=100))
@settings(max_examples=40, deadline=None)
def test_against_a_dict(spill_at: int, keys: list[int]) -> None:
    repeats, seen, expected = Repeats(spill_at), {}, {}
    for position, key in enumerate(keys):
        repeats.add(b"%d" % key, position)
        if key in seen:
            expected[position] = seen[key]
        seen.setdefault(key, position)
    positions, firsts = repeats.found()
    assert dict(zip(positions.tolist(), firsts.tolist(), strict=True)) == expected
    members = Members(positions, firsts)
    assert {i: f for i in range(len(keys)) if (f := members.first_of(i)) is not None} == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@given(VALUES, VALUES)
def test_canonical_text_is_equal_exactly_for_equal_values(a: object, b: object) -> None:
    assert (canonical(a) == canonical(b)) == same(a, b)


def test_key_order_does_not_count_and_nan_is_no_null() -> None:
    assert canonical({"a": 1, "b": [None]}) == canonical({"b": [None], "a": 1})
    assert canonical([float("nan")]) != canonical([None])


def test_lookup() -> None:
    value = {"a/b": [{"~": 5}], "x": None}
    assert lookup(value, "/a~1b/0/~0") == 5
    assert lookup(value, "x") is None
    for field in ("y", "/a~1b/1", "/a~1b/-1", "/x/0", "/a~1b/0/~0/z"):
        assert lookup(value, field) is ABSENT
