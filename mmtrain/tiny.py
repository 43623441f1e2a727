"""Complete tiny model directories with random weights: what tests, the demo and a first try need instead of a hub.

One function a family; each makes a config of some ten thousand weights, a byte-level BPE tokenizer trained on a given
text, an image processor, a video processor's settings and a chat template generated from `mmdata.templates`. The
directory loads offline with ``AutoProcessor`` and ``AutoModelForImageTextToText``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mmdata.errors import UnknownName, UsageError
from mmdata.templates import get_template
from mmtrain.disk import written

TEXT = (
    "Where is the white tank? The white tank is on the left.",
    "Describe the image. A red circle lies above a blue square.",
    "How many buildings are there? There are 12 buildings.",
    "left right top bottom object mask region video frame scene",
    "<ref>the white tank</ref><box>[[12, 345, 678, 90]]</box>",
    "system user assistant Frame-1: Frame-2: 0123456789",
)
"""What the tokenizer is trained on if nothing is given."""

MARKS = ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "[SEG]", "<p>", "</p>", "<region>"]
"""Special tokens of grounding, one id each."""

PATCH = 14
_IMAGENET: dict[str, Any] = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_HALF: dict[str, Any] = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How big a tiny model is.

    Attributes:
        hidden_size: of the language model; the vision encoder has the same.
        layers: of the language model; the vision encoder has two.
        heads: attention heads.
        vocab_size: at most; special tokens come on top.
        tile: side of a tile in pixels, a multiple of 28.
        deviation: standard deviation of the language model's first weights.
    """

    hidden_size: int = 32
    layers: int = 2
    heads: int = 2
    vocab_size: int = 400
    tile: int = 28
    deviation: float = 0.02


@dataclass(frozen=True, slots=True)
class Made:
    """What was built: the directory, its number of weights and its vocabulary."""

    directory: Path
    weights: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """A family's model, image processor, and the settings of its processor and video processor."""

    model: Any
    image_processor: Any
    processor: dict[str, Any]
    video: dict[str, Any]


def families() -> list[str]:
    """Every family that `make_tiny` can build."""
    return sorted(_FAMILIES)


def make_tiny(
    family: str,
    directory: str | Path,
    *,
    text: Iterable[str] | None = None,
    seed: int = 0,
    shape: Shape = Shape(),
    force: bool = False,
) -> Made:
    """Build a tiny random model.

    Args:
        family: see `families`.
        directory: where to; made with its parents.
        text: what the tokenizer is trained on.
        seed: of the weights; the same seed gives the same directory.
        shape: how big.
        force: replace a directory that is there.

    Raises:
        UnknownName: no such family.
        UsageError: something is there already, or the tile is no multiple of 28.
    """
    if family not in _FAMILIES:
        raise UnknownName("family", family, _FAMILIES)
    if shape.tile % (2 * PATCH) or shape.tile < 1:
        raise UsageError(f"tile: expected a multiple of {2 * PATCH} pixels, got {shape.tile}")
    if shape.layers < 1 or shape.vocab_size < 1 or not 0 <= seed < 2**63:
        raise UsageError("layers, vocab_size: expected 1 or more; seed: 0 to 2**63 - 1")
    if shape.hidden_size < 1 or shape.hidden_size % (shape.heads * 16):
        raise UsageError(
            f"hidden_size: expected a multiple of 16 × {shape.heads} heads, got {shape.hidden_size}"
        )
    path = Path(directory)
    if path.exists() and any(path.iterdir() if path.is_dir() else [path]) and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")
    import torch

    template, special, build = _FAMILIES[family]
    tokenizer = _tokenizer(list(text) if text is not None else list(TEXT), special, shape.vocab_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = build(tokenizer, shape)
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    chat = get_template(template)
    # InternVL's processor puts the tags around the image token itself.
    jinja = chat.jinja(chat.image_token if family == "internvl" else None)
    with written(partial, remove=True):
        parts.model.save_pretrained(partial)
        _save_processor(parts, tokenizer, jinja, partial)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    return Made(path, parts.model.num_parameters(), len(tokenizer))


def _tokenizer(text: list[str], special: list[str], size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    transformers: Any = import_module("transformers")

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(text * 4 if len(text) < 100 else text, trainer)
    named = (
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        }
        if "<IMG_CONTEXT>" in special
        else {}
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text
        pad_token="<|endoftext|>",  # noqa: S106 - a token of text
        model_max_length=4096,
        extra_special_tokens=named,
    )
    tokenizer.add_special_tokens(
        {"extra_special_tokens": ["<|im_start|>", *special, *MARKS]}, replace_extra_special_tokens=False
    )
    return tokenizer


def _language(tokenizer: Any, shape: Shape, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden_size,
        "intermediate_size": 2 * shape.hidden_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": 4096,
        "initializer_range": shape.deviation,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        **more,
    }


def _internvl(tokenizer: Any, shape: Shape) -> _Parts:
    t: Any = import_module("transformers")

    size = {"height": shape.tile, "width": shape.tile}
    tokens = (shape.tile // PATCH) ** 2 // 4
    config = t.InternVLConfig(
        vision_config={
            "hidden_size": shape.hidden_size,
            "num_hidden_layers": 2,
            "num_attention_heads": shape.heads,
            "intermediate_size": 2 * shape.hidden_size,
            "image_size": [shape.tile, shape.tile],
            "patch_size": [PATCH, PATCH],
        },
        text_config=_language(tokenizer, shape, model_type="qwen2"),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=tokens,
        tie_word_embeddings=False,
    )
    image = t.GotOcr2ImageProcessorPil(
        size=size, crop_to_patches=True, min_patches=1, max_patches=12, **_IMAGENET
    )
    return _Parts(
        t.InternVLForConditionalGeneration(config),
        image,
        {"processor_class": "InternVLProcessor", "image_seq_length": tokens},
        {"video_processor_type": "InternVLVideoProcessor", "size": size, **_IMAGENET},
    )


def _qwen2_vl(tokenizer: Any, shape: Shape) -> _Parts:
    vision = {"embed_dim": shape.hidden_size, "hidden_size": shape.hidden_size, "mlp_ratio": 2}
    return _qwen("Qwen2VL", tokenizer, shape, vision)


def _qwen2_5_vl(tokenizer: Any, shape: Shape) -> _Parts:
    vision = {
        "hidden_size": shape.hidden_size,
        "intermediate_size": 2 * shape.hidden_size,
        "out_hidden_size": shape.hidden_size,
        "window_size": 4 * PATCH,
        "fullatt_block_indexes": [1],
    }
    return _qwen("Qwen2_5_VL", tokenizer, shape, vision)


def _qwen(name: str, tokenizer: Any, shape: Shape, vision: dict[str, Any]) -> _Parts:
    """What the two Qwen-VL families share; `name` begins their classes, `vision` is what their encoders differ in."""
    t: Any = import_module("transformers")

    ids = tokenizer.convert_tokens_to_ids
    half = shape.hidden_size // shape.heads // 2
    sections = [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]
    config = getattr(t, f"{name}Config")(
        text_config=_language(
            tokenizer,
            shape,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections},
        ),
        vision_config={
            "depth": 2,
            "num_heads": shape.heads,
            "patch_size": PATCH,
            "spatial_merge_size": 2,
            **vision,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    edges = {"shortest_edge": (2 * PATCH) ** 2, "longest_edge": (2 * PATCH) ** 2 * 16}
    return _Parts(
        getattr(t, f"{name}ForConditionalGeneration")(config),
        t.Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=2, size=edges),
        {"processor_class": f"{name}Processor"},
        {"video_processor_type": "Qwen2VLVideoProcessor", "patch_size": PATCH, "merge_size": 2},
    )


def _llava_onevision(tokenizer: Any, shape: Shape) -> _Parts:
    t: Any = import_module("transformers")

    ids = tokenizer.convert_tokens_to_ids
    size = {"height": shape.tile, "width": shape.tile}
    grids = [[a * shape.tile, b * shape.tile] for a in range(1, 4) for b in range(1, 4)]
    config = t.LlavaOnevisionConfig(
        text_config=_language(tokenizer, shape, model_type="qwen2"),
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": shape.hidden_size,
            "num_hidden_layers": 3,
            "num_attention_heads": shape.heads,
            "intermediate_size": 2 * shape.hidden_size,
            "image_size": shape.tile,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        image_token_index=ids("<image>"),
        video_token_index=ids("<video>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        vision_aspect_ratio="anyres_max_9",
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
    )
    return _Parts(
        t.LlavaOnevisionForConditionalGeneration(config),
        t.LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=grids, **_HALF),
        {
            "processor_class": "LlavaOnevisionProcessor",
            "num_image_tokens": (shape.tile // PATCH) ** 2,
            "vision_feature_select_strategy": "full",
            "image_token": "<image>",
            "video_token": "<video>",
            "vision_aspect_ratio": "anyres_max_9",
        },
        {"video_processor_type": "LlavaOnevisionVideoProcessor", "size": size, **_HALF},
    )


_QWEN = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]

_FAMILIES: dict[str, tuple[str, list[str], Callable[[Any, Shape], _Parts]]] = {
    "internvl": ("internvl2_5", ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"], _internvl),
    "qwen2_vl": ("qwen2-vl", _QWEN, _qwen2_vl),
    "qwen2_5_vl": ("qwen2-vl", _QWEN, _qwen2_5_vl),
    "llava_onevision": ("llava-onevision", ["<image>", "<video>"], _llava_onevision),
}
"""Family -> (chat template, special tokens, how it is built)."""


def _save_processor(parts: _Parts, tokenizer: Any, template: str, path: Path) -> None:
    """Write what ``AutoProcessor`` reads, the video part included where torchvision, which builds it, is missing."""
    tokenizer.save_pretrained(path)
    (path / "chat_template.jinja").write_text(template, "utf-8")
    image = parts.image_processor.to_dict()
    name = parts.processor["processor_class"]
    image["processor_class"] = name
    (path / "preprocessor_config.json").write_text(json.dumps(image, indent=2), "utf-8")
    video = {**parts.video, "processor_class": name}
    (path / "video_preprocessor_config.json").write_text(json.dumps(video, indent=2), "utf-8")
    (path / "processor_config.json").write_text(json.dumps(parts.processor, indent=2), "utf-8")
    tokenizer_config = json.loads((path / "tokenizer_config.json").read_text("utf-8"))
    tokenizer_config["processor_class"] = name
    (path / "tokenizer_config.json").write_text(
        json.dumps(tokenizer_config, indent=2, ensure_ascii=False), "utf-8"
    )


def load_processor(directory: str | Path) -> Any:
    """``AutoProcessor``, also where torchvision is missing; then without the video processor, which needs it.

    Raises:
        UsageError: there is no processor.
    """
    transformers: Any = import_module("transformers")
    if import_module("transformers.utils").is_torchvision_available():
        return transformers.AutoProcessor.from_pretrained(directory, local_files_only=True)
    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = Path(directory) / file
        name = json.loads(path.read_text("utf-8")).get("processor_class") if path.exists() else None
        if name:
            break
    else:
        raise UsageError(f"{directory}: no file there names a processor_class")
    cls = getattr(transformers, name)
    kept = [a for a in cls.get_attributes() if a != "video_processor"]
    # The same name and module: the processor's own loader looks itself up by them.
    plain: Any = type(
        name, (cls,), {"get_attributes": classmethod(lambda _: kept), "__module__": cls.__module__}
    )
    return plain.from_pretrained(directory, local_files_only=True)
