"""Parts of a model: vision, projector, language. Which are trained, how, and at what learning rate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mmdata.errors import UsageError
from mmtrain.families import Family, PartName, family_of
from mmtrain.peft_rows import rows_without_cuda
from mmtrain.settings import Settings

PARTS: tuple[PartName, ...] = ("vision", "projector", "language")


def part_of(name: str, family: Family) -> PartName:
    """The part that a parameter or module belongs to."""
    if re.search(family.projector, name):
        return "projector"
    return "vision" if re.search(family.vision, name) else "language"


def apply_parts(model: Any, settings: Settings, tokenizer: Any, *, alone: bool = True) -> Any:
    """Freeze, thaw and adapt the parts as the settings say.

    Args:
        model: a Hugging Face image-text-to-text model.
        settings: `vision`, `projector`, `language` and `lora` count.
        tokenizer: tells the ids of new tokens.
        alone: whether nothing else is trained beside; if so, something here must be.

    Returns:
        The model, inside peft's wrapper if any part has adapters.

    Raises:
        UsageError: nothing would be trained, or adapters find no layer.
    """
    family = family_of(model.config.model_type)
    tuning = {part: getattr(settings, part) for part in PARTS}
    adapted: list[PartName] = [part for part in PARTS if tuning[part].tuning == "lora"]
    if adapted:
        model = _adapt(model, settings, tokenizer, family, adapted)
    last = _first_trained_layer(model, family, settings.vision.last_layers)
    saved = re.compile("|".join(map(re.escape, settings.lora.modules_to_save)) or r"(?!)")
    for name, weight in model.named_parameters():
        own = "lora_" in name or "modules_to_save" in name or "trainable_tokens" in name
        if own or (adapted and saved.search(name)):
            continue
        part = part_of(name, family)
        trained = tuning[part].tuning == "full"
        if part == "vision" and trained and settings.vision.last_layers is not None:
            layer = re.search(family.layer, name)
            trained = layer is not None and int(layer[1]) >= last
        weight.requires_grad_(trained)
    if alone and not any(p.requires_grad for p in model.parameters()):
        raise UsageError(
            "every part is frozen: nothing to train; set `full` or `lora` for vision, projector or language"
        )
    return model


def _first_trained_layer(model: Any, family: Family, count: int | None) -> int:
    numbers = {int(m[1]) for name, _ in model.named_parameters() if (m := re.search(family.layer, name))}
    if count is None:
        return 0
    if not 1 <= count <= len(numbers):
        raise UsageError(f"vision.last_layers: {count}; the model has {len(numbers)} vision layers")
    return max(numbers) + 1 - count


def _adapt(model: Any, settings: Settings, tokenizer: Any, family: Family, parts: list[PartName]) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    targets = lora.target_modules or "|".join(f"(?:{family.targets[part]})" for part in parts)
    if not any(re.fullmatch(targets, name) for name, _ in model.named_modules()):
        raise UsageError(f"lora.target_modules: {targets} matches no layer of the model")
    names = [name for name, _ in model.named_modules()]
    # As peft matches them; it passes over those that match nothing.
    nowhere = [one for one in lora.modules_to_save if not any(name.endswith(one) for name in names)]
    if nowhere:
        raise UsageError(f"lora.modules_to_save: {', '.join(nowhere)}: no module of the model has this name")
    rows = None
    if lora.new_tokens:
        ids = [tokenizer.convert_tokens_to_ids(token) for token in lora.new_tokens]
        unknown = [
            t for t, i in zip(lora.new_tokens, ids, strict=True) if i is None or i == tokenizer.unk_token_id
        ]
        if unknown:
            raise UsageError(f"lora.new_tokens: the tokenizer does not know {', '.join(map(repr, unknown))}")
        tied = getattr(model.config, "tie_word_embeddings", False)
        rows = {"embed_tokens": ids} | ({} if tied else {"lm_head": ids})
        rows_without_cuda()
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        modules_to_save=list(lora.modules_to_save) or None,
        trainable_token_indices=rows,
    )
    # ZeRO-3 builds the model with other draws than the rest: adapters must start the same in every stage.
    torch.manual_seed(settings.seed)
    return get_peft_model(model, config, autocast_adapter_dtype=False)


def parameter_groups(model: Any, settings: Settings) -> list[dict[str, Any]]:
    """Optimizer groups by part and by weight decay; biases and norms are not decayed.

    Each has ``base_lr``, the learning rate at the schedule's top, and ``name``.
    """
    family = family_of(model.config.model_type)
    rates: dict[str, float | None] = {part: getattr(settings, part).learning_rate for part in PARTS}
    named = ((part_of(name, family), weight) for name, weight in model.named_parameters())
    return grouped(named, rates, settings)


def grouped(
    weights: Iterable[tuple[str, Any]], rates: Mapping[str, float | None], settings: Settings
) -> list[dict[str, Any]]:
    """Optimizer groups of (part, weight) pairs; what is not trained is left out.

    Args:
        weights: every weight with the part that it belongs to.
        rates: learning rate of each part; None takes the run's.
        settings: the run's learning rate and weight decay.
    """
    groups: dict[tuple[str, bool], list[Any]] = {}
    for part, weight in weights:
        if weight.requires_grad:
            shape = getattr(weight, "ds_shape", weight.shape)  # ZeRO-3 leaves an empty tensor in place
            groups.setdefault((part, len(shape) > 1), []).append(weight)
    found = []
    for (part, decayed), own in sorted(groups.items(), key=lambda item: item[0]):
        rate = rates[part]
        rate = settings.learning_rate if rate is None else rate
        found.append(
            {
                "params": own,
                "lr": rate,
                "base_lr": rate,
                "weight_decay": settings.weight_decay if decayed else 0.0,
                "name": part if decayed else f"{part}, not decayed",
            }
        )
    return found
