"""sample and split: exactly as many as asked for, deterministic, bytes kept, nothing on both sides."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.dataset_ops.select import part_of, sample, split
from mmdata.errors import UsageError

from .conftest import lines, raw_records, record

HALVES = {"train": Decimal("0.8"), "val": Decimal("0.2")}


def test_sample_is_exact_ordered_and_keeps_bytes(data: Path) -> None:
    out = data.with_name("out" + data.suffix)
    ledger = sample(str(data), str(out), count=30, seed=1)
    before, after = data.read_bytes(), raw_records(out)
    assert len(after) == 30
    places = [before.index(r) for r in after]
    assert places == sorted(places)
    assert (ledger.read.total(), ledger.written.total(), ledger.dropped) == (
        101,
        30,
        {"broken": 1, "not-sampled": 70},
    )
    assert ledger.exit_code == 1
    again = data.with_name("again" + data.suffix)
    sample(str(data), str(again), count=30, seed=1)
    assert again.read_bytes() == out.read_bytes()
    sample(str(data), str(again), count=30, seed=2, force=True)
    assert again.read_bytes() != out.read_bytes()


def test_a_larger_sample_contains_the_smaller(data: Path) -> None:
    small, large = (data.with_name(f"{n}.jsonl") for n in (10, 50))
    sample(str(data), str(small), count=10)
    sample(str(data), str(large), ratio=Decimal("0.5"))
    assert set(raw_records(small)) < set(raw_records(large))
    assert len(raw_records(large)) == 50


def test_too_many_are_refused_and_nothing_is_written(data: Path) -> None:
    out = data.with_name("out.jsonl")
    with pytest.raises(UsageError, match="101 records are asked for, 100 are there"):
        sample(str(data), str(out), count=101)
    assert sorted(p.name for p in data.parent.iterdir()) == [data.name]


@pytest.mark.parametrize(
    "options", [{}, {"count": 1, "ratio": Decimal(1)}, {"count": -1}, {"ratio": Decimal(2)}]
)
def test_bad_sizes(data: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        sample(str(data), "out.jsonl", **options)  # type: ignore[arg-type]


def test_an_output_is_neither_replaced_nor_an_input(data: Path) -> None:
    before = data.read_bytes()
    with pytest.raises(UsageError, match="is an input"):
        sample(str(data), str(data), count=1, force=True)
    data.with_name("out").write_bytes(b"mine")
    with pytest.raises(UsageError, match="--force"):
        sample(str(data), str(data.with_name("out")), count=1)
    assert (data.read_bytes(), data.with_name("out").read_bytes()) == (before, b"mine")


@pytest.mark.parametrize("by", ["record", "id", "media"])
def test_every_record_goes_to_exactly_one_side(data: Path, by: str) -> None:
    outs = [data.with_name(f"{name}.jsonl") for name in HALVES]
    ledger = split(str(data), HALVES, [str(o) for o in outs], by=by, seed=3)
    written = [r for o in outs for r in raw_records(o)]
    before = data.read_bytes()
    assert len(written) == 100
    assert all(r in before for r in written)
    assert sorted(json.loads(r)["id"] for r in written) == list(range(100))
    assert ledger.balanced
    if by == "record":
        assert ledger.extra["parts"] == {"train": 80, "val": 20}


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=0, max_size=3), min_size=1, max_size=30),
    st.integers(0, 100),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_picture_is_on_both_sides(tmp_path: Path, pictures: list[list[int]], seed: int) -> None:
    path, outs = tmp_path / "in.jsonl", [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    path.write_bytes(
        lines(
            [
                record(i, image=[f"./{p}.png" if i % 2 else f"{p}.png" for p in names])
                for i, names in enumerate(pictures)
            ]
        )
    )
    shares = {"a": Decimal("0.5"), "b": Decimal("0.5")}
    split(str(path), shares, [str(o) for o in outs], by="media", seed=seed, force=True)
    sides = [{Path(p).name for r in raw_records(o) for p in json.loads(r)["image"]} for o in outs]
    assert not sides[0] & sides[1]
    assert sum(len(raw_records(o)) for o in outs) == len(pictures)


def test_by_id_the_side_of_an_id_does_not_depend_on_the_file(data: Path) -> None:
    outs = [data.with_name(f"{name}.jsonl") for name in HALVES]
    split(str(data), HALVES, [str(o) for o in outs], by="id", seed=3)
    side = {json.loads(r)["id"]: i for i, o in enumerate(outs) for r in raw_records(o)}
    other = data.with_name("other.jsonl")
    other.write_bytes(lines([record(i) for i in reversed(range(40))]))
    split(str(other), HALVES, [str(o) for o in outs], by="id", seed=3, force=True)
    assert {
        json.loads(r)["id"]: i for i, o in enumerate(outs) for r in raw_records(o)
    }.items() <= side.items()


def test_strata_have_exact_shares(data: Path) -> None:
    outs = [data.with_name(f"{name}.jsonl") for name in HALVES]
    split(str(data), HALVES, [str(o) for o in outs], stratify="source")
    counts = [Counter(json.loads(r)["source"] for r in raw_records(o)) for o in outs]
    for value, n in Counter("xyz"[i % 3] for i in range(100)).items():
        assert counts[0][value] == part_of(Decimal("0.8"), n)
    assert counts[0].total() + counts[1].total() == 100


@pytest.mark.parametrize(
    "parts, options",
    [
        ({"a": "0.5", "b": "0.6"}, {}),
        ({"a": "1"}, {}),
        ({"a": "1.5", "b": "-0.5"}, {}),
        ({"a": "0.5", "b": "0.5"}, {"by": "luck"}),
        ({"a": "0.5", "b": "0.5"}, {"by": "id", "stratify": "source"}),
        ({"a": "0.5", "b": "0.5"}, {"stratify": "no such field"}),
    ],
)
def test_bad_splits(data: Path, parts: dict[str, str], options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        split(str(data), {k: Decimal(v) for k, v in parts.items()}, [f"{k}.jsonl" for k in parts], **options)  # type: ignore[arg-type]
    assert [p.name for p in data.parent.iterdir()] == [data.name]
