from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mmdata.ids import IdTable, hash_ids, id_text

ids = st.one_of(
    st.none(),
    st.integers(0, 5),
    st.integers(0, 2**40),
    st.text(min_size=1, max_size=2),
    st.lists(st.integers(0, 1), max_size=2),
)


def brute_force(values: list[Any]) -> tuple[list[list[int]], int]:
    places: dict[Any, list[int]] = defaultdict(list)
    for i, value in enumerate(values):
        if value is not None:
            places[json.dumps(value)].append(i)
    groups = sorted(p for p in places.values() if len(p) > 1)
    return groups, sum(len(g) - 1 for g in groups)


@given(st.lists(ids, max_size=60), st.integers(1, 20), st.integers(1, 7))
def test_candidates_are_exactly_the_repeated_ids_whether_spilled_or_not(
    values: list[Any], spill_at: int, step: int
) -> None:
    table = IdTable(spill_at=spill_at)
    for start in range(0, len(values), step):
        table.extend(hash_ids([id_text(v) for v in values[start : start + step]]))
    assert table.candidates() == brute_force(values)


def test_absent_ids_are_no_duplicates() -> None:
    table = IdTable()
    table.extend(hash_ids([id_text(v) for v in (None, None, 0, 1)]))
    assert table.candidates() == ([], 0)
