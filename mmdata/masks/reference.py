"""pycocotools' decoder, for runs that are known to fill the canvas."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode_checked(rle: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The pixels, uint8 (h, w), C-contiguous, of a compressed RLE whose runs are known to fill the canvas."""
    import cv2
    from pycocotools import mask as reference

    with warnings.catch_warnings():
        # It hands its memory to numpy in a way that numpy 2 asks it to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        pixels = reference.decode(rle)
    height, width = pixels.shape
    if height == 1 or width == 1:  # OpenCV takes these for vectors
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.transpose(pixels.T), np.uint8)
