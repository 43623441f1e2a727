"""`mmtrain check` for every family, its real step left out (test_training.py has it)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mmtrain.config import Config
from mmtrain.preflight import Step, preflight


def check(model: Path, mixed: Path, tmp_path: Path, **more: Any) -> dict[str, Step]:
    plain = {
        "model_name_or_path": str(model),
        "output_dir": str(tmp_path / "run"),
        "data": {"train": {"path": str(mixed / "mixed.jsonl"), "media_root": str(mixed)}},
        "bf16": False,
        **more,
    }
    return {step.name: step for step in preflight(Config(**plain), step=False)}


def test_every_step_is_ok(model_dir: Path, mixed: Path, tmp_path: Path) -> None:
    found = check(model_dir, mixed, tmp_path)
    assert {name: step.verdict for name, step in found.items()} == dict.fromkeys(
        ["config", "data", "tokenizer", "template", "chat template", "sample", "lengths", "memory"], "ok"
    ), [step.lines for step in found.values() if step.verdict != "ok"]
    assert "20 samples decode" in found["template"].lines[0]
    assert "gives the same text for 20 samples" in found["chat template"].lines[0]
    pieces = found["sample"].sample
    assert "<|im_end|>" in "".join(text for text, loss in pieces if loss)
    assert any("█" in line for line in found["lengths"].lines)


def test_another_chat_template_is_told_with_the_first_difference(
    model_dir: Path, mixed: Path, tmp_path: Path
) -> None:
    shutil.copytree(model_dir, tmp_path / "other")
    path = tmp_path / "other" / "chat_template.jinja"
    path.write_text(path.read_text("utf-8").replace("user\\n", "human\\n"), "utf-8")
    step = check(tmp_path / "other", mixed, tmp_path)["chat template"]
    assert step.verdict == "warning"
    assert "human" in step.lines[0]
    path.write_text("{{ raise_exception('no system here') }}", "utf-8")
    assert "no system here" in check(tmp_path / "other", mixed, tmp_path)["chat template"].lines[0]
