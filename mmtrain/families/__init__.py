"""Model families, one file each: template, parts, adapters' layers, and how pictures and videos become model inputs.

A file here with a `FAMILY` is found by itself; nothing else has to be told of it. No file imports torch at its top: the
launcher asks for families before any model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mmdata.errors import UsageError

if TYPE_CHECKING:
    from mmtrain.data.encode import MediaEncoder
    from mmtrain.data.video import FrameRule
    from mmtrain.settings import Settings

PartName: TypeAlias = Literal["vision", "projector", "language"]

LANGUAGE_TARGETS = (
    r".*language_model.*\.(?:q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj"
    r"|qkv_proj|gate_up_proj|wqkv|wo|w1|w2|w3)"
)
"""Linear layers of the language models that the families have: Qwen2, Llama, Phi-3, InternLM2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the trainer must know of a model family.

    Attributes:
        name: as people call it.
        model_types: ``model_type`` of the configs it covers.
        template: chat template where the settings name none.
        projector: regular expression over parameter names, tried first.
        vision: the same, tried second; everything else is language.
        layer: the same for vision layers; group 1 is the number.
        targets: linear layers that adapters go to, by part.
        media: makes the encoder of pictures from settings and ``config.json``.
        unused: settings that say nothing to this family, and the refusal of each.
        branches: regular expression over module names: what vision layers add to their input, tile by tile (group 1 is
            the layer's number), and drop path may leave out; None: there is no such thing.
        prepare: changes a loaded model in place so that it takes what `media` makes; weights and names stay.
    """

    name: str
    model_types: tuple[str, ...]
    template: str
    projector: str
    vision: str
    layer: str
    targets: Mapping[PartName, str]
    media: Callable[[Settings, dict[str, Any]], MediaEncoder]
    unused: Mapping[str, str] = field(default_factory=dict)
    branches: str | None = None
    prepare: Callable[[Any], None] | None = None

    def check(self, settings: Settings) -> None:
        """Refuse settings that would do nothing.

        Raises:
            UsageError: one of them is set.
        """
        from mmtrain.settings import Settings as Defaults

        fields = Defaults.__dataclass_fields__
        wrong = [why for name, why in self.unused.items() if getattr(settings, name) != fields[name].default]
        if wrong:
            raise UsageError(f"{self.name}: {'; '.join(wrong)}")


def frame_rule(settings: Settings, multiple: int = 1) -> FrameRule:
    """Which frames of videos the settings take."""
    from mmtrain.data.video import FrameRule

    return FrameRule(
        most=settings.video_frames,
        least=settings.min_video_frames,
        sampling=settings.video_sampling,
        seed=settings.seed,
        multiple=multiple,
    )


def not_tiled(instead: str) -> dict[str, str]:
    """`Family.unused` of a family that cuts no tiles by InternVL's settings."""
    return {
        "max_tiles": f"max_dynamic_patch is InternVL's; {instead}",
        "min_tiles": f"min_dynamic_patch is InternVL's; {instead}",
        "thumbnail": f"use_thumbnail is InternVL's; {instead}",
        "dynamic_tiles": f"dynamic_image_size is InternVL's; {instead}",
    }


def no_pixel_limits(instead: str) -> dict[str, str]:
    """`Family.unused` of a family whose pictures are not bounded by their number of pixels."""
    return {name: f"{name} is Qwen2-VL's; {instead}" for name in ("min_pixels", "max_pixels")}


@cache
def families() -> dict[str, Family]:
    """Every family, by model type."""
    found: list[Family] = [
        import_module(f"{__name__}.{module.name}").FAMILY
        for module in iter_modules(__path__)
        if not module.name.startswith("_")
    ]
    return {kind: family for family in found for kind in family.model_types}


def family_of(model_type: str) -> Family:
    """The family of a model type.

    Raises:
        UsageError: it is not known.
    """
    known = families()
    if model_type == "internvl_chat":
        raise UsageError(
            "model type 'internvl_chat' is a released InternVL directory that brings its own code; "
            "`mmtrain import-checkpoint DIR -o DIR-hf` writes transformers' classes: name that directory"
        )
    if model_type not in known:
        raise UsageError(
            f"model type {model_type!r} is not supported; supported: {', '.join(sorted(known))}. A processor and a chat "
            "template are not enough to train it exactly: what is missing is the number of tokens of a picture before it "
            "is decoded, the position ids of a packed sample, and which weights are vision, projector and language "
            "(see mmtrain.families)"
        )
    return known[model_type]
