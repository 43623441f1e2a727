"""Chat: the language model learns to write the answers of a conversation with pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmtrain.attention import register
from mmtrain.data.encode import Encoder, MediaEncoder
from mmtrain.families import family_of
from mmtrain.losses import weighted_nll
from mmtrain.parts import apply_parts

if TYPE_CHECKING:
    import torch

    from mmtrain.data.collate import Batch
    from mmtrain.settings import Settings


def load_tokenizer(settings: Settings) -> Any:
    """The model's tokenizer.

    Raises:
        UsageError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(settings.model, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"model: {settings.model}: no usable tokenizer: {error}") from None


def model_config(settings: Settings) -> dict[str, Any]:
    """``config.json`` of the model.

    Raises:
        UsageError: there is none, or the family is not supported.
    """
    path = Path(settings.model) / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"model: {path}: no such file; expected a local model directory") from None
    except ValueError as error:
        raise UsageError(f"model: {path}: not JSON: {error}") from None
    family_of(config.get("model_type", ""))
    return config


def make_encoder(settings: Settings) -> Encoder:
    """What makes tensors of samples, for this model and these settings; loads no weights.

    Raises:
        UsageError: tokenizer, template or model do not fit.
    """
    config = model_config(settings)
    template = settings.template or family_of(config["model_type"]).template
    return Encoder(load_tokenizer(settings), template, make_media(settings, config))


def make_media(settings: Settings, config: dict[str, Any]) -> MediaEncoder:
    """The family's way with pictures.

    Raises:
        UsageError: the model directory lacks what it needs for that.
    """
    return family_of(config["model_type"]).media(settings, config)


def make_model(settings: Settings, tokenizer: Any) -> Any:
    """The model with its parts frozen, adapted or free, ready for DeepSpeed.

    Raises:
        UsageError: the weights cannot be loaded, or nothing would be trained.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.dtype]
    attention = {"": "sdpa", "text_config": register(), "vision_config": "sdpa"}
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            settings.model, dtype=dtype, attn_implementation=attention, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"model: {settings.model}: cannot be loaded: {error}") from None
    if settings.gradient_checkpointing:
        kwargs = {"use_reentrant": False}
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)  # type: ignore[no-untyped-call]
    return apply_parts(model, settings, tokenizer)


def loss(model: Any, batch: Batch) -> torch.Tensor:
    """Weighted sum of the negative log likelihood of a batch."""
    return weighted_nll(model, batch.inputs, batch.labels, batch.weights)
