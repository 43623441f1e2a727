"""Epoch plans: exact quotas, the same everywhere, cheap to jump into, and upstream's distribution where it is random."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmdata
from mmdata.errors import UnknownName, UsageError
from mmdata.mixing.mixture import Member, Mixture
from mmdata.mixing.plan import Draw, EpochPlan

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=5)


def mixture(sizes: list[int], weights: list[float], **options: object) -> Mixture:
    names = [f"{i}.jsonl" for i in range(len(sizes))]
    known = dict(zip(names, sizes, strict=True))
    return Mixture(dict(zip(names, weights, strict=True)), records=known, **options)  # type: ignore[arg-type]


@given(SIZES, st.integers(0, 5), st.integers(0, 9))
def test_with_weight_one_every_record_comes_once_an_epoch(sizes: list[int], epoch: int, seed: int) -> None:
    plan = mixture(sizes, [1] * len(sizes)).plan(epoch, seed=seed)
    assert sorted(plan) == [Draw(s, r) for s, n in enumerate(sizes) for r in range(n)]


@given(SIZES, st.data())
def test_quotas_are_exact_and_records_even_over_epochs(sizes: list[int], data: st.DataObject) -> None:
    weights = [data.draw(st.sampled_from([0.25, 0.5, 1, 1.5, 2, 3])) for _ in sizes]
    sizes = [n * 4 for n in sizes]
    mix = mixture(sizes, weights)
    total: Counter[Draw] = Counter()
    for epoch in range(4):
        plan = mix.plan(epoch, seed=1)
        counts = Counter(d.source for d in plan)
        assert [counts[i] for i in range(len(sizes))] == [
            int(n * w) for n, w in zip(sizes, weights, strict=True)
        ]
        total.update(plan)
        for (source, _), times in Counter(plan).items():
            assert times <= int(weights[source]) + 2
    for source, (n, w) in enumerate(zip(sizes, weights, strict=True)):
        assert {total[Draw(source, r)] for r in range(n)} == {int(4 * w)}


PLANS = st.builds(
    lambda sizes, mode, batch, epoch, seed: Mixture.of(
        [
            Member(f"{i}", f"{i}", n, "passes", records=n, kind=("text", "image", "grounding")[i % 3])  # type: ignore[arg-type]
            for i, n in enumerate(sizes)
        ],
        mode=mode,
        batch_size=batch,
    ).plan(epoch, seed=seed),
    SIZES,
    st.sampled_from(["exact", "internvl", "xcomposer", "geopixel"]),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 3),
)


@given(PLANS, st.data())
@settings(max_examples=60, deadline=None)
def test_jumping_is_iterating(plan: EpochPlan, data: st.DataObject) -> None:
    draws = list(plan)
    assert len(draws) == len(plan)
    indices = st.integers(-len(plan) - 3, len(plan) + 3)
    part = slice(data.draw(indices), data.draw(indices), data.draw(st.sampled_from([1, 2, 7, -1, -3])))
    assert list(plan[part]) == draws[part]
    assert list(plan[part][::-2]) == draws[part][::-2]
    if draws:
        i = data.draw(st.integers(0, len(draws) - 1))
        assert plan[i] == draws[i] == plan[i - len(draws)]
    with pytest.raises(IndexError):
        plan[len(plan)]


@given(PLANS, st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_ranks_are_disjoint_and_complete(plan: EpochPlan, world: int) -> None:
    shards = [plan.shard(rank, world) for rank in range(world)]
    dealt = [list(shard) for shard in shards]
    assert list(plan) == [dealt[i % world][i // world] for i in range(len(plan))]
    assert sum(map(len, shards)) == len(plan)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    # Workers of a rank are shards of its shard.
    assert sorted(d for w in range(3) for d in shards[0].shard(w, 3)) == sorted(shards[0])


def _plan_elsewhere(mix: Mixture) -> list[Draw]:
    return list(mix.plan(2, seed=5)[::3])


def test_another_process_plans_the_same() -> None:
    mix = mixture([100, 37], [1, 0.5])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_plan_elsewhere, (mix,)) == _plan_elsewhere(mix)


def test_epochs_and_seeds_differ() -> None:
    mix = mixture([1000], [1])
    plans = [list(mix.plan(e, seed=s)) for e in range(2) for s in range(2)]
    assert len({tuple(p) for p in plans}) == 4


def test_a_hundred_million_records_take_no_memory() -> None:
    mix = mixture([60_000_000, 100_000_000, 5_000_000], [1, 0.25, 3])
    tracemalloc.start()
    plan = mix.plan(1, seed=2)
    drawn = [plan[0], plan[99_999_999], *plan[50_000_000:50_100_000:10_000]]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(plan) == 100_000_000
    assert len(set(drawn)) == len(drawn)
    assert peak < 20_000_000


def test_internvl_draws_the_prefix_and_the_repeats() -> None:
    members = [
        Member("a", "a", 0.5, "repeat_time", records=7),
        Member("b", "b", 3, "repeat_time", records=2),
    ]
    for epoch in range(2):
        plan = Mixture.of(members, mode="internvl").plan(epoch)
        assert Counter(plan) == Counter(
            {Draw(0, 0): 1, Draw(0, 1): 1, Draw(0, 2): 1, Draw(1, 0): 3, Draw(1, 1): 3}
        )


def test_internvl_resampling_counts_only_when_packed() -> None:
    members = [
        Member("a", "a", 1, "repeat_time", records=900),
        Member("b", "b", 1, "repeat_time", records=100),
    ]
    assert Mixture.of(members, mode="internvl", resampling=True).quotas() == [900, 100]
    packed = Mixture.of(members, mode="internvl", resampling=True, packed=True)
    assert packed.quotas() == [750, 250]
    assert packed.plan().counts().tolist() == [750, 250]


def upstream_epoch(sizes: dict[str, list[int]], batch: int, seed: int) -> list[tuple[str, int]]:
    """XComposer's loader, restated: (sort, file) of each record that is trained on in an epoch."""
    rng = random.Random(seed)
    total = sum(map(sum, sizes.values()))
    found, counter = [], 0
    for _ in range(total // batch):
        kind = "image" if counter < batch else "text"
        file = rng.choices(range(len(sizes[kind])), weights=sizes[kind])[0]
        found += [(kind, file)] * (batch if kind == "image" else 1)
        counter += 1
        if counter > batch * 2:
            counter = 0
    return found


def test_xcomposer_draws_as_often_and_as_likely_as_upstream() -> None:
    samples = {"image": [300, 100], "text": [200, 50]}
    members = [
        Member(f"{kind}{i}", f"{kind}{i}", n / 1000, "thousands", records=40, kind=kind)  # type: ignore[arg-type]
        for kind, counts in samples.items()
        for i, n in enumerate(counts)
    ]
    mix = Mixture.of(members, mode="xcomposer", batch_size=3)
    ours: Counter[tuple[str, int]] = Counter()
    theirs: Counter[tuple[str, int]] = Counter()
    for epoch in range(60):
        plan = mix.plan(epoch)
        kinds = [("image", "image", "text", "text")[d.source] for d in plan]
        reference = upstream_epoch(samples, 3, epoch)
        assert kinds == [kind for kind, _ in reference]
        ours.update((kind, d.source % 2) for kind, d in zip(kinds, plan, strict=True))
        theirs.update(reference)
    for place, times in theirs.items():
        assert ours[place] == pytest.approx(times, rel=0.12)


def test_records_of_a_file_are_drawn_with_replacement_from_its_samples() -> None:
    fewer = Mixture.of([Member("a", "a", 0.02, "thousands", records=100, kind="image")], mode="geopixel")
    seen = {d.record for epoch in range(60) for d in fewer.plan(epoch, seed=4)}
    assert len(seen) == 20  # the same twenty of a hundred in every epoch: upstream reads the files once
    assert seen != set(range(20))
    more = Mixture.of([Member("a", "a", 0.05, "thousands", records=10, kind="image")], mode="geopixel")
    counts = Counter(d.record for epoch in range(100) for d in more.plan(epoch))
    assert set(counts) == set(range(10))
    assert len(set(more.plan())) < len(more.plan())


def test_calls_of_a_batch_come_from_one_file() -> None:
    members = [Member(str(i), str(i), 0.1, "thousands", records=50, kind="image") for i in range(4)]
    plan = Mixture.of(members, mode="xcomposer", batch_size=5).plan()
    assert all(len({d.source for d in plan[i : i + 5]}) == 1 for i in range(0, len(plan), 5))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    turns = [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Yes"}]
    Path("text.json").write_text(json.dumps([{"id": i, "conversations": turns} for i in range(5)]))
    image = [{"id": i, "image": ["a.png"], "conversations": turns} for i in range(4)]
    Path("image.json").write_text(json.dumps(image))
    Path("data.txt").write_text("text.json 0.002\nimage.json 0.01\ntext.json 0.003\n")
    lines = [
        json.dumps({"id": i, "conversations": [turns[0], {"from": "gpt", "value": "Yes"}]}) for i in range(8)
    ]
    Path("a.jsonl").write_text("\n".join(lines) + "\n")
    entry = {"root": "", "annotation": "a.jsonl", "data_augment": False}
    Path("meta.json").write_text(
        json.dumps({"a": {**entry, "repeat_time": 0.5}, "b": {**entry, "repeat_time": 2}})
    )
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_from_data_txt() -> None:
    with mmdata.Mixture.from_file("data.txt", mode="xcomposer") as mix:
        assert mix.quotas() == [3, 10]
        assert [m.kind for m in mix.members] == ["text", "image"]
        plan = mix.plan()
        assert len(plan) == 13
        assert mix.record(plan[0]).image == ["a.png"]
        assert [mix.record(d).id for d in plan] == [r.id for r in mix.records(plan)]
        copy = pickle.loads(pickle.dumps(mix))
        assert list(copy.plan()) == list(plan)


@pytest.mark.usefixtures("folder")
def test_from_meta() -> None:
    with mmdata.Mixture.from_file("meta.json", mode="internvl") as mix:
        plan = mix.plan()
        assert Counter(d.source for d in plan) == {0: 4, 1: 16}
        assert {d.record for d in plan if d.source == 0} == {0, 1, 2, 3}
        assert json.loads(mix.raw(plan[0]))["id"] == plan[0].record


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "text, mode, part",
    [
        ("text.json 1\n\n", "exact", "line 2"),
        ("\ufefftext.json 1\n", "exact", "byte order mark"),
        ("gone.json 1\n", "exact", "no such file"),
        ("text.json 0.0001\n", "xcomposer", "0 samples"),
        ("text.json 1\n", "internvl", "convert"),
        ('{"a": {"annotation": "a.jsonl"}}', "exact", "lacks root"),
        (
            '{"a": {"root": "", "annotation": "a.jsonl", "data_augment": false, "repeat_time": 1.5}}',
            "exact",
            "1.5",
        ),
        (
            '{"a": {"root": "", "annotation": "a.jsonl", "data_augment": false, "repeat_time": 0.01}}',
            "internvl",
            "none",
        ),
        ("[]", "exact", "array"),
        ("", "exact", "empty"),
        ('{"a": ', "exact", "line 1"),
    ],
)
def test_bad_mixture_files_are_named(text: str, mode: str, part: str) -> None:
    Path("bad").write_text(text)
    with pytest.raises(UsageError, match=part):
        Mixture.from_file("bad", mode=mode).plan()  # type: ignore[arg-type]


def test_bad_arguments() -> None:
    with pytest.raises(UnknownName):
        mixture([1], [1], mode="exakt")
    for weight in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="positive"):
            mixture([1], [weight])
    with pytest.raises(UsageError):
        Mixture({})
    with pytest.raises(UsageError, match="rank 3 of 3"):
        mixture([5], [1]).plan().shard(3, 3)
    with pytest.raises(UsageError, match="0"):
        mixture([5], [1]).plan(-1)


def test_take_gives_arrays() -> None:
    sources, records = mixture([10, 5], [1, 1]).plan().take(np.arange(15))
    assert (sources.dtype, records.dtype) == (np.int32, np.int64)
    assert np.bincount(sources).tolist() == [10, 5]
