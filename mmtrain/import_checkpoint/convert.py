"""The whole directory: config, weights, tokenizer, image processor, chat template."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdata.errors import DataError, UsageError
from mmtrain.disk import written
from mmtrain.import_checkpoint.backbones import backbone_of

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


@dataclass(slots=True)
class Imported:
    """What was written.

    Attributes:
        directory: the native model.
        weights: number of weights.
        backbone: class name of the released language model.
        template: name of the chat template that the model was released with.
        problems: what could not be taken over and must be brought by hand.
    """

    directory: Path
    weights: int
    backbone: str
    template: str
    problems: list[str] = field(default_factory=list)


def import_checkpoint(source: str | Path, output: str | Path, *, force: bool = False) -> Imported:
    """Turn a released InternVL2 or InternVL2.5 directory into a native one.

    Args:
        source: the directory as downloaded: ``config.json``, weights, tokenizer.
        output: the directory to write.
        force: replace what is there.

    Raises:
        UsageError: no such directory, something is there already, or the model is not supported; names what.
        DataError: weights are missing or unknown.
    """
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    source, final = Path(source), Path(output)
    if final.exists() and not force:
        raise UsageError(f"{final}: is there already; --force replaces it")
    released = _json(source / "config.json")
    plain = native_config(released)
    _weight_files(source)  # told before anything is built
    plain["image_token_id"] = _image_token(source)
    config = InternVLConfig(**plain)
    with torch.device("meta"):
        model = InternVLForConditionalGeneration(config)
    weights = dict(native_weights(_tensors(source), released))
    if config.tie_word_embeddings:
        weights.setdefault("lm_head.weight", weights["model.language_model.embed_tokens.weight"])
    wanted = model.state_dict()
    missing, unknown = sorted(set(wanted) - set(weights)), sorted(set(weights) - set(wanted))
    if missing or unknown:
        raise DataError(f"{source}: weights missing: {missing[:3]}; weights without a place: {unknown[:3]}")
    wrong = [k for k, v in weights.items() if v.shape != wanted[k].shape]
    if wrong:
        k = wrong[0]
        raise DataError(f"{source}: {k} is {tuple(weights[k].shape)}, expected {tuple(wanted[k].shape)}")
    model.load_state_dict(weights, assign=True)
    partial = final.with_name(final.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # Buffers of the meta model (rotary frequencies) are computed anew by whoever loads it; weights alone are saved.
        with written(partial):
            model.save_pretrained(partial)
        template = str(released.get("template", "internvl2_5"))
        problems = _tokenizer(source, partial, template)
        _image_processor(partial, released)
        if final.is_dir():
            shutil.rmtree(final)
        os.replace(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    count = sum(v.numel() for v in weights.values())
    return Imported(final, count, released["llm_config"]["architectures"][0], template, problems)


def native_config(released: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``InternVLConfig``, the image token's id left out.

    Raises:
        UsageError: something in the released config is not supported; names what.
    """
    if released.get("architectures") != ["InternVLChatModel"]:
        raise UsageError(f"architectures: expected InternVLChatModel, got {released.get('architectures')}")
    for key, wanted in (
        ("ps_version", "v2"),
        ("select_layer", -1),
        ("use_backbone_lora", 0),
        ("use_llm_lora", 0),
    ):
        if released.get(key, wanted) != wanted:
            raise UsageError(f"{key}: {released[key]} is not supported, only {wanted}")
    vision, llm = released["vision_config"], released["llm_config"]
    eps = vision.get("layer_norm_eps", 1e-6)
    if vision.get("qk_normalization", False) and eps != 1e-6:
        raise UsageError(
            f"vision_config.layer_norm_eps: {eps} with qk_normalization is not supported, only 1e-06"
        )
    size, patch = vision.get("image_size", 448), vision.get("patch_size", 14)
    if released.get("force_image_size") not in (None, size):
        raise UsageError(
            f"force_image_size: {released['force_image_size']} differs from the vision encoder's {size}"
        )
    ratio = released.get("downsample_ratio", 0.5)
    return {
        "vision_config": {
            "hidden_size": vision["hidden_size"],
            "num_hidden_layers": vision["num_hidden_layers"],
            "num_attention_heads": vision["num_attention_heads"],
            "intermediate_size": vision["intermediate_size"],
            "image_size": [size, size],
            "patch_size": [patch, patch],
            "hidden_act": vision.get("hidden_act", "gelu"),
            "layer_norm_eps": eps,
            "norm_type": vision.get("norm_type", "layer_norm"),
            "attention_bias": vision.get("qkv_bias", True),
            "use_qk_norm": vision.get("qk_normalization", False),
            "use_mean_pooling": True,  # no norm after the last layer
        },
        "text_config": backbone_of(llm).config(llm),
        "downsample_ratio": ratio,
        "image_seq_length": int((size // patch) ** 2 * ratio**2),
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": llm.get("tie_word_embeddings", False),
    }


_VISION = {
    r"embeddings\.class_embedding": "embeddings.cls_token",
    r"embeddings\.position_embedding": "embeddings.position_embeddings",
    r"embeddings\.patch_embedding\.": "embeddings.patch_embeddings.projection.",
    r"encoder\.layers\.(\d+)\.attn\.proj\.": r"encoder.layer.\1.attention.projection_layer.",
    r"encoder\.layers\.(\d+)\.attn\.([qk])_norm\.": r"encoder.layer.\1.attention.\2_norm.",
    r"encoder\.layers\.(\d+)\.mlp\.": r"encoder.layer.\1.mlp.",
    r"encoder\.layers\.(\d+)\.norm1\.": r"encoder.layer.\1.layernorm_before.",
    r"encoder\.layers\.(\d+)\.norm2\.": r"encoder.layer.\1.layernorm_after.",
    r"encoder\.layers\.(\d+)\.ls([12])": r"encoder.layer.\1.lambda_\2",
}
_PROJECTOR = {"0": "layer_norm", "1": "linear_1", "3": "linear_2"}


def native_weights(weights: Iterable[tuple[str, Any]], released: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Released weights under their native names.

    Raises:
        UsageError: a weight has no place that is known here.
    """
    llm = released["llm_config"]
    backbone = backbone_of(llm)
    for name, tensor in weights:
        part, _, rest = name.partition(".")
        if part == "language_model":
            yield from backbone.weights(rest, tensor, llm)
        elif part == "mlp1" and rest.split(".")[0] in _PROJECTOR:
            number, kind = rest.split(".")
            yield f"model.multi_modal_projector.{_PROJECTOR[number]}.{kind}", tensor
        elif part == "vision_model":
            yield from _vision(rest, tensor)
        else:
            raise UsageError(f"{name}: no weight of InternVL that is known here")


def _vision(name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    fused = re.fullmatch(r"encoder\.layers\.(\d+)\.attn\.qkv\.(weight|bias)", name)
    if fused:
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            # Of its own memory: what shares memory is not saved.
            yield (
                f"model.vision_tower.encoder.layer.{fused[1]}.attention.{letter}_proj.{fused[2]}",
                part.clone(),
            )
        return
    for pattern, native in _VISION.items():
        if re.match(pattern, name):
            yield "model.vision_tower." + re.sub(pattern, native, name, count=1), tensor
            return
    raise UsageError(f"vision_model.{name}: no weight of InternViT that is known here")


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from None
    return found


def _weight_files(source: Path) -> list[Path]:
    """Weight files, all of those that the index names.

    Raises:
        UsageError: there are none, or one of them is missing.
    """
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (source / index).exists():
            files = [source / name for name in sorted(set(_json(source / index)["weight_map"].values()))]
            gone = [file.name for file in files if not file.exists()]
            if gone:
                raise UsageError(f"{source}: {len(gone)} of {len(files)} weight files are missing: {gone[0]}")
            return files
        if (source / single).exists():
            return [source / single]
    raise UsageError(f"{source}: no weights there (model.safetensors or pytorch_model.bin)")


def _tensors(source: Path) -> Iterator[tuple[str, Any]]:
    import torch
    from safetensors.torch import load_file

    for file in _weight_files(source):
        loaded = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
        yield from loaded.items()


def _image_token(source: Path) -> int:
    """Id of ``<IMG_CONTEXT>``, from whichever tokenizer file tells it."""
    added = source / "added_tokens.json"
    if added.exists() and "<IMG_CONTEXT>" in (ids := _json(added)):
        return int(ids["<IMG_CONTEXT>"])
    for name, key in (("tokenizer_config.json", "added_tokens_decoder"), ("tokenizer.json", "added_tokens")):
        if not (source / name).exists():
            continue
        tokens = _json(source / name).get(key, {})
        pairs = tokens.items() if isinstance(tokens, dict) else ((t["id"], t) for t in tokens)
        for number, token in pairs:
            if token["content"] == "<IMG_CONTEXT>":
                return int(number)
    raise UsageError(f"{source}: no tokenizer file there tells the id of <IMG_CONTEXT>")


def _tokenizer(source: Path, output: Path, template: str) -> list[str]:
    """Take over the tokenizer without its remote code; what is wrong with it afterwards."""
    from transformers import AutoTokenizer

    from mmdata.templates import get_template, template_names

    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copy2(source / name, output / name)
    config_file = output / "tokenizer_config.json"
    if config_file.exists():
        config = _json(config_file)
        if config.pop("auto_map", None) is not None and (output / "tokenizer.json").exists():
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        config_file.write_text(json.dumps(config, indent=2, ensure_ascii=False), "utf-8")
    if template in template_names():
        (output / "chat_template.jinja").write_text(get_template(template).jinja(), "utf-8")
    has_fast = (output / "tokenizer.json").exists() or (
        (output / "vocab.json").exists() and (output / "merges.txt").exists()
    )
    if not has_fast:
        return [
            f"{source}: no tokenizer.json (or vocab.json with merges.txt): labels need a fast tokenizer; "
            "write one with the released tokenizer's fast class and put it beside the weights"
        ]
    try:
        tokenizer = AutoTokenizer.from_pretrained(output, local_files_only=True)
        one = len(tokenizer.encode("<IMG_CONTEXT>", add_special_tokens=False)) == 1
    except (OSError, ValueError, KeyError) as error:
        return [f"tokenizer: cannot be loaded without remote code: {error}"]
    return [] if one else ["tokenizer: <IMG_CONTEXT> is not one token"]


def _image_processor(output: Path, released: dict[str, Any]) -> None:
    side = released["vision_config"].get("image_size", 448)
    config = {
        "image_processor_type": "GotOcr2ImageProcessor",
        "size": {"height": side, "width": side},
        "crop_to_patches": bool(released.get("dynamic_image_size", True)),
        "min_patches": released.get("min_dynamic_patch", 1),
        "max_patches": released.get("max_dynamic_patch", 12),
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
    }
    (output / "preprocessor_config.json").write_text(json.dumps(config, indent=2), "utf-8")
