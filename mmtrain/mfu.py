"""MFU: the arithmetic that a step needs, as a share of what the GPU could do in its time.

Counted for each part of the model, of what the samples need and not of what is done for them (no padding, nothing computed
twice for gradient checkpointing):

- forward: 2 operations for each weight of a matrix and each token (of vision: each patch; of the output layer: each label);
- backward, activations: the same again, where the part or one before it is trained;
- backward, weights: 2 for each *trained* weight and token;
- attention of the language model: 2 x tokens² x width for each sample and layer (causal), and of vision encoders that take
  tiles 4 x patches² x width for each tile and layer; twice that backward. Of window attention nothing is counted.

Adapters count with their own small matrices. The gradient of a first trained layer's input, which nothing needs, is
counted too: a few per cent of a tiny model, nothing of a real one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mmtrain.families import PartName, family_of
from mmtrain.parts import PARTS, part_of

if TYPE_CHECKING:
    from mmtrain.data.collate import Batch

PEAKS: dict[str, float] = {
    "B200": 2250.0,
    "H200": 989.4,
    "H100 PCIe": 756.4,
    "H100 NVL": 835.5,
    "H100": 989.4,
    "H800": 989.4,
    "H20": 148.0,
    "GH200": 989.4,
    "A100": 311.8,
    "A800": 311.8,
    "A40": 149.7,
    "A30": 165.0,
    "A10G": 70.0,
    "A10": 125.0,
    "L40S": 362.1,
    "L40": 181.1,
    "L20": 119.5,
    "L4": 121.0,
    "RTX 6000 Ada": 364.2,
    "RTX A6000": 154.8,
    "RTX 4090": 165.2,
    "RTX 3090": 71.2,
}
"""Peak of dense bfloat16 arithmetic by GPU, in 10^12 operations a second, from the makers' data sheets."""


def peak(device: str) -> float | None:
    """Operations a second of a GPU in 16 bits; None if it is not known.

    Args:
        device: as torch names it, for example ``NVIDIA H100 80GB HBM3``.
    """
    words = re.sub(r"[-_]", " ", device)
    # The longest name first: an H100 PCIe is no H100, an L40S no L40.
    for name in sorted(PEAKS, key=len, reverse=True):
        if re.search(rf"\b{name}\b", words):
            return PEAKS[name] * 1e12
    return None


@dataclass(slots=True)
class _Part:
    weights: int = 0
    trained: int = 0


@dataclass(slots=True)
class Meter:
    """Adds up the operations of batches.

    Attributes:
        parts: weights of matrices by part, embedding and output layer left out.
        head: the output layer.
        layers: of the language model.
        width: of its attention: heads times their size.
        patch: (height, width) of a patch, of vision encoders that take tiles.
        vision: (layers, width) of them.
        merge: patches that become a token.
        flops: operations so far.
    """

    parts: dict[PartName, _Part]
    head: _Part
    layers: int
    width: int
    patch: int
    vision: tuple[int, int]
    merge: int
    flops: float = field(default=0.0)

    @classmethod
    def of(cls, model: Any) -> Meter:
        """The meter of a model, with adapters or without, sharded or whole."""
        config = model.config
        family = family_of(config.model_type)
        text, vision = config.text_config, config.vision_config
        parts: dict[PartName, _Part] = {name: _Part() for name in PARTS}
        head = _Part()
        seen_head = False
        for name, weight in model.named_parameters():
            shape = getattr(weight, "ds_shape", weight.shape)  # ZeRO-3 leaves an empty tensor in place
            if len(shape) < 2 or ("embed" in name and "patch" not in name and "lm_head" not in name):
                continue
            count = int(getattr(weight, "ds_numel", weight.numel()))
            at = head if "lm_head" in name else parts[part_of(name, family)]
            seen_head |= at is head
            at.weights += count
            at.trained += count * weight.requires_grad
        if not seen_head:  # it shares the embedding's weights
            head.weights = text.vocab_size * text.hidden_size
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        patch = vision.patch_size
        depth: Any = getattr(vision, "num_hidden_layers", None) or getattr(vision, "depth", 0)
        return cls(
            parts=parts,
            head=head,
            layers=text.num_hidden_layers,
            width=text.num_attention_heads * size,
            patch=patch[0] if isinstance(patch, (list, tuple)) else patch,
            vision=(int(depth), int(vision.hidden_size)),
            merge=getattr(vision, "spatial_merge_size", 1) ** 2,
        )

    def add(self, batch: Batch) -> None:
        """Count a batch, forward and backward."""
        inputs = batch.inputs
        if "cu_seq_lens_q" in inputs:
            lengths = [b - a for a, b in pairwise(inputs["cu_seq_lens_q"].tolist())]
        else:
            lengths = inputs["attention_mask"].sum(1).tolist()
        tokens = sum(lengths)
        pixels = inputs.get("pixel_values")
        patches, each = 0, 0
        if pixels is not None and pixels.ndim == 4:
            each = (pixels.shape[2] // self.patch) * (pixels.shape[3] // self.patch)
            patches = pixels.shape[0] * each
        elif pixels is not None:
            patches = pixels.shape[0]
        trained = {name: self.parts[name].trained > 0 for name in PARTS}
        behind: dict[PartName, bool] = {
            "vision": trained["vision"],
            "projector": trained["vision"] or trained["projector"],
            "language": any(trained.values()),
        }
        amounts: dict[PartName, float] = {
            "vision": patches,
            "projector": patches / self.merge,
            "language": tokens,
        }
        total = 0.0
        for name in PARTS:
            one = self.parts[name]
            total += 2 * amounts[name] * (one.weights * (1 + behind[name]) + one.trained)
        labels = int((batch.labels != -100).sum())
        total += (
            2
            * labels
            * (self.head.weights * (1 + (behind["language"] or self.head.trained > 0)) + self.head.trained)
        )
        total += 2 * sum(n * n for n in lengths) * self.width * self.layers * (1 + 2 * behind["language"])
        total += 4 * patches * each * self.vision[1] * self.vision[0] * (1 + 2 * behind["vision"])
        self.flops += total

    def take(self) -> float:
        """Operations since the last call."""
        found, self.flops = self.flops, 0.0
        return found


def meter_of(model: Any, recipe: str, dtype: str) -> tuple[Meter | None, float | None]:
    """The meter of this process and its GPU's peak; None where MFU is not known.

    Not on CPUs, nor on GPUs whose peak is not in `PEAKS`, in float32, or for recipes with heads that are not counted.
    """
    import torch

    if recipe != "chat" or dtype == "fp32" or not torch.cuda.is_available():
        return None, None
    best = peak(torch.cuda.get_device_name())
    return (Meter.of(model), best) if best is not None else (None, None)
