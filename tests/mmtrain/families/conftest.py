"""A tiny model of each family, and samples of text, one picture and several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

FAMILIES = ["internvl", "qwen2_vl", "qwen2_5_vl", "llava_onevision"]


@pytest.fixture(scope="session", params=FAMILIES)
def model_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny model, one family after the other; its name is the model type."""
    from mmtrain.tiny import make_tiny

    folder = tmp_path_factory.getbasetemp() / "families" / str(request.param)
    if not folder.exists():
        make_tiny(request.param, folder)
    return folder


@pytest.fixture(scope="session")
def settings_of() -> Any:
    """settings_of(model_dir, **more): settings as the chat recipe takes them."""
    from mmtrain.settings import Settings

    def make(model: Path, **more: Any) -> Settings:
        tiles = {"max_tiles": 6} if "internvl" in model.name else {}
        return Settings(model=str(model), output_dir="unused", train=(), **{**tiles, **more})

    return make


@pytest.fixture(scope="session")
def encoder(model_dir: Path, settings_of: Any) -> Any:
    from mmtrain.recipes.chat import make_encoder

    return make_encoder(settings_of(model_dir))


@pytest.fixture(scope="session")
def model(model_dir: Path, settings_of: Any) -> Any:
    """As the recipe makes it for training."""
    from mmtrain.recipes.chat import make_model

    return make_model(settings_of(model_dir, dtype="fp32"), None)


@pytest.fixture(scope="session")
def plain_model(model_dir: Path) -> Any:
    """The same weights with transformers' own eager attention: the reference."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(model_dir, attn_implementation="eager")
