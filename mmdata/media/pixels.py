"""Pictures and video frames as arrays, as the trainers' ``Image.open(path).convert("RGB")`` gives them.

No trainer applies the EXIF orientation, and neither does anything here unless it is asked to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError, MissingExtra, UsageError
from mmdata.media.images import MAX_PIXELS

RGB = NDArray[np.uint8]


def read_image(path: str, *, exif: bool = False, max_pixels: int = MAX_PIXELS) -> RGB:
    """A picture, uint8 (h, w, 3), RGB.

    Args:
        path: a local file.
        exif: turn it upright by its EXIF orientation. Off, as in every trainer.
        max_pixels: a larger picture is refused before it is decoded.

    Raises:
        DataError: it is missing, no picture, damaged, or too large.
    """
    from PIL import Image, ImageOps

    from mmdata.media.images import open_quietly

    try:
        with open(path, "rb") as file, open_quietly(file) as image:
            if image.width * image.height > max_pixels:
                raise DataError(
                    f"{path}: {image.width} x {image.height} pixels are over the limit of {max_pixels}"
                )
            upright: Image.Image = ImageOps.exif_transpose(image) if exif else image
            return np.array(upright.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # Pillow raises whatever it stumbles over on damaged input
        raise DataError(f"{path}: {_said(error)}") from None


def read_frames(path: str, numbers: Sequence[int]) -> RGB:
    """Frames of a video, a gif or a folder of pictures, uint8 (n, h, w, 3), RGB, in the order asked for.

    Args:
        path: a local file or folder. Of a folder every entry counts, in the order of their names (VideoRefer).
        numbers: frame numbers in the order of presentation, from 0; any order, repeats allowed.

    Raises:
        DataError: there is no such frame, or it cannot be decoded, or the frames differ in size.
        MissingExtra: PyAV, which reads videos, is not installed.
    """
    wanted = sorted(set(numbers))
    if not wanted:
        raise UsageError("no frame is asked for")
    if wanted[0] < 0:
        raise DataError(f"{path}: there is no frame {wanted[0]}")
    if os.path.isdir(path):
        found = _from_folder(path, wanted)
    elif path.lower().endswith(".gif"):
        found = _from_gif(path, wanted)
    else:
        found = _from_video(path, wanted)
    shape = found[wanted[0]].shape
    for number, frame in found.items():
        if frame.shape != shape:
            raise DataError(f"{path}: frame {number} is {frame.shape[:2]}, frame {wanted[0]} {shape[:2]}")
    return np.stack([found[number] for number in numbers])


def _from_folder(path: str, wanted: list[int]) -> dict[int, RGB]:
    names = sorted(os.listdir(path))
    if wanted[-1] >= len(names):
        raise DataError(f"{path}: has {len(names)} entries, frame {wanted[-1]} is asked for")
    return {number: read_image(os.path.join(path, names[number])) for number in wanted}


def _from_gif(path: str, wanted: list[int]) -> dict[int, RGB]:
    from mmdata.media.images import open_quietly

    found = {}
    try:
        with open(path, "rb") as file, open_quietly(file) as image:
            for number in wanted:
                image.seek(number)
                found[number] = np.array(image.convert("RGB"))
    except Exception as error:  # as for pictures
        raise DataError(f"{path}: frame {number if found else wanted[0]}: {_said(error)}") from None
    return found


def _from_video(path: str, wanted: list[int]) -> dict[int, RGB]:
    try:
        import av
    except ModuleNotFoundError:
        raise MissingExtra("av", "video", "reading videos") from None
    found: dict[int, Any] = {}
    left = set(wanted)
    number = -1
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in left:
                    found[number] = frame.to_ndarray(format="rgb24")
                    left.remove(number)
                    if not left:
                        break
    except Exception as error:  # FFmpeg's errors and, on hostile input, any other
        raise DataError(f"{path}: {_said(error)}") from None
    if left:
        raise DataError(f"{path}: has {number + 1} frames, frame {min(left)} is asked for")
    return found


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
