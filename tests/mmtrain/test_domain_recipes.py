"""The recipes of the domains: the published numbers, and the published batch on other numbers of GPUs."""

import re
from pathlib import Path

import pytest

from mmdata.errors import UsageError
from mmdata.layout import layouts
from mmtrain.config import load_config
from mmtrain.init import init, recipes, text_of

# Read off the twelve scripts of OpenGVLab/InternVL, internvl_chat/shell/mini_internvl/domain_adaptation, all with GPUS=8.
STEPS = {"drivelm": (15100, 1), "medical": (2200, 8), "remote": (2500, 8), "bdd": (240, 8)}
TEMPLATES = {"1b": "Hermes-2", "2b": "internlm2-chat", "4b": "phi3-chat"}
NAMES = [f"mini-internvl-{size}-{domain}" for size in TEMPLATES for domain in STEPS]


@pytest.mark.parametrize("name", NAMES)
def test_published_numbers(name, tmp_path):
    _, _, size, domain = name.split("-")
    config = load_config(init(name, tmp_path / "run.yaml"))
    steps, accumulation = STEPS[domain]
    assert config.template == TEMPLATES[size]
    assert (config.max_steps, config.gradient_accumulation_steps) == (steps, accumulation)
    assert config.per_device_train_batch_size == 1
    assert (config.learning_rate, config.weight_decay, config.warmup_ratio) == (1e-5, 0.01, 0.03)
    assert (config.num_images_expected, config.max_length) == (48, 16384)
    assert (config.packing, config.loss_reduction, config.deepspeed) == (True, "square", "zero1")
    assert (config.min_dynamic_patch, config.max_dynamic_patch, config.use_thumbnail) == (1, 12, True)
    assert {config.vision.tuning, config.projector.tuning, config.language.tuning} == {"full"}
    assert config.data.train[0].path.endswith(layouts()[domain].meta), (
        "the layout's meta file is what is trained on"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_published_batch_holds_on_other_numbers_of_gpus(name, tmp_path):
    batch = 8 * STEPS[name.rpartition("-")[2]][1]
    for gpus in (1, 2, 4, 8, 16, 32, 64, 128):
        if batch % gpus:
            with pytest.raises(UsageError, match=f"cannot be kept on {gpus} GPUs; it can on 1, 2, 4, 8"):
                init(name, tmp_path / "run.yaml", gpus=gpus, force=True)
            continue
        config = load_config(init(name, tmp_path / "run.yaml", gpus=gpus, force=True))
        assert gpus * config.per_device_train_batch_size * config.gradient_accumulation_steps == batch
    assert load_config(init(name, tmp_path / "run.yaml", gpus=8, force=True)) == load_config(
        init(name, tmp_path / "plain.yaml")
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_number_names_its_source(name):
    for line in text_of(name).splitlines():
        key, colon, rest = line.partition(":")
        if colon and re.fullmatch(r"[a-z_0-9]+", key) and re.match(r" *[\d.]", rest):
            assert re.search(r"# (--\w+|default of)", rest) or "upstream: --" in rest, line


def test_a_recipe_without_published_gpus_says_so(tmp_path):
    with pytest.raises(UsageError, match="by hand"):
        init("tiny-demo", tmp_path / "run.yaml", gpus=2)
    assert not list(Path(tmp_path).iterdir())


def test_all_twelve_are_listed():
    assert set(NAMES) <= set(recipes())
