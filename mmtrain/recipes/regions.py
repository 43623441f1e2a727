"""Regions: the language model learns to speak of objects that masks in the question point at.

After VideoRefer: ``<region>`` in a question stands for an object with masks on some frames; the features of the vision
encoder under them take its place. The loss is the chat recipe's.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmtrain.data.refer_frames import ReferFrames
from mmtrain.data.regions import REGION, Merging, RegionsEncoder
from mmtrain.families import family_of
from mmtrain.losses import LABEL
from mmtrain.parts import apply_parts, grouped, parameter_groups
from mmtrain.recipes import chat
from mmtrain.sections.regions import DEFAULT_TOKENS, Regions

if TYPE_CHECKING:
    from mmtrain.settings import Settings

UNITS = (LABEL,)

MODULE = "region_module.safetensors"
"""Weights of the region module within a model directory."""

CONFIG = "region_module.json"
"""How it merges frames, beside it."""

loss = chat.loss


def section(settings: Settings) -> Regions:
    """``regions:`` of a run."""
    return Regions.model_validate(settings.section)


def merging_of(own: Regions) -> Merging:
    """How many tokens a region becomes."""
    if own.merge == "mean":
        return Merging()
    return Merging(own.merge, own.tokens or DEFAULT_TOKENS[own.merge])


def model_config(settings: Settings) -> dict[str, Any]:
    """``config.json`` of the model.

    Raises:
        UsageError: there is none, or regions cannot be pooled from its family's features.
    """
    from mmtrain.heads.regions_features import VIEWS

    config = chat.model_config(settings)
    kind = config["model_type"]
    if kind not in VIEWS:
        raise UsageError(
            f"recipe: regions: model type {kind!r} is not one of {', '.join(VIEWS)}: only of these it is known here which "
            "part of a picture each feature of the vision encoder sees"
        )
    return config


def load_tokenizer(settings: Settings) -> Any:
    """The model's tokenizer, with ``<region>`` added where it is missing."""
    tokenizer = chat.load_tokenizer(settings)
    if len(tokenizer.encode(REGION, add_special_tokens=False)) != 1:
        tokenizer.add_tokens([REGION], special_tokens=True)
    return tokenizer


def make_encoder(settings: Settings) -> RegionsEncoder:
    """What makes tensors of samples; loads no weights.

    Raises:
        UsageError: tokenizer, template or model do not fit.
    """
    config = model_config(settings)
    own = section(settings)
    media: Any = chat.make_media(settings, config)
    if hasattr(media, "frames"):
        frames = ReferFrames(
            most=settings.video_frames,
            sampling=own.sampling,
            fps=own.fps,
            multiple=media.frames.multiple,
        )
        media = dataclasses.replace(media, frames=frames)
    template = settings.template or family_of(config["model_type"]).template
    return RegionsEncoder(load_tokenizer(settings), template, media, merging=merging_of(own))


def make_model(settings: Settings, tokenizer: Any) -> Any:
    """The model with its parts frozen, adapted or free, ready for DeepSpeed.

    Raises:
        UsageError: weights cannot be loaded, or nothing would be trained.
    """
    return _built(chat.load_model(settings), settings, tokenizer)


def empty_model(settings: Settings, tokenizer: Any) -> Any:
    """The same without weights, on the device of the context."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(settings.model, local_files_only=True)
    vlm = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    return _built(vlm, settings, tokenizer)


def _built(vlm: Any, settings: Settings, tokenizer: Any) -> Any:
    import torch

    from mmtrain.heads.regions import Regional

    own = section(settings)
    # New weights come from a generator of their own: the same whatever else was drawn before, on every ZeRO stage.
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        # Its row is never read: other embeddings take its place; only the id must be one of the table's.
        if len(tokenizer) > vlm.get_input_embeddings().num_embeddings:
            vlm.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        torch.manual_seed(settings.seed)
        vlm = apply_parts(vlm, settings, tokenizer, alone=own.module.tuning == "frozen")
        torch.manual_seed(settings.seed)
        model = Regional(vlm, tokenizer.convert_tokens_to_ids(REGION), merging_of(own)).to(vlm.dtype)
    file = Path(settings.model) / MODULE
    if file.exists() and next(model.projection.parameters()).device.type != "meta":
        from safetensors.torch import load_file

        model.projection.load_state_dict(load_file(file))
    model.projection.requires_grad_(own.module.tuning == "full")
    return model


def merged(model: Any) -> Any:
    """The model with its adapters merged into its weights."""
    model.vlm = model.vlm.merge_and_unload()
    return model


def save(model: Any, directory: Path) -> None:
    """Write a directory that holds the model as any other, and the region module beside it."""
    from safetensors.torch import save_file

    model.vlm.save_pretrained(directory)
    weights = {name: weight.contiguous() for name, weight in model.projection.state_dict().items()}
    save_file(weights, directory / MODULE, metadata={"format": "pt"})
    told = {"token": REGION, "merge": model.merging.how, "most_tokens": model.merging.most}
    (directory / CONFIG).write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def load(directory: str | Path, dtype: Any) -> Any:
    """The model of `save`, ready to be used.

    Raises:
        UsageError: part of it is missing.
    """
    from safetensors.torch import load_file

    from mmtrain.heads.regions import Regional

    folder = Path(directory)
    for name in (MODULE, CONFIG):
        if not (folder / name).exists():
            raise UsageError(f"{folder}: {name} is missing; expected a directory that `mmtrain export` wrote")
    told = json.loads((folder / CONFIG).read_text("utf-8"))
    token = chat.tokenizer_of(folder).convert_tokens_to_ids(told["token"])
    merging = Merging(told["merge"], told["most_tokens"])
    model = Regional(chat.load(folder, dtype), token, merging).to(dtype)
    model.projection.load_state_dict(load_file(folder / MODULE))
    return model.eval()


def groups(model: Any, settings: Settings) -> list[dict[str, Any]]:
    """Optimizer groups: those of the language model, and the region module."""
    rates = {"region module": section(settings).module.learning_rate}
    named = [("region module", weight) for weight in model.projection.parameters()]
    return parameter_groups(model.vlm, settings) + grouped(named, rates, settings)
