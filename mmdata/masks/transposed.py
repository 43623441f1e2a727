"""Whether the runs of an RLE go down the columns, as they must, or along the rows, as numpy writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmdata.masks.rle import LIMIT_PIXELS, area, size_of, spans
from mmdata.masks.run_lengths import Runs


def reads_across(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> bool:
    """Whether the runs make far more sense with height and width exchanged.

    Either `size` is [width, height], or the pixels were flattened row by row. Told from the outline: read with the
    right height, neighbouring columns are alike. Square canvases tell nothing, nor do masks of a few pixels.

    Args:
        rle: a checked RLE.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        RLEError: it is no RLE.
    """
    height, width = size_of(rle, limit_pixels=limit_pixels)
    pixels = area(rle, limit_pixels=limit_pixels)
    if height == width or min(height, width) < 8 or pixels < 64 or height * width - pixels < 64:
        return False
    start, end = spans(rle, limit_pixels=limit_pixels)
    as_said, exchanged = _unlike(start, end, height), _unlike(start, end, width)
    # A compact shape differs from its shifted self along its outline only; a sheared one nearly everywhere.
    return as_said > 0.5 * min(pixels, height * width - pixels) and 4 * exchanged < as_said


def _unlike(start: Runs, end: Runs, step: int) -> int:
    """Number of pixels that differ from the pixel `step` further on in the sequence."""
    edges = np.concatenate([start, end])
    both = np.sort(np.concatenate([edges, edges + step]))
    return int((both[1::2] - both[0::2]).sum())
