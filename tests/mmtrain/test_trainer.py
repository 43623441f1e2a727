"""Training: the loss falls, ranks and ZeRO stages agree, a killed run goes on bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ZERO = {stage: {"zero_optimization": {"stage": stage}} for stage in (0, 1, 2, 3)}
LORA = {"language": {"tuning": "lora"}, "vision": {"tuning": "frozen"}}


def losses(result: dict[str, Any]) -> list[float]:
    assert "error" not in result, result
    return [entry["loss"] for entry in result["log"] if "loss" in entry]


def test_one_process(plain_settings: dict[str, Any], mixed: Path, tmp_path: Path, launch: Any) -> None:
    """Several runs in one process, because starting one is what takes the time."""
    start, finish = launch
    bad = tmp_path / "bad.jsonl"
    lines = (mixed / "mixed.jsonl").read_text().splitlines(keepends=True)
    broken = json.loads(lines[1])
    broken["image"] = "nowhere.png"
    bad.write_text("".join([lines[0], json.dumps(broken) + "\n", *lines[2:6]]))
    bad_source = [{"path": str(bad), "media_root": str(mixed)}]
    few = tmp_path / "few.jsonl"
    few.write_text("".join(lines[:2]))
    held_out = {"eval": [{"path": str(few), "media_root": str(mixed)}], "eval_steps": 2}

    def run(name: str, **more: Any) -> dict[str, Any]:
        return {**plain_settings, "output_dir": str(tmp_path / name), **more}

    epochs = {"max_steps": -1, "num_train_epochs": 2, "packing_window": 8}
    overfit = {"train": held_out["eval"], "max_steps": 160, "learning_rate": 1e-2, "logging_steps": 20}
    patience = {"early_stopping_patience": 2, "learning_rate": 0.0, "max_steps": 12, "keep_best": True}
    runs = [
        run("overfit", **overfit),
        run("stop", train=bad_source),
        run("quarantine", train=bad_source, on_bad_sample="quarantine", **epochs),
        run("epochs", **epochs),
        run("early", **held_out, **patience),
        run("workers", dataloader_num_workers=2, max_steps=3),
        run("no-workers", max_steps=3),
        run(
            "frozen",
            vision={"tuning": "frozen"},
            projector={"tuning": "frozen"},
            language={"tuning": "frozen"},
        ),
        run(
            "square",
            loss_reduction="square",
            packing=False,
            group_by_length=True,
            per_device_train_batch_size=3,
        ),
    ]
    found = dict(
        zip([Path(r["output_dir"]).name for r in runs], finish(start(runs, tmp_path), tmp_path), strict=True)
    )

    assert losses(found["overfit"])[0] > 2
    assert losses(found["overfit"])[-1] < 0.3

    assert found["stop"]["kind"] == "DataError"
    assert "record 1" in found["stop"]["error"]
    assert "nowhere.png" in found["stop"]["error"]
    assert "quarantine" in found["stop"]["error"]
    left_out = [json.loads(x) for x in (tmp_path / "quarantine/quarantine.jsonl").read_text().splitlines()]
    assert [(one["record"], one["source"]) for one in left_out] == [(1, str(bad))] * 2  # once an epoch
    assert found["quarantine"]["bad_samples"] == 2
    assert found["quarantine"]["total_samples"] == 2 * 5

    assert found["epochs"]["total_samples"] == 2 * 24
    assert [e["step"] for e in found["epochs"]["log"]] == list(range(1, found["epochs"]["step"] + 1))
    assert all(
        e.keys() >= {"step", "epoch", "loss", "learning_rate", "tokens"} for e in found["epochs"]["log"]
    )

    evaluations = [e["eval_loss"] for e in found["early"]["log"] if "eval_loss" in e]
    assert len(evaluations) == 3
    assert len(set(evaluations)) == 1
    assert found["early"]["step"] == 6
    assert "no better evaluation" in found["early"]["stopped"]
    assert (tmp_path / "early/checkpoint-2").exists()  # the best one

    assert losses(found["workers"]) == losses(found["no-workers"])
    assert "nothing to train" in found["frozen"]["error"]
    assert losses(found["square"])[-1] < losses(found["square"])[0]


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


def agree(plain: dict[str, Any], tmp_path: Path, launch: Any, stages: list[int], cases: Any) -> None:
    start, finish = launch
    one, two = tmp_path / "one", tmp_path / "two"
    alone = finish(start(matrix(plain, one, 4, [0], cases), one), one, 500)
    together = finish(start(matrix(plain, two, 2, stages, cases), two, ranks=2), two, 500)
    for number, result in enumerate(together):
        reference = alone[number % len(cases)]
        assert losses(result) == pytest.approx(losses(reference), rel=2e-5)
        assert result["order_hash"] == reference["order_hash"]
        assert losses(result)[-1] < losses(result)[0]


def test_two_ranks_equal_one_with_doubled_accumulation(
    plain_settings: dict[str, Any], tmp_path: Path, launch: Any
) -> None:
    """ZeRO 2 and 3; full and padded, LoRA and packed; text-only and picture batches side by side."""
    agree(plain_settings, tmp_path, launch, [2, 3], SHORT)


@pytest.mark.slow
def test_every_stage_agrees(plain_settings: dict[str, Any], tmp_path: Path, launch: Any) -> None:
    agree(plain_settings, tmp_path, launch, [0, 1, 2, 3], LONG)


COMPARED = ("step", "epoch", "loss", "learning_rate", "tokens", "samples", "order_hash", "grad_norm")


def kill_and_resume(settings: dict[str, Any], tmp_path: Path, launch: Any, ranks: int, after: int) -> None:
    start, finish = launch
    whole, cut = ({**settings, "output_dir": str(tmp_path / name)} for name in ("whole", "cut"))
    killed = start([{**cut, "kill_after": after}], tmp_path / "killed", ranks)
    killed.communicate(timeout=500)
    assert killed.returncode != 0
    assert not list(tmp_path.glob("killed/out.json"))
    expected, resumed = finish(start([whole, cut], tmp_path / "resumed", ranks), tmp_path / "resumed", 500)
    assert resumed["first_step"] < after, "nothing was resumed"
    assert resumed["first_step"] > 0
    assert resumed["order_hash"] == expected["order_hash"]
    for a, b in zip(resumed["log"], expected["log"], strict=True):
        assert {k: a[k] for k in COMPARED if k in a} == {k: b[k] for k in COMPARED if k in b}
    left = sorted(p.name for p in (tmp_path / "cut").glob("checkpoint-*"))
    assert left == sorted(p.name for p in (tmp_path / "whole").glob("checkpoint-*"))
    assert len(left) == 2


def test_a_killed_run_goes_on_bit_for_bit(
    plain_settings: dict[str, Any], tmp_path: Path, launch: Any
) -> None:
    """With dropout in the adapters, so that random state counts, and packing, so that its buffer does."""
    more = {"save_steps": 3, "max_steps": 11, "packing_window": 8, **LORA}
    kill_and_resume({**plain_settings, **more}, tmp_path, launch, 1, after=8)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2, 3])
@pytest.mark.parametrize("parts", [{}, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_killed_ranks_go_on_bit_for_bit(
    plain_settings: dict[str, Any], tmp_path: Path, launch: Any, stage: int, parts: dict[str, Any], dtype: str
) -> None:
    more = {
        "save_steps": 3,
        "max_steps": 11,
        "packing_window": 8,
        "max_length": 200,
        "deepspeed": ZERO[stage],
    }
    more |= {"dtype": dtype, "dataloader_num_workers": 1, **parts}
    kill_and_resume({**plain_settings, **more}, tmp_path, launch, 2, after=8)
