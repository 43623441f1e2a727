"""The rules by which a mask gets another size, by name, for pixels, runs and rings alike.

=================  ====================================================================================================
rule               exactly
=================  ====================================================================================================
``nearest``        ``torch.nn.functional.interpolate(mode="nearest")`` to that size
``nearest-exact``  ``torch.nn.functional.interpolate(mode="nearest-exact")``
``pil-nearest``    ``PIL.Image.resize(resample=NEAREST)``
``cv2-nearest``    ``cv2.resize(interpolation=cv2.INTER_NEAREST)``
``cv2-area``       ``cv2.resize(mask * 255, interpolation=cv2.INTER_AREA) > 127``: half of the pixel or more is covered
``cv2-linear``     ``cv2.resize(mask * 255, interpolation=cv2.INTER_LINEAR) > 127``
``scaled-rings``   *not* a resize: the points are scaled and drawn at the new size. Rings only; faster, approximate
=================  ====================================================================================================
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from mmdata.errors import UnknownName
from mmdata.masks.run_lengths import Runs

PickRule = Literal["nearest", "nearest-exact", "pil-nearest", "cv2-nearest"]
ResizeRule = Literal[PickRule, "cv2-area", "cv2-linear", "scaled-rings"]
PICK_RULES: tuple[PickRule, ...] = get_args(PickRule)
RESIZE_RULES: tuple[ResizeRule, ...] = get_args(ResizeRule)


@lru_cache(maxsize=64)
def line_sources(old: int, new: int, rule: PickRule) -> Runs:
    """For every new row or column the old one that it is taken from, int64 (new,), ascending.

    Raises:
        UnknownName: there is no such rule that takes pixels.
    """
    if rule not in PICK_RULES:
        raise UnknownName("resize rule", rule, PICK_RULES)
    if rule == "cv2-nearest":
        import cv2

        line = np.arange(old, dtype=np.int32).view(np.float32).reshape(1, old)  # copied bit by bit
        taken: Runs = (
            cv2.resize(line, (new, 1), interpolation=cv2.INTER_NEAREST)[0].view(np.int32).astype(np.int64)
        )
    elif rule == "pil-nearest":
        from PIL import Image

        row = Image.fromarray(np.arange(old, dtype=np.int32).reshape(1, old))
        taken = np.array(row.resize((new, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
    else:
        # As torch computes it on the CPU: in single precision.
        scale = np.float32(old) / np.float32(new)
        at = np.arange(new, dtype=np.float32) + np.float32(0.5 if rule == "nearest-exact" else 0)
        taken = np.minimum(np.floor(at * scale).astype(np.int64), old - 1)
    taken.setflags(write=False)
    return taken
