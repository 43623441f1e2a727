"""Grounding: the language model learns to answer with ``[SEG]`` and a mask decoder to draw what each stands for.

After GeoPixel (LISA's family): data with ``<p> phrase </p> [SEG]`` in the answers and a mask for each ``[SEG]``; the loss
is cross entropy of the answers' tokens plus binary cross entropy and Dice of the masks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmtrain.data.grounding import MARKS, SEG, UNIT, DecoderPictures, GroundingEncoder
from mmtrain.families import family_of
from mmtrain.heads.mask_decoders import config_of, kind_of, side_of
from mmtrain.losses import LABEL, Term, forward_nll
from mmtrain.parts import apply_parts, grouped, parameter_groups
from mmtrain.recipes import chat
from mmtrain.sections.grounding import Grounding, Losses

if TYPE_CHECKING:
    import torch

    from mmtrain.data.collate import Batch
    from mmtrain.settings import Settings

UNITS = (LABEL, UNIT)

DECODER = "mask_decoder"
"""Folder of the decoder within a model directory."""

PROJECTION = "projection.safetensors"
"""Weights of the projection within a model directory."""


def section(settings: Settings) -> Grounding:
    """``grounding:`` of a run."""
    return Grounding.model_validate(settings.section)


def decoder_path(settings: Settings) -> Path:
    """Where the mask decoder lies.

    Raises:
        UsageError: nowhere, or it is of no known kind.
    """
    named = section(settings).decoder_name_or_path
    path = Path(named) if named else Path(settings.model) / DECODER
    try:
        config_of(path)
    except UsageError as error:
        raise UsageError(f"grounding.decoder_name_or_path: {error}") from None
    return path


def model_folders(settings: Settings) -> dict[str, Path]:
    """Directories that weights come from besides the language model's, by the config's key: a resumed run needs the same.

    Raises:
        UsageError: as `decoder_path`.
    """
    return {"grounding.decoder_name_or_path": decoder_path(settings)}


def model_config(settings: Settings) -> dict[str, Any]:
    """``config.json`` of the language model; the mask decoder must be there too.

    Raises:
        UsageError: one of them cannot be used.
    """
    decoder_path(settings)
    return chat.model_config(settings)


def load_tokenizer(settings: Settings) -> Any:
    """The model's tokenizer, with ``[SEG]``, ``<p>`` and ``</p>`` added where they are missing."""
    tokenizer = chat.load_tokenizer(settings)
    missing = [mark for mark in MARKS if len(tokenizer.encode(mark, add_special_tokens=False)) != 1]
    tokenizer.add_tokens(missing, special_tokens=True)
    return tokenizer


def make_encoder(settings: Settings) -> GroundingEncoder:
    """What makes tensors of samples; loads no weights.

    Raises:
        UsageError: tokenizer, template or models do not fit.
    """
    config = chat.model_config(settings)
    path = decoder_path(settings)
    kind = kind_of(path)
    template = settings.template or family_of(config["model_type"]).template
    return GroundingEncoder(
        load_tokenizer(settings),
        template,
        chat.make_media(settings, config),
        pictures=DecoderPictures(side_of(path), kind.mean, kind.deviation),
        mask_size=section(settings).mask_size,
    )


def make_model(settings: Settings, tokenizer: Any) -> Any:
    """The language model and the mask decoder with their parts frozen, adapted or free, ready for DeepSpeed.

    Raises:
        UsageError: weights cannot be loaded, or nothing would be trained.
    """
    path = decoder_path(settings)
    vlm = chat.load_model(settings)
    try:
        decoder = kind_of(path).load(path, vlm.dtype)
    except UsageError as error:
        raise UsageError(f"grounding.decoder_name_or_path: {error}") from None
    return _built(vlm, decoder, settings, tokenizer)


def empty_model(settings: Settings, tokenizer: Any) -> Any:
    """The same without weights, on the device of the context."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(settings.model, local_files_only=True)
    vlm = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    path = decoder_path(settings)
    return _built(vlm, kind_of(path).empty(path), settings, tokenizer)


def _built(vlm: Any, decoder: Any, settings: Settings, tokenizer: Any) -> Any:
    import dataclasses

    import torch

    from mmtrain.heads.grounding import Grounded

    own = section(settings)
    # New weights come from a generator of their own: the same whatever else was drawn before, on every ZeRO stage.
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        if len(tokenizer) > vlm.get_input_embeddings().num_embeddings:
            if settings.language.tuning == "frozen":
                raise UsageError(
                    f"{SEG} is new to the model, and `language: frozen` would keep it from being learned; "
                    "write `tuning: lora` or `full`"
                )
            vlm.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        torch.manual_seed(settings.seed)
        if (
            settings.language.tuning == "lora"
        ):  # besides the adapters, the rows of the tokens that stand for masks
            lora = settings.lora
            tokens = tuple(dict.fromkeys([*lora.new_tokens, *MARKS]))
            settings = dataclasses.replace(settings, lora=dataclasses.replace(lora, new_tokens=tokens))
        vlm = apply_parts(vlm, settings, tokenizer)
        torch.manual_seed(settings.seed)
        model = Grounded(vlm, decoder, tokenizer.convert_tokens_to_ids(SEG), own.losses).to(vlm.dtype)
    file = Path(settings.model) / PROJECTION
    if file.exists() and next(model.projection.parameters()).device.type != "meta":
        from safetensors.torch import load_file

        model.projection.load_state_dict(load_file(file))
    model.tune(
        encoder=own.encoder.tuning == "full",
        decoder=own.decoder.tuning == "full",
        projection=own.projection.tuning == "full",
    )
    return model


def merged(model: Any) -> Any:
    """The model with the language model's adapters merged into its weights."""
    model.vlm = model.vlm.merge_and_unload()
    return model


def save(model: Any, directory: Path) -> None:
    """Write a directory that holds the language model as any other, the decoder in a folder, and the projection."""
    from safetensors.torch import save_file

    model.vlm.save_pretrained(directory)
    model.decoder.save_pretrained(directory / DECODER)
    weights = {name: weight.contiguous() for name, weight in model.projection.state_dict().items()}
    save_file(weights, directory / PROJECTION, metadata={"format": "pt"})


def load(directory: str | Path, dtype: Any) -> Any:
    """The model of `save`, ready to be used.

    Raises:
        UsageError: part of it is missing.
    """
    from safetensors.torch import load_file

    from mmtrain.heads.grounding import Grounded

    folder = Path(directory)
    for name in (f"{DECODER}/config.json", PROJECTION):
        if not (folder / name).exists():
            raise UsageError(f"{folder}: {name} is missing; expected a directory that `mmtrain export` wrote")
    tokenizer = chat.tokenizer_of(folder)
    vlm = chat.load(folder, dtype)
    decoder = kind_of(folder / DECODER).load(folder / DECODER, dtype)
    model = Grounded(vlm, decoder, tokenizer.convert_tokens_to_ids(SEG), Losses()).to(dtype)
    model.projection.load_state_dict(load_file(folder / PROJECTION))
    return model.eval()


def groups(model: Any, settings: Settings) -> list[dict[str, Any]]:
    """Optimizer groups: those of the language model, and the image encoder, the decoder and the projection of masks."""
    own = section(settings)
    rates = {
        "mask encoder": own.encoder.learning_rate,
        "mask decoder": own.decoder.learning_rate,
        "projection": own.projection.learning_rate,
    }
    named = [
        ("mask encoder" if name.startswith("vision_encoder.") else "mask decoder", weight)
        for name, weight in model.decoder.named_parameters()
    ]
    named += [("projection", weight) for weight in model.projection.parameters()]
    return parameter_groups(model.vlm, settings) + grouped(named, rates, settings)


def loss(model: Any, batch: Batch) -> dict[str, Term]:
    """Cross entropy of tokens, and of masks each term with a weight; while evaluating also how masks overlap."""
    inputs = dict(batch.inputs)
    truth, sizes = inputs.pop("mask_targets", None), inputs.pop("mask_sizes", None)
    nll, output = forward_nll(model, inputs, batch.labels, batch.weights)
    module = getattr(model, "module", model)
    weights = module.losses
    names = [name for name in ("bce", "dice", "focal") if getattr(weights, name)]
    sums = {name: output.nothing.float() for name in names}
    if not module.training:
        sums |= {name: output.nothing.double() for name in MEASURES}
    if truth is not None and sizes is not None:
        for logits, mask in _pairs(output.masks, truth, sizes, inputs["mask_counts"]):
            from mmtrain.heads.mask_losses import mask_losses, overlap, resized

            full = resized(logits, (mask.shape[1], mask.shape[2]))
            found = mask_losses(full, mask, weights)
            if not module.training:
                found |= overlap(full, mask)
            for name, value in found.items():
                sums[name] = sums[name] + value
    terms = {name: Term(value, UNIT, getattr(weights, name, 0.0)) for name, value in sums.items()}
    return {"ce": Term(nll, LABEL, weights.ce), **terms}


MEASURES = ("intersection", "union", "iou", "recall")
"""What evaluations add up besides the losses (see `mmtrain.heads.mask_losses.overlap`)."""


def summary(means: dict[str, float]) -> dict[str, float]:
    """Of an evaluation with the answers of the data: cIoU, gIoU and the share of masks with an IoU of 0.5 or more."""
    union = means["union"]
    return {
        "ciou": means["intersection"] / union if union else 1.0,
        "giou": means["iou"],
        "recall": means["recall"],
    }


def _pairs(masks: torch.Tensor, truth: torch.Tensor, sizes: torch.Tensor, counts: torch.Tensor) -> Any:
    """Of each picture its mask logits (n, h, w) and true masks (n, H, W)."""
    at = start = 0
    for (height, width), count in zip(sizes.tolist(), counts.tolist(), strict=True):
        end = start + count * height * width
        yield masks[at : at + count], truth[start:end].view(count, height, width)
        at, start = at + count, end
