"""Masks, pictures and frames as torch tensors. The one module of mmdata that imports torch::

    from mmdata import tensors

    sample = mmdata.open("train.json").sample(0)
    masks = tensors.masks(sample, size=1024)          # uint8 (objects, H, W), the longer side 1024
    video = tensors.video_masks(sample, size=(256, 256))  # .masks (objects, frames, H, W), .frames

Objects come in the order of the sample, frames by number, ascending. Masks are 0 and 1. At another size than their own
they are exactly what resizing the full mask by the named rule gives (see `mmdata.masks.resize_rules`), without that full
mask being held for more than one object at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmdata.errors import DataError, MissingExtra

try:
    import torch
except ModuleNotFoundError:
    raise MissingExtra("torch", "tensors", "mmdata.tensors") from None

import numpy as np

from mmdata.masks.coarse import target_size
from mmdata.masks.placed import DrawnMask, MaskSource, common_size
from mmdata.masks.resize_rules import ResizeRule

if TYPE_CHECKING:
    from schemas.sample import RasterRule, Sample

Size = int | tuple[int, int] | None
"""The length of the longer side, an exact (height, width), or None for the full size."""


@dataclass(frozen=True, slots=True)
class VideoMasks:
    """The masks of a video.

    Attributes:
        masks: uint8 or bool (objects, frames, H, W).
        frames: the frame numbers of the second axis, ascending.
        annotated: bool (objects, frames): whether the record has a mask there. Where it has none, `masks` is zero.
    """

    masks: torch.Tensor
    frames: list[int]
    annotated: torch.Tensor


def masks(
    sample: Sample,
    *,
    size: Size = None,
    resize: ResizeRule = "nearest",
    rule: RasterRule | None = None,
    media_root: str | None = None,
    dtype: torch.dtype = torch.uint8,
) -> torch.Tensor:
    """The masks of a picture's objects, (objects, H, W), 0 and 1.

    Args:
        sample: as `Dataset.sample` gives it.
        size: see `Size`. A sample without objects needs its picture, or an exact size.
        resize: how pixels are chosen where `size` is not the masks' own.
        rule: draw rings by this rule in place of the trainer's own.
        media_root: directory that relative paths start from, where it is not the working directory.
        dtype: torch.uint8 or torch.bool.

    Raises:
        DataError: an object has no mask or several (a video), sizes differ, or a mask cannot be drawn; the message
            names object and ring.
    """
    for number, one in enumerate(sample.objects):
        if len(one.masks) != 1:
            raise DataError(
                f"object {number} has {len(one.masks)} masks; a picture's has one (see tensors.video_masks)"
            )
    source = MaskSource(media_root, rule)
    found = list(source.masks(sample))
    at = common_size(found, size) if found else _empty_size(source, sample, size)
    out = np.zeros((len(found), *at), np.uint8)
    for number, mask in enumerate(found):
        out[number] = mask.draw(at, resize)
    return _tensor(out, dtype)


def video_masks(
    sample: Sample,
    *,
    size: Size = None,
    resize: ResizeRule = "nearest",
    rule: RasterRule | None = None,
    media_root: str | None = None,
    dtype: torch.dtype = torch.uint8,
) -> VideoMasks:
    """The masks of a video's objects on all frames that any of them has; arguments as for `masks`.

    Raises:
        DataError: a frame key is no number, or as for `masks`.
    """
    source = MaskSource(media_root, rule)
    placed: list[tuple[int, DrawnMask]] = [(_frame(m), m) for m in source.masks(sample)]
    frames = sorted({frame for frame, _ in placed})
    column = {frame: k for k, frame in enumerate(frames)}
    found = [mask for _, mask in placed]
    at = common_size(found, size) if found else _empty_size(source, sample, size)
    out = np.zeros((len(sample.objects), len(frames), *at), np.uint8)
    annotated = np.zeros(out.shape[:2], np.bool_)
    for frame, mask in placed:
        place = mask.object, column[frame]
        if annotated[place]:
            raise DataError(f"{mask.name}: the object has two masks on frame {frame}")
        out[place] = mask.draw(at, resize)
        annotated[place] = True
    return VideoMasks(_tensor(out, dtype), frames, torch.from_numpy(annotated))


def image(
    path: str,
    *,
    size: Size = None,
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic",
    exif: bool = False,
) -> torch.Tensor:
    """A picture, uint8 (3, H, W), RGB, as ``Image.open(path).convert("RGB")`` gives it.

    Args:
        path: a local file.
        size: see `Size`.
        resample: Pillow's filter for another size.
        exif: turn the picture upright by its EXIF orientation. Upstream never does, and masks fit the stored picture.

    Raises:
        DataError: it cannot be read.
    """
    from mmdata.media.pixels import read_image

    return _pictures([read_image(path, exif=exif)], size, resample)[0]


def frames(
    path: str,
    numbers: Sequence[int],
    *,
    size: Size = None,
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic",
) -> torch.Tensor:
    """Frames of a video, a gif or a folder of pictures, uint8 (frames, 3, H, W), RGB, in the order of `numbers`.

    Args:
        path: a local file or folder.
        numbers: frame numbers in the order of presentation, from 0; `VideoMasks.frames`, for example.
        size: see `Size`.
        resample: Pillow's filter for another size.

    Raises:
        DataError: there is no such frame, or it cannot be read.
    """
    from mmdata.media.pixels import read_frames

    return _pictures(list(read_frames(path, numbers)), size, resample)


def _pictures(pictures: list[np.ndarray], size: Size, resample: str) -> torch.Tensor:
    height, width = pictures[0].shape[:2]
    at = target_size((height, width), size)
    if at != (height, width):
        from PIL import Image

        how = Image.Resampling[resample.upper()]
        pictures = [np.array(Image.fromarray(p).resize((at[1], at[0]), how)) for p in pictures]
    return torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2)))


def _frame(mask: DrawnMask) -> int:
    try:
        return int(mask.frame)
    except ValueError:
        raise DataError(f"object {mask.object}: {mask.frame!r} is no frame number") from None


def _empty_size(source: MaskSource, sample: Sample, size: Size) -> tuple[int, int]:
    return target_size((1, 1), size) if isinstance(size, tuple) else target_size(source.picture(sample), size)


def _tensor(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    if dtype not in (torch.uint8, torch.bool):
        raise DataError(f"masks are torch.uint8 or torch.bool, not {dtype}")
    return torch.from_numpy(array.view(np.bool_) if dtype == torch.bool else array)
