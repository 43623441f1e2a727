"""Every config mistake is one clear line, told without torch; what is right arrives in the trainer's settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mmdata.errors import UsageError
from mmtrain.config import Config, ConfigError, json_schema, load_config, parse_config
from mmtrain.init import init, recipes, text_of
from mmtrain.zero import PRESETS, deepspeed_json, filled

ROOT = Path(__file__).parents[2]
LEAST: dict[str, Any] = {"model_name_or_path": "m", "output_dir": "o", "data": {"train": "x.jsonl"}}


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, "utf-8")
    return path


LEAST_YAML = "model_name_or_path: m\noutput_dir: o\ndata:\n  train: x.jsonl\n"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("learing_rate: 1\n", "line 5: unknown key learing_rate; did you mean learning_rate?"),
        ("vision:\n  tunning: full\n", "line 6: unknown key vision.tunning; did you mean vision.tuning?"),
        ("max_tiles: 3\n", "did you mean max_dynamic_patch?"),
        ("lora_alpha: 3\n", "did you mean lora.lora_alpha?"),
        ("learning_rate: -1\n", "line 5: learning_rate: input should be greater than 0, got -1"),
        ("learning_rate: fast\n", 'got "fast"'),
        ("seed: 1\nseed: 2\n", "line 6: seed stands here and in line 5"),
        ("seed: [\n", "not YAML"),
        ("fp16: true\n", "bf16 and fp16 exclude each other"),
        ("lora:\n  r: 8\n", "no part has `tuning: lora`"),
        ("min_dynamic_patch: 9\nmax_dynamic_patch: 4\n", "min_dynamic_patch 9 is more than"),
        ("eval_steps: 5\n", "eval_steps needs held-out files"),
        ("group_by_length: true\n", "packing: false"),
        (
            "vision: {tuning: frozen}\nprojector: {tuning: frozen}\nlanguage: {tuning: frozen}\n",
            "nothing to train",
        ),
        ("lora: {target_modules: '('}\nlanguage: {tuning: lora}\n", "no regular expression"),
        ("report_to: tensorbord\n", "report_to"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(more: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, LEAST_YAML + more))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, LEAST_YAML + "seed: -1\nwarmup_ratio: 3\n"))
    assert "seed" in str(caught.value)
    assert "warmup_ratio" in str(caught.value)


def test_overrides_win_and_reach_into_lists(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST_YAML.replace("x.jsonl", "[a.jsonl, {path: b.jsonl}]") + "seed: 1\n")
    config = load_config(
        path,
        ["seed=7", "lora.r=64", "language.tuning=lora", "data.train.1.path=c.jsonl", "learning_rate=1e-5"],
    )
    assert (config.seed, config.lora.r, config.learning_rate) == (7, 64, 1e-5)
    assert [file.path for file in config.data.train] == ["a.jsonl", "c.jsonl"]


@pytest.mark.parametrize("bad", ["seed", "=3", "data.train.5.path=x", "seed.x=3"])
def test_a_bad_override_is_told(bad: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected|nothing inside"):
        load_config(write(tmp_path, LEAST_YAML.replace("x.jsonl", "[a.jsonl]") + "seed: 1\n"), [bad])


def test_resume_is_short_for_resume_from_checkpoint() -> None:
    assert parse_config(LEAST | {"resume": False}, "x").resume_from_checkpoint is None
    assert parse_config(LEAST | {"resume": True}, "x").resume_from_checkpoint == "auto"


def test_every_setting_of_the_trainer_can_be_written(tmp_path: Path) -> None:
    from dataclasses import fields

    from mmtrain.settings import Settings

    record = {"id": 0, "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    data = tmp_path / "x.jsonl"
    data.write_text(json.dumps(record) + "\n")
    flat = {"max_dynamic_patch": 3, "num_images_expected": 7, "deepspeed": "zero2", "seed": 5, "bf16": False}
    settings = parse_config(LEAST | {"data": {"train": str(data)}} | flat, "x").settings()
    assert (settings.max_tiles, settings.packed_tiles, settings.seed, settings.dtype) == (3, 7, 5, "fp32")
    assert settings.deepspeed["zero_optimization"]["stage"] == 2
    assert [source.path for source in settings.train] == [str(data)]
    # A setting without a key would silently keep its default.
    from mmtrain.config import SECTIONS
    from mmtrain.config.run import _OWN, _RENAMED, _SAME

    own = _OWN - {"data", "given_num", "bf16", "fp16", *SECTIONS}
    reached = {*_SAME, *_RENAMED.values(), "train", "eval", "dtype", "section"} | own
    assert {field.name for field in fields(Settings)} == reached


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_what_the_trainer_fills_in(name: str) -> None:
    from mmtrain.engine import deepspeed_config
    from mmtrain.settings import Settings

    config = parse_config(LEAST | {"deepspeed": name, "gradient_accumulation_steps": 3}, "x")
    settings = Settings(
        model="m", output_dir="o", train=(), gradient_accumulation_steps=3, deepspeed=deepspeed_json(config)
    )
    assert filled(config, 4) == deepspeed_config(settings, 4)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("zero4", "did you mean"),
        ("gone.json", "gone.json"),
        ({"optimizer": {}}, "brings its own"),
        ({"train_micro_batch_size_per_gpu": 8}, "per_device_train_batch_size is 1"),
        ({"bf16": {"enabled": False}}, "bf16"),
        ({"zero_optimization": {"stage": 2, "offload_param": {"device": "cpu"}}}, "stage 3"),
    ],
)
def test_a_deepspeed_json_that_says_something_else_is_refused(given: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        deepspeed_json(parse_config(LEAST | {"deepspeed": given}, "x"))


def test_train_batch_size_must_be_the_product() -> None:
    config = parse_config(LEAST | {"deepspeed": {"train_batch_size": 8}}, "x")
    assert filled(config, 8)["train_batch_size"] == 8
    with pytest.raises(UsageError, match="train_batch_size is 8"):
        filled(config, 3)


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_is_a_config_that_its_schema_accepts(name: str, tmp_path: Path) -> None:
    path = init(name, tmp_path / "run.yaml")
    config = load_config(path)
    assert filled(config, 8)["zero_optimization"]["stage"] <= 3
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), json.loads(json_schema()))
    assert (ROOT / "examples" / "configs" / f"{name}.yaml").read_text("utf-8") == text_of(name)
    with pytest.raises(UsageError, match="is there already"):
        init(name, path)


def test_the_schema_file_is_up_to_date_and_refuses_unknown_keys() -> None:
    assert (ROOT / "mmtrain" / "config.schema.json").read_text("utf-8") == json_schema()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(LEAST | {"nonsense": 1}, json.loads(json_schema()))


def test_the_resolved_config_reads_back_the_same(tmp_path: Path) -> None:
    from mmtrain.config import to_yaml

    config = Config.model_validate(LEAST | {"seed": 3})
    assert load_config(write(tmp_path, to_yaml(config))) == config


def test_config_errors_and_help_do_not_import_torch(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST_YAML + "sed: 1\n")
    script = (
        "import sys\nfrom mmtrain.cli import main\n"
        "for words in (['--help'], ['launch', sys.argv[1], '--dry-run']):\n"
        "    try: main(words)\n    except SystemExit as e: print('code', e.code)\n"
        "print('heavy', [m for m in ('torch', 'transformers', 'deepspeed') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert "code 2" in done.stdout
    assert "heavy []" in done.stdout
    assert done.stderr.strip().endswith("unknown key sed; did you mean seed?")
