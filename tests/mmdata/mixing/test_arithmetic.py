"""Upstream's arithmetic against plain restatements of what its scripts do with lists."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import DataError
from mmdata.mixing import data_txt, internvl


def geopixel_reads(text: str, records: list[int], given_num: bool) -> list[int]:
    """What the training script does with a line and the file it names."""
    parts = text.strip().split(" ")
    if given_num:
        assert len(parts) == 2
        n = int(float(parts[1]) * 1000)
        if len(records) > n:
            return random.sample(records, n)
        return records + random.choices(records, k=n - len(records))
    if len(parts) == 2:
        return random.choices(records, k=int(len(records) * float(parts[1])))
    return records


NUMBERS = st.one_of(
    st.integers(1, 20_000).map(lambda n: f"{n / 1000}"),
    st.floats(0.001, 50).map(repr),
    st.sampled_from(["1.001", "2.01", "0.001", "1e0", "5", "4.35"]),
)


@given(NUMBERS, st.integers(1, 300), st.booleans())
def test_samples_of_a_line(number: str, size: int, given_num: bool) -> None:
    line = data_txt.read_line(f" a.json {number}\n", given_num=given_num)
    expected = len(geopixel_reads(f" a.json {number}\n", list(range(size)), given_num))
    if expected == 0:
        with pytest.raises(DataError):
            data_txt.samples(line.number, size, given_num=given_num)
    else:
        assert data_txt.samples(line.number, size, given_num=given_num) == expected


def test_the_known_losses() -> None:
    assert data_txt.samples("1.001", 5) == 1000
    assert data_txt.samples("2.01", 5) == 2009
    assert data_txt.meant("2.01", 5) == 2010


@given(st.integers(1, 10**7))
def test_a_written_number_gives_its_count_again(count: int) -> None:
    text = data_txt.number_for(count)
    assert int(float(text) * 1000) == count
    assert data_txt.read_line(f"a.json {text}").number == text


@pytest.mark.parametrize(
    "text", ["", "a.json", "a.json  1", "a.json\t1", "my file.json 1", "a.json x", "a.json 1 2"]
)
def test_lines_that_crash_with_given_num(text: str) -> None:
    with pytest.raises(DataError):
        data_txt.read_line(text)


@pytest.mark.parametrize("text", ["a.json", "a.json  1", "a.json 1 2"])
def test_as_ratios_such_lines_use_the_whole_file(text: str) -> None:
    line = data_txt.read_line(text, given_num=False)
    assert (line.path, data_txt.samples(line.number, 17, given_num=False)) == ("a.json", 17)


@pytest.mark.parametrize("number", ["0", "-1", "nan", "inf", "0.0009"])
def test_numbers_that_crash(number: str) -> None:
    with pytest.raises(DataError):
        data_txt.samples(number, 10)


def test_of_a_repeated_path_the_last_number_wins_at_the_first_place() -> None:
    lines = [data_txt.read_line(t) for t in ("a 1", "b 2", "a 3")]
    assert [(line.path, line.number) for line in data_txt.last_wins(lines).values()] == [
        ("a", "3"),
        ("b", "2"),
    ]


def xcomposer_calls(kinds: set[str], batch: int, calls: int) -> list[str]:
    """The sort of each call, by the loader's counter."""
    found, counter = [], 0
    for _ in range(calls):
        if kinds == {"text"}:
            found.append("text")
        elif kinds == {"image"}:
            found.append("image")
        else:
            found.append("image" if counter < batch else "text")
            counter += 1
            if counter > batch * 2:
                counter = 0
    return found


@given(st.sampled_from([{"text"}, {"image"}, {"text", "image"}]), st.integers(1, 6))
def test_the_cycle_of_xcomposer(kinds: set[str], batch: int) -> None:
    cycle = data_txt.cycle(list(kinds), "xcomposer", batch)  # type: ignore[arg-type]
    turn = [kind for kind, n in cycle.items() for _ in range(n)]
    expected = xcomposer_calls(kinds, batch, 40)
    assert (turn * 40)[:40] == expected


def test_the_cycle_of_geopixel() -> None:
    assert data_txt.cycle(["text", "grounding", "image"], "geopixel", 4) == {
        "grounding": 4,
        "image": 4,
        "text": 4,
    }


def internvl_reads(lines: list[int], repeat_time: float) -> list[int]:
    if repeat_time < 1:
        lines = lines[: int(len(lines) * repeat_time)]
    if repeat_time > 1:
        assert isinstance(repeat_time, int)
        lines = lines * repeat_time
    return lines


@given(st.integers(1, 500), st.one_of(st.integers(1, 9), st.floats(-1.5, 3, allow_nan=False)))
def test_lines_of_a_data_set(size: int, repeat_time: float) -> None:
    try:
        expected = internvl_reads(list(range(size)), repeat_time)
    except AssertionError:
        expected = []
    if expected:
        assert internvl.length(size, repeat_time) == len(expected)
        kept = internvl.lines_kept(size, repeat_time)
        assert expected == list(range(kept)) * internvl.repeats(repeat_time)
    else:
        with pytest.raises(DataError):
            internvl.length(size, repeat_time)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_weights(lengths: list[int], resampling: bool, packed: bool) -> None:
    found = internvl.weights(lengths, resampling=resampling, packed=packed)
    roots = [math.sqrt(n) if resampling and packed else n for n in lengths]
    assert found == pytest.approx([r / sum(roots) for r in roots])
    assert sum(found) == pytest.approx(1)
