"""Training: the loss falls, ranks and ZeRO stages agree, a killed run goes on bit for bit."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .broken import write_broken
from .conftest import finish, settings_of, start

ZERO = {stage: {"zero_optimization": {"stage": stage}} for stage in (0, 1, 2, 3)}
LORA = {"language": {"tuning": "lora"}, "vision": {"tuning": "frozen"}}


def losses(result: dict[str, Any]) -> list[float]:
    assert "error" not in result, result
    return [entry["loss"] for entry in result["log"] if "loss" in entry]


SHORT = (("full", {}, False), ("lora", LORA, True))
LONG = (("full", {}, False), ("full", {}, True), ("lora", LORA, False), ("lora", LORA, True))


def matrix(
    plain: dict[str, Any], folder: Path, accumulation: int, stages: list[int], cases: Any
) -> list[dict[str, Any]]:
    runs = []
    for stage in stages:
        for name, parts, packing in cases:
            more = {"packing": packing, "gradient_accumulation_steps": accumulation, "deepspeed": ZERO[stage]}
            more |= {"max_length": 640} if packing else {"per_device_train_batch_size": 2}
            more |= {"lora": {"dropout": 0.0, "r": 4}, "max_steps": 3, "loss_reduction": "sample"}
            runs.append({**plain, **parts, **more, "output_dir": str(folder / f"{stage}-{name}-{packing}")})
    return runs


@pytest.fixture(scope="module")
def base(tiny: Path, mixed: Path) -> dict[str, Any]:
    """Settings of the everyday runs, all but where they go."""
    return settings_of(tiny, mixed)


@pytest.fixture(scope="module")
def lines(mixed: Path) -> list[str]:
    return (mixed / "mixed.jsonl").read_text().splitlines(keepends=True)


@pytest.fixture(scope="module")
def broken(
    mixed: Path, lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[int, str]]:
    """A file with all sorts of bad records, and which they are."""
    folder = tmp_path_factory.mktemp("broken")
    for picture in mixed.glob("*.png"):
        (folder / picture.name).symlink_to(picture)
    return folder / "broken.jsonl", write_broken(folder, lines[:6])


EPOCHS = {"max_steps": -1, "num_train_epochs": 2, "packing_window": 8}
CUT = {"save_steps": 3, "max_steps": 11, "packing_window": 8, **LORA}
"""With dropout in the adapters, so that random state counts, and packing, so that its buffer does."""


@pytest.fixture(scope="module")
def found(
    base: dict[str, Any],
    lines: list[str],
    mixed: Path,
    broken: tuple[Path, dict[int, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Results by name of many runs in one process, because starting one is what takes the time; ``folder`` holds them."""
    folder = tmp_path_factory.mktemp("runs")
    few = folder / "few.jsonl"
    few.write_text("".join(lines[:2]))
    held_out = {"eval": [{"path": str(few), "media_root": str(mixed)}], "eval_steps": 2}
    bad = {"train": [{"path": str(broken[0]), "media_root": str(broken[0].parent)}]}
    other = folder / "other.jsonl"
    other.write_text("".join(lines[:-1]))
    dtypes = {
        f"{dtype}-{stage}": {"dtype": dtype, "deepspeed": ZERO[stage], "max_steps": 3}
        for dtype in ("fp32", "bf16")
        for stage in (0, 1)
    }
    patience = {"early_stopping_patience": 2, "learning_rate": 0.0, "max_steps": 12, "keep_best": True}
    changed: dict[str, dict[str, Any]] = {
        "seed": {"seed": 43},
        "mixture": {"mixture": "internvl"},
        "files": {"train": [{"path": str(other), "media_root": str(mixed)}]},
    }
    runs: dict[str, dict[str, Any]] = {
        "overfit": {"train": held_out["eval"], "max_steps": 90, "learning_rate": 1e-2, "logging_steps": 15},
        "stop": bad,
        "quarantine": {**bad, **EPOCHS, "on_bad_sample": "quarantine"},
        "epochs": EPOCHS,
        "quarter": {**EPOCHS, "num_train_epochs": 4, "train": [{**base["train"][0], "number": 0.25}]},
        "early": {**held_out, **patience},
        "workers": {"dataloader_num_workers": 1, "max_steps": 3},
        "no-workers": {"max_steps": 3},
        "frozen": {part: {"tuning": "frozen"} for part in ("vision", "projector", "language")},
        "square": {
            "loss_reduction": "square",
            "packing": False,
            "group_by_length": True,
            "per_device_train_batch_size": 3,
        },
        **dtypes,
        "whole": CUT,
        **{f"alone-{number}": one for number, one in enumerate(matrix(base, folder, 4, [0], SHORT))},
        "cut": CUT,
    }
    started = [{**base, "output_dir": str(folder / name), **more} for name, more in runs.items()]
    again = [{**base, "output_dir": str(folder / "cut"), **CUT, **more} for more in changed.values()]
    killed = start([{**started[-1], "kill_after": 8}], folder / "killed")
    killed.communicate(timeout=240)
    assert killed.returncode != 0
    assert not (folder / "killed" / "out.json").exists()
    results = finish(start([*started, *again], folder / "main"), folder / "main", 500)
    names = [*runs, *(f"changed-{name}" for name in changed)]
    return {**dict(zip(names, results, strict=True)), "folder": {"path": folder}}


def test_the_loss_falls(found: dict[str, Any]) -> None:
    assert losses(found["overfit"])[0] > 2
    assert losses(found["overfit"])[-1] < 0.3
    assert losses(found["square"])[-1] < losses(found["square"])[0]


def test_a_bad_sample_stops_the_run(found: dict[str, Any], broken: tuple[Path, dict[int, str]]) -> None:
    assert found["stop"]["kind"] == "DataError"
    record = int(re.findall(r"record (\d+)", found["stop"]["error"])[0])
    assert broken[1][record] in found["stop"]["error"]
    assert "quarantine" in found["stop"]["error"]


def test_bad_samples_are_left_out_counted_and_listed(
    found: dict[str, Any], broken: tuple[Path, dict[int, str]]
) -> None:
    path, expected = broken
    listed = found["folder"]["path"] / "quarantine" / "quarantine.jsonl"
    left_out = [json.loads(line) for line in listed.read_text().splitlines()]
    # Each once an epoch, none of the good ones, and no other in its place.
    assert Counter(one["record"] for one in left_out) == dict.fromkeys(expected, 2)
    assert {one["source"] for one in left_out} == {str(path)}
    for one in left_out:
        assert expected[one["record"]] in one["reason"]
    result = found["quarantine"]
    assert (result["bad_samples"], result["bad_records"]) == (2 * len(expected), len(expected))
    assert result["quarantine"] == str(listed)
    assert result["total_samples"] == 2 * len(expected)  # as many good ones lie between them


def test_epochs_take_every_record_and_are_logged(found: dict[str, Any]) -> None:
    assert found["epochs"]["total_samples"] == 2 * 24
    log = found["epochs"]["log"]
    assert log
    assert [e["step"] for e in log] == list(range(1, found["epochs"]["step"] + 1))
    assert all(e.keys() >= {"step", "epoch", "loss", "learning_rate", "tokens"} for e in log)


def test_a_quarter_of_a_file_is_the_whole_in_four_epochs(found: dict[str, Any]) -> None:
    assert found["quarter"]["total_samples"] == 24
    assert found["quarter"]["total_tokens"] * 2 == found["epochs"]["total_tokens"]


def test_early_stop_keeps_the_best(found: dict[str, Any]) -> None:
    evaluations = [e["eval_loss"] for e in found["early"]["log"] if "eval_loss" in e]
    assert len(evaluations) == 3
    assert len(set(evaluations)) == 1
    assert found["early"]["step"] == 6
    assert "no better evaluation" in found["early"]["stopped"]
    kept = sorted(p.name for p in (found["folder"]["path"] / "early").glob("checkpoint-*"))
    assert kept == ["checkpoint-2", "checkpoint-6"]  # the best one, and the last


def test_workers_change_nothing(found: dict[str, Any]) -> None:
    assert losses(found["workers"]) == losses(found["no-workers"])
    assert found["workers"]["order_hash"] == found["no-workers"]["order_hash"]


def test_nothing_to_train_is_told(found: dict[str, Any]) -> None:
    assert "nothing to train" in found["frozen"]["error"]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_stage_0_steps_as_stage_1_and_tells_the_gradient_norm(found: dict[str, Any], dtype: str) -> None:
    zero, one = found[f"{dtype}-0"], found[f"{dtype}-1"]
    assert losses(zero) == pytest.approx(losses(one), rel=1e-4)
    norms = [entry["grad_norm"] for entry in zero["log"]]
    assert norms == pytest.approx([entry["grad_norm"] for entry in one["log"]], rel=1e-3)
    assert min(norms) > 0.1


def test_a_killed_run_goes_on_bit_for_bit(found: dict[str, Any]) -> None:
    continued(found["cut"], found["whole"], found["folder"]["path"], after=8)


@pytest.mark.parametrize(
    ("what", "told"),
    [("seed", "seed was 42, now 43"), ("mixture", "now internvl"), ("files", "records was 24, now 23")],
)
def test_other_data_are_no_continuation(found: dict[str, Any], what: str, told: str) -> None:
    result = found[f"changed-{what}"]
    assert result["kind"] == "UsageError"
    assert told in result["error"]


def agree(together: list[dict[str, Any]], alone: list[dict[str, Any]]) -> None:
    for number, result in enumerate(together):
        reference = alone[number % len(alone)]
        assert losses(result) == pytest.approx(losses(reference), rel=2e-5)
        assert result["order_hash"] == reference["order_hash"]
        assert losses(result)[-1] < losses(result)[0]


def test_two_ranks_equal_one_with_doubled_accumulation(
    base: dict[str, Any], found: dict[str, Any], tmp_path: Path
) -> None:
    """ZeRO 2 full and padded, ZeRO 3 LoRA and packed; text-only and picture batches side by side."""
    runs = [*matrix(base, tmp_path, 2, [2], SHORT[:1]), *matrix(base, tmp_path, 2, [3], SHORT[1:])]
    together = finish(start(runs, tmp_path, ranks=2), tmp_path, 500)
    agree(together, [found["alone-0"], found["alone-1"]])
    # Each rank has measured every other sample for the rows that both share.
    assert found["alone-1"]["measured"] > 0
    assert together[1]["measured"] * 2 == found["alone-1"]["measured"]


@pytest.mark.slow
def test_every_stage_agrees(base: dict[str, Any], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone = finish(start(matrix(base, one, 4, [0], LONG), one), one, 900)
    agree(finish(start(matrix(base, two, 2, [0, 1, 2, 3], LONG), two, ranks=2), two, 900), alone)


@pytest.mark.slow
def test_any_number_of_workers_makes_the_same_batches(base: dict[str, Any], tmp_path: Path) -> None:
    runs = [
        {**base, "output_dir": str(tmp_path / str(n)), "dataloader_num_workers": n, "max_steps": 5}
        for n in (0, 1, 2, 3)
    ]
    first, *others = finish(start(runs, tmp_path), tmp_path, 900)
    for other in others:
        assert losses(other) == losses(first)
        assert other["order_hash"] == first["order_hash"]


@pytest.mark.slow
def test_the_number_of_ranks_may_change_with_stage_0_alone(base: dict[str, Any], tmp_path: Path) -> None:
    """Two ranks go on with what one began: as one rank with as many rows a step would have."""
    begun = {"max_steps": 2, "gradient_accumulation_steps": 4, "resume": "auto", "packing_window": 8}
    ends = {**begun, "max_steps": 5}
    names = {"whole": ends, "zero0": begun, "zero1": {**begun, "deepspeed": ZERO[1]}}
    runs = [{**base, **more, "output_dir": str(tmp_path / name)} for name, more in names.items()]
    whole, *_ = finish(start(runs, tmp_path), tmp_path, 900)
    halved = {"gradient_accumulation_steps": 2}
    again = [
        {**base, **ends, **halved, "output_dir": str(tmp_path / "zero0")},
        {**base, **ends, **halved, "output_dir": str(tmp_path / "zero1"), "deepspeed": ZERO[1]},
    ]
    goes_on, refused = finish(start(again, tmp_path / "two", ranks=2), tmp_path / "two", 900)
    assert goes_on["first_step"] == 2
    assert goes_on["order_hash"] == whole["order_hash"]
    assert "written by 1 ranks, now 2" in refused["error"]


COMPARED = ("step", "epoch", "loss", "learning_rate", "tokens", "samples", "order_hash", "grad_norm")


def continued(resumed: dict[str, Any], expected: dict[str, Any], folder: Path, after: int) -> None:
    assert "error" not in resumed, resumed
    assert 0 < resumed["first_step"] < after, "nothing was resumed"
    assert resumed["order_hash"] == expected["order_hash"]
    for a, b in zip(resumed["log"], expected["log"], strict=True):
        assert {k: a[k] for k in COMPARED if k in a} == {k: b[k] for k in COMPARED if k in b}
    left = sorted(p.name for p in (folder / "cut").glob("checkpoint-*"))
    assert left == sorted(p.name for p in (folder / "whole").glob("checkpoint-*"))
    assert len(left) == 2


def kill_and_resume(settings: dict[str, Any], folder: Path, ranks: int, after: int) -> None:
    whole, cut = ({**settings, "output_dir": str(folder / name)} for name in ("whole", "cut"))
    killed = start([{**cut, "kill_after": after}], folder / "killed", ranks)
    killed.communicate(timeout=900)
    assert killed.returncode != 0
    assert not (folder / "killed" / "out.json").exists()
    expected, resumed = finish(start([whole, cut], folder / "resumed", ranks), folder / "resumed", 900)
    continued(resumed, expected, folder, after)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2, 3])
@pytest.mark.parametrize("parts", [{}, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_killed_ranks_go_on_bit_for_bit(
    base: dict[str, Any], tmp_path: Path, stage: int, parts: dict[str, Any], dtype: str
) -> None:
    more = {"save_steps": 3, "max_steps": 11, "packing_window": 8, "deepspeed": ZERO[stage]}
    more |= {"dtype": dtype, "dataloader_num_workers": 1, **parts}
    kill_and_resume({**base, **more}, tmp_path, 2, after=8)
