"""Mask decoders that a ``[SEG]`` can prompt: one entry of `KINDS` each, told apart by the ``model_type`` of its config.

All are built alike (an image encoder with a feature pyramid, a prompt encoder, a two-way transformer that draws at four
times its features' size), so `mmtrain.heads.grounding.Grounded` calls them alike; an entry holds what differs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from mmdata.errors import UsageError

Channels: TypeAlias = tuple[float, float, float]

_IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of mask decoder.

    Attributes:
        model: name of its class in transformers.
        config: name of the class of its config.
        side: side of the pictures it takes in pixels, where its config does not tell.
        mean: what is taken off each channel of a picture, scaled to 0..1.
        deviation: what the rest is divided by; both as its image processor in transformers has them.
        unused: beginnings of the names of weights that no mask depends on, besides those all have.
    """

    model: str
    config: str
    side: int
    mean: Channels
    deviation: Channels
    unused: tuple[str, ...] = ()

    def load(self, path: Path, dtype: Any) -> Any:
        """The model of a local directory.

        Raises:
            UsageError: its weights cannot be loaded.
        """
        model = getattr(import_module("transformers"), self.model)
        try:
            return model.from_pretrained(path, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(f"{path}: the mask decoder cannot be loaded: {error}") from None

    def empty(self, path: Path) -> Any:
        """The model without its weights, on the device of the context."""
        transformers = import_module("transformers")
        config = getattr(transformers, self.config).from_pretrained(path, local_files_only=True)
        return getattr(transformers, self.model)(config)


_SAM2 = Kind(model="Sam2Model", config="Sam2Config", side=1024, mean=_IMAGENET[0], deviation=_IMAGENET[1])

KINDS = {
    "sam2": _SAM2,
    "sam2_video": _SAM2,
    "sam3_tracker": Kind(
        model="Sam3TrackerModel",
        config="Sam3TrackerConfig",
        side=1008,
        mean=(0.5, 0.5, 0.5),
        deviation=(0.5, 0.5, 0.5),
        # The level at half the encoder's resolution is the detector's.
        unused=("vision_encoder.neck.fpn_layers.3.",),
    ),
}
"""``model_type`` -> how it is loaded and fed."""

HINT = {
    "sam3_video": "a whole SAM 3; `Sam3TrackerModel.from_pretrained(DIR).save_pretrained(OTHER)` takes its mask decoder out",
}
"""``model_type`` of what has a mask decoder within it -> what to do."""


def config_of(path: Path) -> dict[str, Any]:
    """``config.json`` of a mask decoder, of a known kind.

    Raises:
        UsageError: there is none, or it is of another kind.
    """
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no mask decoder there; expected a local directory of a Sam2Model or Sam3TrackerModel "
            "(`mmtrain make-tiny --family sam2` writes a tiny one)"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path / 'config.json'}: not JSON: {error}") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in KINDS:
        more = f": {HINT[kind]}" if kind in HINT else ""
        raise UsageError(f"{path}: model type {kind!r}, expected {' or '.join(KINDS)}{more}")
    return dict(config)


def kind_of(path: Path) -> Kind:
    """Which kind of mask decoder lies there.

    Raises:
        UsageError: as `config_of`.
    """
    return KINDS[config_of(path)["model_type"]]


def side_of(path: Path) -> int:
    """Side of the pictures that a mask decoder takes, in pixels.

    Raises:
        UsageError: as `config_of`.
    """
    config = config_of(path)
    told = (config.get("prompt_encoder_config") or {}).get("image_size")
    return int(KINDS[config["model_type"]].side if told is None else told)
