"""Drop path, kernels, pixel limits, and settings that a family has no use for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from mmdata.errors import UsageError
from mmtrain.recipes.chat import make_encoder, make_model
from mmtrain.settings import Part, Settings
from mmtrain.tiny import make_tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for family in ("internvl", "qwen2_5_vl", "llava_onevision"):
        make_tiny(family, folder / family)
    return folder


def settings(model: Path, **more: Any) -> Settings:
    return Settings(model=str(model), output_dir="unused", train=(), dtype="fp32", **more)


def test_drop_path_leaves_out_branches_tile_by_tile_and_keeps_the_mean(models: Path) -> None:
    model = make_model(settings(models / "internvl", vision=Part(drop_path_rate=0.5)), None)
    plain = make_model(settings(models / "internvl"), None)
    assert model.state_dict().keys() == plain.state_dict().keys()
    tower, truth = model.model.vision_tower, plain.model.vision_tower
    pixels = torch.randn(1, 3, 28, 28).expand(4000, 3, 28, 28)
    model.eval()
    assert torch.equal(tower(pixels[:3]).last_hidden_state, truth(pixels[:3]).last_hidden_state)
    model.train()
    torch.manual_seed(0)
    first, last = tower.encoder.layer
    hidden = torch.randn(1, 5, 32).expand(4000, 5, 32)
    with torch.no_grad():
        kept = truth.encoder.layer[1].mlp(hidden[:1])
        for tile in first.mlp(hidden[:8]):  # its rate is 0: none is dropped, none scaled
            assert torch.allclose(tile, truth.encoder.layer[0].mlp(hidden[:1])[0], atol=1e-6)
        for branch in (last.mlp(hidden), last.attention(hidden)[0]):
            dropped = (branch == 0).flatten(1).all(1)
            assert ((branch == 0).flatten(1).any(1) == dropped).all()  # a tile as a whole
            assert 0.46 < dropped.float().mean() < 0.54
        assert torch.allclose(
            last.mlp(hidden[:1].expand(64, 5, 32)).amax(0), (2 * kept[0]).clamp(min=0), atol=1e-6
        )
        assert tower(pixels).last_hidden_state.std(0).max() > 0


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava_onevision"])
def test_drop_path_is_refused_where_there_is_none(models: Path, family: str) -> None:
    with pytest.raises(UsageError, match=r"drop_path_rate: .* has none"):
        make_model(settings(models / family, vision=Part(drop_path_rate=0.1)), None)


def test_kernels_are_refused_where_they_cannot_run(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = settings(models / "internvl", use_liger_kernel=True)
    monkeypatch.setitem(sys.modules, "liger_kernel", None)
    with pytest.raises(UsageError, match=r"use_liger_kernel: .*pip install liger-kernel"):
        make_model(wanted, None)
    for name in ("liger_kernel", "liger_kernel.transformers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="use_liger_kernel: the kernels run on GPUs"):
        make_model(wanted, None)


def test_kernels_are_asked_for_norm_and_mlp_alone(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def apply(
        rope: bool = True, fused_linear_cross_entropy: bool = True, rms_norm: bool = False, model: Any = None
    ) -> None:
        asked.append((rope, fused_linear_cross_entropy, rms_norm, type(model).__name__))

    patch: Any = ModuleType("liger_kernel.transformers.monkey_patch")
    patch.MODEL_TYPE_TO_APPLY_LIGER_FN = {"qwen2": apply}
    for name in ("liger_kernel", "liger_kernel.transformers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, patch.__name__, patch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    make_model(settings(models / "internvl", use_liger_kernel=True), None)
    assert asked == [(False, False, True, "Qwen2Model")]
    with pytest.raises(UsageError, match="none for language models of type 'qwen2_5_vl_text'"):
        make_model(settings(models / "qwen2_5_vl", use_liger_kernel=True), None)


def test_pixel_limits_bound_a_picture(models: Path, tmp_path: Path) -> None:
    from PIL import Image

    from schemas.sample import Media

    path = tmp_path / "a.png"
    Image.new("RGB", (280, 280)).save(path)
    media = [Media("image", [str(path)])]
    for limits, tokens in ({"max_pixels": 28 * 28 * 9}, 9), ({"min_pixels": 28 * 28 * 16}, 16):
        way = make_encoder(settings(models / "qwen2_5_vl", **limits)).media
        assert way is not None
        counts, inputs = way.pixels(media, None, None)
        assert counts == way.measure(media, None, None) == [[(tokens, 1)]]
        assert inputs["image_grid_thw"].prod() == 4 * tokens
    with pytest.raises(UsageError, match="min_pixels 99999999 is more than max_pixels 12544"):
        make_encoder(settings(models / "qwen2_5_vl", min_pixels=99_999_999))


@pytest.mark.parametrize(
    ("family", "more", "told"),
    [
        ("internvl", {"max_pixels": 9}, "max_pixels is Qwen2-VL's; max_dynamic_patch bounds"),
        ("qwen2_5_vl", {"max_tiles": 6}, "max_dynamic_patch is InternVL's; max_pixels bounds"),
        (
            "llava_onevision",
            {"thumbnail": False},
            "use_thumbnail is InternVL's; the model's image_grid_pinpoints",
        ),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    models: Path, family: str, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        make_encoder(settings(models / family, **more))
