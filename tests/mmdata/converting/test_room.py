"""The room of a batch's output: what was put there comes out again, kind by kind, in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.converting.parts import Part
from mmdata.converting.room import Room, Stretch

PUT, RUN, FLUSH = "put", "run", "flush"

acts = st.lists(
    st.tuples(
        st.sampled_from((PUT, PUT, RUN, FLUSH)), st.sampled_from("abc"), st.binary(min_size=1, max_size=60)
    ),
    max_size=60,
)


@given(acts, st.integers(0, 900), st.integers(1, 200), st.sampled_from((b"\n", b",\n")))
def test_records_come_out_as_they_went_in(
    acts: list[tuple[str, str, bytes]], size: int, chunk: int, between: bytes
) -> None:
    memory = memoryview(bytearray(size))
    room = Room(memory, between)
    room.chunk = chunk
    put: dict[str, list[bytes]] = {}
    for act, kind, text in acts:
        written = room.place(kind)
        if act == PUT:
            written.records.append(text)
        elif act == FLUSH:
            room.flush()
            continue
        else:  # as a kernel does: behind what is there, if there is room
            room.flush()
            if not room.reserve(written, len(text) + len(between)):
                continue
            assert written.limit - written.at >= len(text) + len(between)
            end = written.at + len(text) + len(between)
            memory[written.at : end] = text + between
            room.took(written, end, 1)
        put.setdefault(kind, []).append(text)

    part = Part(0)
    for kind, pieces, count in room.outputs():
        part.data[kind] = pieces
        assert count == len(put[kind])
    found = {kind: b"".join(pieces) for kind, pieces in part.outputs(memory).items()}  # type: ignore[arg-type]
    assert found == {kind: between.join(texts) for kind, texts in put.items()}

    taken = sorted(
        (one.start, one.end) for data in part.data.values() for one in data if isinstance(one, Stretch)
    )
    assert all(before[1] <= after[0] for before, after in pairwise(taken))
    assert all(0 <= start <= end <= size for start, end in taken)


@pytest.mark.parametrize("records", [1, 1000])
def test_one_kind_lies_in_one_stretch(records: int) -> None:
    """It is written to the file at once then."""
    room = Room(memoryview(bytearray(200_000)), b"\n")
    room.chunk = 500
    for number in range(records):
        room.place("all").records.append(b"x" * 80)
        if number % 7 == 0:
            room.flush()
    ((_, pieces, count),) = room.outputs()
    assert (pieces, count) == ([Stretch(0, 81 * records - 1)], records)


def test_kinds_that_alternate_share_the_room() -> None:
    """None is given up before most of it is in use."""
    room = Room(memoryview(bytearray(100_000)), b"\n")
    room.chunk = 4000
    used, full = 0, False
    while not full:
        for kind in "abc":
            written = room.place(kind)
            room.ready(written)
            full = written.limit - written.at < 100
            if full:
                break
            room.took(written, written.at + 100, 1)
            used += 100
    assert used > 80_000
