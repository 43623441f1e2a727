"""Curves of a log, and bytes of model states against the published formulas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import DataError, UsageError
from mmtrain.memory import model_states
from mmtrain.plot import curves, plot, read_log, smoothed
from mmtrain.zero import PRESETS

sizes = st.integers(1, 10**10)


def log(folder: Path, entries: list[object], tail: str = "") -> Path:
    (folder / "train_log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries) + tail)
    return folder


def test_a_line_cut_off_by_a_kill_is_left_out_and_others_are_told(tmp_path: Path) -> None:
    run = log(tmp_path, [{"step": 1, "loss": 2.0}], '{"step": 2, "lo')
    assert [entry["step"] for entry in read_log(run)] == [1]
    log(tmp_path, [{"loss": 2.0}, {"step": 2}])
    with pytest.raises(DataError, match="line 1"):
        read_log(run)


def test_a_step_written_twice_counts_once_and_nan_is_no_point() -> None:
    entries = [{"step": 1, "loss": 3.0}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}]
    assert curves(entries, ["loss", "gone"]) == {"loss": [(1, 2.0)]}


@given(st.floats(-1e6, 1e6), st.integers(1, 50), st.floats(0, 0.99))
def test_a_constant_curve_stays_when_smoothed(value: float, count: int, weight: float) -> None:
    assert smoothed([value] * count, weight) == pytest.approx([value] * count)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_curves_are_drawn(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = log(
        tmp_path,
        [{"step": k, "loss": 1 / k, "learning_rate": 1e-4} for k in range(1, 9)]
        + [{"step": 8, "eval_loss": 0.2}],
    )
    output = tmp_path / f"curves.{ending}"
    assert plot([run], output) == {"loss": 8, "eval_loss": 1, "learning_rate": 8}
    assert output.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    run = log(tmp_path, [{"step": 1, "loss": 1.0}])
    for bad in (
        lambda: plot([run], "x.gif"),
        lambda: plot([run], "x.png", keys=["nonsense"]),
        lambda: plot(["gone"], "x.png"),
    ):
        with pytest.raises(UsageError):
            bad()


@given(sizes, st.integers(1, 1024))
def test_one_rank_gains_nothing_by_sharding(weights: int, ranks: int) -> None:
    needs = [model_states(weights, weights, ranks=1, zero=PRESETS[f"zero{k}"]).gpu for k in range(4)]
    assert len(set(needs)) == 1
    many = [model_states(weights, weights, ranks=ranks, zero=PRESETS[f"zero{k}"]).gpu for k in range(3)]
    assert many == sorted(many, reverse=True)


def test_known_figures() -> None:
    # 8 billion weights in bf16, AdamW in fp32: 16 bytes each without ZeRO.
    p = 8 * 10**9
    assert model_states(p, p, ranks=8, zero={"stage": 0}).gpu == 16 * p
    assert model_states(p, p, ranks=8, zero={"stage": 1}).gpu == 4 * p + 12 * p // 8
    assert model_states(p, p, ranks=8, zero={"stage": 2}).gpu == 2 * p + 14 * p // 8
    sharded = {"stage": 3, "stage3_max_live_parameters": 0}
    assert model_states(p, p, ranks=8, zero=sharded).gpu == 16 * p // 8
    # Adapters: the optimizer counts trained weights alone.
    assert model_states(p, 10**7, ranks=1, zero={"stage": 0}).gpu == 2 * p + 14 * 10**7
    # fp32 has no master copy: 4 + 4 + 8.
    assert model_states(p, p, ranks=1, zero={"stage": 0}, dtype="fp32").gpu == 16 * p


@given(sizes, st.integers(1, 64), st.sampled_from(["zero1", "zero2", "zero3"]))
def test_offloading_moves_bytes_to_the_host_and_loses_none(weights: int, ranks: int, name: str) -> None:
    here = model_states(weights, weights, ranks=ranks, zero=PRESETS[name])
    away = model_states(weights, weights, ranks=ranks, zero=PRESETS[name + "_offload"])
    assert away.gpu + away.host == here.gpu
    assert away.host > 0
