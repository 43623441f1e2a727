"""Every family trains on text, one picture, several and videos side by side: on two ranks as on one, then exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FAMILIES = ["internvl", "qwen2_vl", "qwen2_5_vl", "llava_onevision"]
LORA = {"language": {"tuning": "lora"}, "vision": {"tuning": "lora"}, "projector": {"tuning": "full"}}
CASES: dict[str, dict[str, Any]] = {
    "packed": {"max_length": 1024},
    "padded": {"packing": False, "per_device_train_batch_size": 2},
    "lora": {"max_length": 1024, **LORA},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mmtrain.tiny import make_tiny

    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        make_tiny(family, folder / family)
    return folder


@pytest.fixture(scope="module")
def with_videos(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sixth record of the mixed data, and after it a video: as many texts, pictures and several as videos."""
    folder = tmp_path_factory.mktemp("videos")
    lines = []
    for number, line in enumerate((mixed / "mixed.jsonl").read_text().splitlines()[::2]):
        record = json.loads(line)
        if "image" in record:
            names = record["image"] if isinstance(record["image"], list) else [record["image"]]
            record["image"] = [str(mixed / name) for name in names]
        lines.append(record)
        if number % 3 == 0:
            clip = folder / f"clip_{number}"
            clip.mkdir()
            for k in range(3):
                pixels = np.random.default_rng(k).integers(0, 256, (40, 60, 3), np.uint8)
                Image.fromarray(pixels).save(clip / f"f_{k}.jpg")
            turns = [{"from": "human", "value": "<video>\nWhat happens?"}, {"from": "gpt", "value": "left"}]
            lines.append({"video": f"{clip}/", "conversations": turns})
    (folder / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder


def runs(
    plain: dict[str, Any],
    models: Path,
    data: Path,
    folder: Path,
    families: list[str],
    cases: list[str],
    stages: list[int],
    accumulation: int,
) -> list[dict[str, Any]]:
    made = []
    for stage in stages:
        for family in families:
            for case in cases:
                own = {
                    **plain,
                    "train": [{"path": str(data / "data.jsonl")}],
                    "model": str(models / family),
                    "output_dir": str(folder / f"{stage}-{family}-{case}"),
                    "max_steps": 2,
                    "video_frames": 4,
                    "gradient_accumulation_steps": accumulation,
                    "deepspeed": {"zero_optimization": {"stage": stage}},
                    "lora": {"r": 4, "dropout": 0.0},
                    **CASES[case],
                }
                if family != "internvl":
                    del own["max_tiles"]
                made.append(own)
    return made


def losses(result: dict[str, Any]) -> list[float]:
    assert "error" not in result, result
    return [entry["loss"] for entry in result["log"]]


def agree(
    plain: dict[str, Any],
    models: Path,
    data: Path,
    tmp_path: Path,
    launch: Any,
    families: list[str],
    cases: list[str],
    stages: list[int],
    accumulation: int = 2,
) -> None:
    start, finish = launch
    one, two = tmp_path / "one", tmp_path / "two"
    alone = finish(
        start(runs(plain, models, data, one, families, cases, [0], 2 * accumulation), one), one, 900
    )
    started = start(runs(plain, models, data, two, families, cases, stages, accumulation), two, ranks=2)
    together = finish(started, two, 900)
    assert len(together) == len(alone) * len(stages)
    for number, result in enumerate(together):
        assert losses(result) == pytest.approx(losses(alone[number % len(alone)]), rel=2e-5)
        assert result["bad_samples"] == 0


def test_two_ranks_of_zero_3_equal_one(
    plain_settings: dict[str, Any], models: Path, with_videos: Path, tmp_path: Path, launch: Any
) -> None:
    """Text-only, picture and video batches on different ranks: none waits, and the losses are those of one rank."""
    agree(plain_settings, models, with_videos, tmp_path, launch, FAMILIES[1:], ["lora"], [3], accumulation=1)


@pytest.mark.slow
def test_every_stage_and_way_agrees(
    plain_settings: dict[str, Any], models: Path, with_videos: Path, tmp_path: Path, launch: Any
) -> None:
    agree(plain_settings, models, with_videos, tmp_path, launch, FAMILIES, list(CASES), [0, 2, 3])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("case", ["packed", "lora"])
@pytest.mark.parametrize("stage", [0, 3])
def test_a_run_is_exported_and_gives_the_same_logits(
    plain_settings: dict[str, Any],
    models: Path,
    with_videos: Path,
    tmp_path: Path,
    launch: Any,
    case: str,
    stage: int,
) -> None:
    from mmtrain.export import export

    start, finish = launch
    planned = runs(plain_settings, models, with_videos, tmp_path, FAMILIES, [case], [stage], 1)
    for result in finish(start(planned, tmp_path), tmp_path):
        losses(result)
    for one in planned:
        done = export(one["output_dir"], Path(one["output_dir"]) / "exported")
        assert done.difference < 1e-5
        assert (done.directory / "preprocessor_config.json").exists()
