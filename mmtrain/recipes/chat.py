"""Chat: the language model learns to write the answers of a conversation with pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmtrain.attention import register
from mmtrain.data.encode import Encoder, MediaEncoder
from mmtrain.drop_path import add_drop_path
from mmtrain.families import family_of
from mmtrain.liger import apply_liger, check_liger
from mmtrain.losses import LABEL, Term, weighted_nll
from mmtrain.parts import apply_parts, parameter_groups

if TYPE_CHECKING:
    from mmtrain.data.collate import Batch
    from mmtrain.settings import Settings

UNITS = (LABEL,)

groups = parameter_groups


def load_tokenizer(settings: Settings) -> Any:
    """The model's tokenizer.

    Raises:
        UsageError: there is none.
    """
    return tokenizer_of(settings.model)


def tokenizer_of(directory: str | Path) -> Any:
    """The tokenizer of a model directory.

    Raises:
        UsageError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"model: {directory}: no usable tokenizer: {error}") from None


def model_config(settings: Settings) -> dict[str, Any]:
    """``config.json`` of the model.

    Raises:
        UsageError: there is none, or the family is not supported.
    """
    path = Path(settings.model) / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if Path(settings.model).is_dir():
            told = "expected a local model directory"
        else:
            told = "expected a local model directory: nothing is downloaded while training"
        raise UsageError(f"model: {path}: no such file; {told}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"model: {path}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise UsageError(f"model: {path}: expected an object, got {type(config).__name__}")
    family_of(str(config.get("model_type", "")))
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
        UsageError: the model directory lacks what it needs for that, or settings are given that say nothing to it.
    """
    family = family_of(config["model_type"])
    family.check(settings)
    return family.media(settings, config)


def make_model(settings: Settings, tokenizer: Any) -> Any:
    """The model with its parts frozen, adapted or free, ready for DeepSpeed.

    Raises:
        UsageError: the weights cannot be loaded, or nothing would be trained.
    """
    return apply_parts(load_model(settings), settings, tokenizer)


def load_model(settings: Settings) -> Any:
    """The model with its weights.

    Raises:
        UsageError: they cannot be loaded, or the settings ask for what the model or machine has not.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    if settings.use_liger_kernel:
        check_liger()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.dtype]
    attention = {"": "sdpa", "text_config": register(), "vision_config": "sdpa"}
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            settings.model, dtype=dtype, attn_implementation=attention, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"model: {settings.model}: cannot be loaded: {error}") from None
    _prepared(model)
    if settings.use_liger_kernel:
        apply_liger(model)
    if settings.vision.drop_path_rate:
        add_drop_path(model, settings.vision.drop_path_rate)
    if settings.gradient_checkpointing:
        kwargs = {"use_reentrant": False}
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)  # type: ignore[no-untyped-call]
    return model


def empty_model(settings: Settings, tokenizer: Any) -> Any:
    """The model without weights, on the device of the context: what counting them needs."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(settings.model, local_files_only=True)
    model = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    return apply_parts(model, settings, tokenizer)


def merged(model: Any) -> Any:
    """The model with its adapters merged into the weights."""
    return model.merge_and_unload()


def save(model: Any, directory: Path) -> None:
    """Write the model for `load`."""
    model.save_pretrained(directory)


def load(directory: str | Path, dtype: Any) -> Any:
    """The model of `save`, ready to be used.

    Raises:
        UsageError: it cannot be loaded.
    """
    from transformers import AutoModelForImageTextToText

    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            directory, dtype=dtype, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"{directory}: cannot be loaded: {error}") from None
    return _prepared(model).eval()


def _prepared(model: Any) -> Any:
    """The model, taking what its family's encoder makes."""
    prepare = family_of(model.config.model_type).prepare
    if prepare is not None:
        prepare(model)
    return model


def loss(model: Any, batch: Batch) -> dict[str, Term]:
    """Weighted sum of the negative log likelihood of a batch."""
    return {"ce": Term(weighted_nll(model, batch.inputs, batch.labels, batch.weights))}
