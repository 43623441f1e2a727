"""Mixture files of a config: what each mode makes of their numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mmdata.errors import UsageError
from mmtrain.config import Config, parse_config
from mmtrain.data.mixing import mixture


def config(train: Any, **more: Any) -> Config:
    return parse_config({"model_name_or_path": "m", "output_dir": "o", "data": {"train": train}, **more}, "x")


def drawn(made: Config, epoch: int = 0) -> list[Counter[int]]:
    """How often an epoch takes each record of each source."""
    settings = made.settings()
    found: list[Counter[int]] = [Counter() for _ in settings.train]
    plan = mixture(settings.train, mode=settings.mixture).plan(epoch, seed=7)
    for source, record in plan:
        found[source][record] += 1
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """a.jsonl of 8 InternVL records, b.jsonl of 3; a.json of 8 XComposer records."""
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    for name, count in (("a", 8), ("b", 3)):
        lines = [json.dumps({"id": k, "conversations": turns}) + "\n" for k in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    turns = [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]
    (tmp_path / "a.json").write_text(json.dumps([{"id": str(k), "conversations": turns} for k in range(8)]))
    return tmp_path


def meta(files: Path, **repeats: Any) -> str:
    """A meta file with these ``repeat_time``."""
    entries = {
        name: {
            "root": "pics", "annotation": f"{files}/{name}.jsonl", "data_augment": False,
            "repeat_time": number, "length": 1, "max_dynamic_patch": 3,
        }
        for name, number in repeats.items()
    }  # fmt: skip
    path = files / "meta.json"
    path.write_text(json.dumps(entries))
    return str(path)


def test_internvl_takes_the_first_lines_or_repeats_the_file(files: Path) -> None:
    made = config(meta(files, a=0.4, b=2), mixture="internvl")
    whole = [dict.fromkeys(range(3), 1), dict.fromkeys(range(3), 2)]  # int(8 * 0.4) = 3
    assert drawn(made) == drawn(made, 5) == whole
    first = made.settings().train[0]
    assert (first.path, first.media_root, first.max_tiles) == (f"{files}/a.jsonl", "pics", 3)


def test_exact_takes_the_same_share_but_all_records_in_turn(files: Path) -> None:
    made = config(meta(files, a=0.25, b=2))
    assert made.mixture == "exact"
    epochs = [drawn(made, epoch) for epoch in range(4)]
    assert all(epoch[1] == dict.fromkeys(range(3), 2) for epoch in epochs)
    assert [epoch[0].total() for epoch in epochs] == [2] * 4
    assert sum((epoch[0] for epoch in epochs), Counter()) == dict.fromkeys(range(8), 1)


def test_a_weight_is_passes_over_a_file(files: Path) -> None:
    train = [{"path": f"{files}/a.jsonl", "weight": 0.5}, {"path": f"{files}/b.jsonl", "weight": 3}]
    first, second = drawn(config(train))
    assert (first.total(), set(first.values())) == (4, {1})
    assert second == dict.fromkeys(range(3), 3)


def test_data_txt_numbers_are_thousands_or_ratios(files: Path) -> None:
    path = files / "data.txt"
    path.write_text(f"{files}/a.json 0.004\n{files}/a.json 0.012\n")  # the last line of a path counts
    (found,) = drawn(config(str(path)))
    assert (found.total(), len(found)) == (12, 8)
    path.write_text(f"{files}/a.json 0.5\n")
    assert drawn(config(str(path), given_num=False))[0].total() == 4


@pytest.mark.parametrize("mode", ["geopixel", "xcomposer"])
def test_upstream_loaders_draw_as_many_with_replacement(files: Path, mode: str) -> None:
    path = files / "data.txt"
    path.write_text(f"{files}/a.json 0.4\n")
    made = config(str(path), mixture=mode)
    (found,) = drawn(made)
    assert found.total() == 400
    assert set(found) == set(range(8))
    assert len(set(found.values())) > 1, "every record equally often is no draw with replacement"


@pytest.mark.parametrize(
    ("train", "more", "told"),
    [
        ("meta", {"mixture": "geopixel"}, "mode geopixel reads a data-txt file"),
        ("meta-1.5", {}, "repeat_time 1.5 is above one and no integer"),
        ("weighed", {}, "its own numbers say how much"),
        ("tiny", {}, "gives no sample of 3 records"),
        ("gone", {}, "no such file"),
    ],
)
def test_what_cannot_be_drawn_is_told(train: str, more: dict[str, Any], told: str, files: Path) -> None:
    given: dict[str, Any] = {
        "meta": meta(files, a=1),
        "weighed": {"path": meta(files, a=1), "weight": 2},
        "tiny": {"path": f"{files}/b.jsonl", "weight": 0.01},
        "gone": "nowhere.jsonl",
    }
    chosen = given[train] if train in given else meta(files, a=1.5)
    made = config(chosen, **more)
    with pytest.raises(UsageError, match=told) as caught:
        drawn(made)
    assert "\n" not in str(caught.value)
