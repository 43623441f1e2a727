"""A complete tiny SAM 2 with random weights: the mask decoder that tests and the example of grounding train."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mmdata.errors import UsageError
from mmtrain.disk import written

SIDE = 128
"""Side of the pictures it takes, in pixels."""

DEVIATION = 0.1
"""Of the initial weights. At the usual 0.02 a decoder this small stays for hundreds of steps where it began."""


def tiny_sam2(side: int = SIDE, width: int = 32) -> Any:
    """A random ``Sam2Model`` of about 350 thousand weights.

    Args:
        side: of the pictures it takes, in pixels, a multiple of 32.
        width: of the decoder.
    """
    t: Any = import_module("transformers")
    config = t.Sam2Config(
        vision_config={
            "initializer_range": DEVIATION,
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "initializer_range": DEVIATION,
                "hidden_size": 16,
                "num_attention_heads": 1,
                "image_size": [side, side],
                "patch_kernel_size": [7, 7],
                "patch_stride": [4, 4],
                "patch_padding": [3, 3],
                "window_positional_embedding_background_size": [4, 4],
                "num_query_pool_stages": 3,
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [16, 32, 64, 128],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": [128, 64, 32, 16],
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
            "fpn_hidden_size": width,
        },
        **tiny_decoder(side, width, patch=16),
    )
    return t.Sam2Model(config)


def tiny_decoder(side: int, width: int, patch: int) -> dict[str, Any]:
    """What the configs of SAM 2 and SAM 3 share: prompts, the mask decoder, first weights.

    Args:
        side: of the pictures, in pixels.
        width: of the decoder.
        patch: pixels on a side of what one coarse feature stands for.
    """
    return {
        "prompt_encoder_config": {
            "hidden_size": width,
            "image_size": side,
            "patch_size": patch,
            "mask_input_channels": 4,
        },
        "mask_decoder_config": {
            "hidden_size": width,
            "mlp_dim": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        "initializer_range": DEVIATION,
    }


def make_tiny_sam2(
    directory: str | Path, *, side: int = SIDE, width: int = 32, seed: int = 0, force: bool = False
) -> tuple[Path, int]:
    """Write a tiny random ``Sam2Model``.

    Args:
        directory: where to; made with its parents.
        side: see `tiny_sam2`.
        width: see `tiny_sam2`.
        seed: of the weights.
        force: replace a directory that is there.

    Returns:
        The directory, and how many weights.

    Raises:
        UsageError: something is there already, or the side is no multiple of 32.
    """
    if side < 64 or side % 32:
        raise UsageError(f"tile: expected a multiple of 32 pixels from 64, got {side}")
    return write_tiny(lambda: tiny_sam2(side, width), directory, seed=seed, force=force)


def write_tiny(
    build: Callable[[], Any], directory: str | Path, *, seed: int, force: bool
) -> tuple[Path, int]:
    """Write a model with random weights, whole or not at all.

    Args:
        build: makes the model.
        directory: where to; made with its parents.
        seed: of the weights.
        force: replace a directory that is there.

    Returns:
        The directory, and how many weights.

    Raises:
        UsageError: something is there already.
    """
    path = Path(directory)
    if path.exists() and any(path.iterdir() if path.is_dir() else [path]) and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with written(partial, remove=True):
        model.save_pretrained(partial)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    return path, model.num_parameters()
