"""Tiny models load offline; a run is checked, launched and exported as a person does it, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mmdata.errors import UnknownName, UsageError  # noqa: E402
from mmtrain.tiny import Shape, families, load_processor, make_tiny  # noqa: E402


def mmtrain(*words: str, code: int = 0) -> str:
    """Run the command line; standard output and error together."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mmtrain", *words],
        capture_output=True, text=True, env=env, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def config(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run on the mixed data, with its own tiny model."""
    folder = tmp_path_factory.mktemp("run")
    make_tiny("internvl", folder / "model")
    plain = {
        "model_name_or_path": str(folder / "model"),
        "output_dir": str(folder / "run"),
        "data": {"train": {"path": str(mixed / "mixed.jsonl"), "media_root": str(mixed)}},
        "bf16": False,
        "vision": {"tuning": "frozen"},
        "projector": {"tuning": "frozen"},
        "language": {"tuning": "lora"},
        "max_length": 1024,
        "max_dynamic_patch": 6,
        "learning_rate": 0.01,
        "max_steps": 2,
        "dataloader_num_workers": 0,
        "report_to": "none",
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(plain))  # JSON is YAML
    return path


@pytest.mark.parametrize("family", families())
def test_a_tiny_model_loads_offline_and_learns_from_its_own_template(family: str, tmp_path: Path) -> None:
    from PIL import Image
    from transformers import AutoModelForImageTextToText

    made = make_tiny(family, tmp_path / family, text=["a red circle"], seed=1)
    processor = load_processor(made.directory)
    model = AutoModelForImageTextToText.from_pretrained(made.directory)
    picture: dict[str, Any] = {"type": "image", "image": Image.new("RGB", (60, 40))}
    messages = [
        {"role": "user", "content": [picture, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a red circle"}]},
    ]
    inputs = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_tensors="pt", return_assistant_tokens_mask=True
    )
    answer = torch.as_tensor(inputs.pop("assistant_masks")).bool()
    text = processor.tokenizer.decode(inputs["input_ids"][answer])
    assert text.removesuffix("\n") == "a red circle<|im_end|>"
    loss = model(**inputs, labels=torch.where(answer, inputs["input_ids"], -100)).loss
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.lm_head.parameters())
    again = make_tiny(family, tmp_path / "again", text=["a red circle"], seed=1)
    assert (again.directory / "model.safetensors").read_bytes() == (
        made.directory / "model.safetensors"
    ).read_bytes()


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="internvl"):
        make_tiny("internvll", tmp_path / "x")
    with pytest.raises(UsageError, match="multiple of 28"):
        make_tiny("internvl", tmp_path / "x", shape=Shape(tile=30))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "precious").touch()
    with pytest.raises(UsageError, match="is there already"):
        make_tiny("internvl", tmp_path / "x")


def test_check_says_ready_and_shows_what_carries_loss(config: Path) -> None:
    told = mmtrain("check", str(config))
    assert "ready to train" in told
    assert "24 of 24 samples measured" in told
    assert "<|im_end|>⟧" in told
    assert "logits differ by" in told


def test_check_fails_on_long_samples_and_wrong_templates(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmtrain.cli.check import command

    wrong = ["max_length=200", "template=phi3-chat"]
    assert command(str(config), wrong, gpus=1, count=1000, no_step=True) == 1
    told = capsys.readouterr().out
    assert "samples are longer than max_length 200" in told
    assert "<|end|> is " in told
    assert "not ready: 2 steps failed" in told


def test_a_run_is_launched_and_its_adapters_merged(config: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    from mmtrain.export import export

    assert "done: step 2" in mmtrain("launch", str(config), f"output_dir={tmp_path}/run")
    assert "loaded again" in mmtrain("export", f"{tmp_path}/run", "-o", f"{tmp_path}/merged")
    base = AutoModelForImageTextToText.from_pretrained(config.parent / "model").state_dict()
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged").state_dict()
    changed = {name for name in base if not torch.equal(base[name], merged[name])}
    assert changed
    assert all("language_model" in name and "_proj" in name for name in changed)
    with pytest.raises(UsageError, match="is there already"):
        export(tmp_path / "run", tmp_path / "merged")
    with pytest.raises(UsageError, match="no checkpoint-7"):
        export(tmp_path / "run", tmp_path / "other", step=7)


@pytest.mark.slow
def test_adapters_are_exported_alone_unless_more_was_trained(config: Path, tmp_path: Path) -> None:
    mmtrain("launch", str(config), f"output_dir={tmp_path}/run")
    told = mmtrain("export", f"{tmp_path}/run", "-o", f"{tmp_path}/adapter", "--adapter")
    assert "adapter of step 2" in told
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()
    mmtrain("launch", str(config), f"output_dir={tmp_path}/more", "projector.tuning=full")
    told = mmtrain("export", f"{tmp_path}/more", "-o", f"{tmp_path}/refused", "--adapter", code=2)
    assert "would lack them" in told
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_ranks_of_every_stage_are_gathered(stage: int, config: Path, tmp_path: Path) -> None:
    full = ["language.tuning=full", "vision.tuning=full", "projector.tuning=full", "bf16=true"]
    run = f"output_dir={tmp_path}/run"
    mmtrain("launch", str(config), *full, run, f"deepspeed=zero{stage}", "--nproc", "2")
    assert "model of step 2" in mmtrain("export", str(tmp_path / "run"), "-o", str(tmp_path / "out"))


@pytest.mark.slow
def test_one_process_two_ranks_and_batches_give_the_same_answers(config: Path, tmp_path: Path) -> None:
    from PIL import Image

    mmtrain("launch", str(config), f"output_dir={tmp_path}/run")
    mmtrain("export", f"{tmp_path}/run", "-o", f"{tmp_path}/model")
    pictures = tmp_path / "data/images/RSVQA_L/Images_LR"
    pictures.mkdir(parents=True)
    (tmp_path / "data/val").mkdir()
    for k, size in enumerate([(60, 40), (30, 90), (56, 56)]):
        Image.effect_noise(size, 60).convert("RGB").save(pictures / f"{k}.png")
    asked = [
        {"id": k, "image": f"{k % 3}.png", "question": "?" * k, "gt_answer": "1", "type": "count"}
        for k in range(5)
    ]
    (tmp_path / "data/val/rsvqa_l_test_instruct.json").write_text(json.dumps(asked))
    common = ["--task", "rsvqa-lr", "--data", f"{tmp_path}/data", "--max-new-tokens", "8"]
    found = []
    for name, more in {"one": [], "two": ["--nproc", "2"], "batch": ["--batch-size", "3"]}.items():
        told = mmtrain("evaluate", f"{tmp_path}/model", *common, "-o", f"{tmp_path}/{name}", *more)
        assert "RSVQA low resolution: 5 answers" in told
        found.append((tmp_path / name / "predictions.jsonl").read_text())
    assert found[0] == found[1] == found[2]
    assert len(found[0].splitlines()) == 5
