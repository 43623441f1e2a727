from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmdata.io.search import places_of

small = st.binary(max_size=40).map(lambda data: bytes(byte % 3 + 97 for byte in data))


@given(small.filter(bool), small)
def test_places_are_exactly_where_the_needle_stands(needle: bytes, data: bytes) -> None:
    assert places_of(needle, data) == [i for i in range(len(data)) if data.startswith(needle, i)]
