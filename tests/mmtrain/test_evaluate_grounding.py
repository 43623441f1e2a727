"""Batches and ranks: the same answers, masks and scores as one record after the other; what cannot be used is named once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from recipe_runs import RUN, built  # noqa: E402

from mmtrain.tiny import make_tiny  # noqa: E402
from mmtrain.tiny_sam2 import make_tiny_sam2  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records with masks, every second with two; the third cannot be decoded, the fifth has a mask of another size."""
    folder = tmp_path_factory.mktemp("scenes")
    records = json.loads(scenes.make(folder, 6)["rle"].read_text())
    del records[2]["conversations"][1]["value"]
    records[4]["segmentation"] = records[3]["segmentation"]
    records[4]["conversations"] = records[3]["conversations"]
    return scenes.write(folder, "mixed.json", records)


def exported(family: str, folder: Path) -> Path:
    """An untrained model as `mmtrain export` writes one."""
    from mmtrain.export import describe
    from mmtrain.recipes import grounding
    from mmtrain.settings import from_plain

    made = make_tiny(family, folder / family).directory
    make_tiny_sam2(folder / "sam2", side=64)
    settings = {
        **RUN,
        "recipe": "grounding",
        "model": str(made),
        "output_dir": str(folder / "run"),
        "train": [],
        "section": {"decoder_name_or_path": str(folder / "sam2")},
    }
    if family == "internvl":
        settings["max_tiles"] = 2
    network, encoder = built(settings)
    shutil.copytree(made, folder / "model")
    grounding.save(network, folder / "model")
    describe(from_plain(settings), encoder.template.name, folder / "model")
    return folder / "model"


@pytest.fixture(scope="module", params=["internvl", "qwen2_5_vl", "llava_onevision"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An untrained model that likes to say [SEG]."""
    import mmtrain

    loaded = mmtrain.load(exported(request.param, tmp_path_factory.mktemp("models")))
    seg = loaded.network.seg_id

    def likes(module: Any, inputs: Any, logits: Any) -> Any:
        # Where the sum of the logits is positive, [SEG] is the likeliest: some answers have masks, some places not.
        chosen = logits.sum(-1) > 0
        logits[..., seg] = torch.where(chosen, logits.max(-1).values + 1, logits[..., seg])
        return logits

    loaded.network.vlm.lm_head.register_forward_hook(likes)
    return loaded


def scored(model: Any, data: Path, output: Path, text: str, batch: int) -> tuple[Any, list[Any], list[Any]]:
    from mmtrain.evaluate.grounding import evaluate

    found = evaluate(
        model,
        str(data),
        media_root=str(data.parent),
        answers=text,  # type: ignore[arg-type]
        max_new_tokens=5,
        batch_size=batch,
        output=output,
    )
    return (
        found,
        json.loads((output / "predictions.json").read_text()),
        json.loads((output / "answers.json").read_text()),
    )


@pytest.mark.parametrize("text", ["own", "given"])
def test_a_batch_answers_and_draws_as_one_by_one(model: Any, data: Path, tmp_path: Path, text: str) -> None:
    single, masked, plain = scored(model, data, tmp_path / "one", text, 1)
    together, also_masked, also_plain = scored(model, data, tmp_path / "four", text, 4)
    assert single.scores.predicted > 3
    assert plain == also_plain
    assert [one["conversations"] for one in masked] == [one["conversations"] for one in also_masked]
    from mmdata import masks

    for ours, theirs in zip(masked, also_masked, strict=True):
        for mask, other in zip(ours["segmentation"], theirs["segmentation"], strict=True):
            # A pixel whose logit is 0 but for rounding may fall on either side.
            assert (masks.decode(mask) != masks.decode(other)).mean() < 1e-3
    for name in ("ciou", "giou", "ap50", "mask_recall"):
        assert getattr(together.scores, name) == pytest.approx(getattr(single.scores, name), abs=2e-3)


def test_what_cannot_be_used_is_named_once_and_its_neighbours_are_scored(
    model: Any, data: Path, tmp_path: Path
) -> None:
    found, masked, plain = scored(model, data, tmp_path / "four", "given", 4)
    assert found.scores.answers == 4
    assert len(masked) + len(plain) == 4
    assert [line.split(": ")[1] for line in found.bad] == ["record 2", "record 4"]
    for line in found.bad:
        assert line.count(str(data)) == 1
        assert line.count("record ") == 1


def test_shares_of_ranks_are_all_records_in_order() -> None:
    from mmtrain.evaluate.ranks import share

    for total in (0, 1, 5, 8):
        for world in (1, 2, 3, 7):
            assert [k for rank in range(world) for k in share(total, rank, world)] == list(range(total))


def test_parts_of_ranks_are_scored_as_the_whole() -> None:
    from mmdata.scoring.grounding import GroundingScorer

    rng = np.random.default_rng(0)
    whole, parts = GroundingScorer(), [GroundingScorer(), GroundingScorer()]
    for k in range(6):
        ours, true = (rng.integers(0, 2, (n, 5, 4)) for n in rng.integers(1, 4, 2))
        for scorer in (whole, parts[k // 3]):
            scorer.add(ours, true, scores=[0.5 + 0.1 * (k % 2)] * len(ours))
    parts[0].merge(parts[1])
    assert parts[0].result() == whole.result()


@pytest.mark.slow
def test_two_processes_print_and_write_what_one_does(data: Path, tmp_path: Path) -> None:
    folder = exported("internvl", tmp_path)
    told, written = [], []
    for name, more in (("one", []), ("two", ["--nproc", "2", "--batch-size", "2"])):
        words = [
            "evaluate",
            str(folder),
            "--task",
            "grounding",
            "--data",
            str(data),
            "--answers",
            "given",
        ]
        words += [
            "--output-format",
            "json",
            "--media-root",
            str(data.parent),
            "-o",
            str(tmp_path / name),
            *more,
        ]
        done = subprocess.run(
            [sys.executable, "-m", "mmtrain", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr[-2000:]  # two records cannot be used
        told.append(json.loads(done.stdout))
        written.append((tmp_path / name / "predictions.json").read_text())
    assert told[0] == pytest.approx(told[1])
    assert written[0] == written[1]
