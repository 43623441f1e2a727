"""The masks of a canonical sample as arrays, by the rule of the format that the sample came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks.placed import DrawnMask, MaskSource, ascending, common_size, declared_size
from mmdata.masks.raster import checked_size
from mmdata.masks.rle import LIMIT_PIXELS
from schemas.sample import Sample

Pixels: TypeAlias = NDArray[np.uint8]


class ObjectMask(NamedTuple):
    """One mask of a sample.

    Attributes:
        object: index into `Sample.objects`.
        frame: the frame key as written, ``""`` for a picture.
        mask: uint8 (h, w) of 0 and 1.
    """

    object: int
    frame: str
    mask: Pixels


@dataclass(slots=True, eq=False)
class VideoMasks:
    """The masks of a video's objects.

    Attributes:
        frames: the frame keys as written, of all objects together, ascending: by number where all are numbers, else
            by text.
        masks: uint8 (objects, frames, h, w) of 0 and 1; objects in the order of `Sample.objects`.
        given: bool (objects, frames), whether the record has a mask there. Where it has none, `masks` is 0.
    """

    frames: list[str]
    masks: Pixels
    given: NDArray[np.bool_]


def iter_of(
    sample: Sample,
    *,
    size: tuple[int, int] | None = None,
    root: str | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> Iterator[ObjectMask]:
    """The masks of a sample one after the other, objects ascending, then frames ascending; one is held at a time.

    Args:
        sample: as any format decodes it.
        size: (height, width) of the canvas; nothing is resized to it. Without it: what an RLE itself says, the
            picture file's stored size for a polygon file (as GeoPixel draws; EXIF rotation is not applied, as no
            trainer applies it), for other rings what the record declares, and the picture's where that is missing.
            Rings of COCO's rule are refused without a declared size, as their trainer refuses them.
        root: the directory that relative paths of polygon files and pictures start from; None is the working
            directory, as in the trainers.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        DataError: a mask cannot be made; the message names file, record, object, frame and ring.
    """
    with _named(sample):
        for mask in MaskSource(root, size=size, limit_pixels=limit_pixels).masks(sample):
            pixels = _same(mask, size).draw()
            yield ObjectMask(mask.object, mask.frame, pixels)


def of(
    sample: Sample,
    *,
    size: tuple[int, int] | None = None,
    root: str | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> Pixels:
    """The masks of a picture's objects, uint8 (objects, h, w) of 0 and 1, in the order of `Sample.objects`.

    Every object has exactly one mask; a video's masks come from `of_video`. Without objects the shape is (0, h, w).

    Args:
        sample: as any format decodes it.
        size: as for `iter_of`.
        root: as for `iter_of`.
        limit_pixels: as for `iter_of`.

    Raises:
        DataError: a mask cannot be made, sizes differ, or an object has not exactly one mask.
    """
    with _named(sample):
        for number, one in enumerate(sample.objects):
            if len(one.masks) != 1:
                raise DataError(
                    f"object {number} has {len(one.masks)} masks, a picture's object has one; "
                    "`of_video` takes any number"
                )
        source = MaskSource(root, size=size, limit_pixels=limit_pixels)
        found = list(source.masks(sample))
        result = np.zeros((len(found), *_common(source, sample, found, size)), np.uint8)
        for number, mask in enumerate(found):
            result[number] = _same(mask, size).draw()
        return result


def of_video(
    sample: Sample,
    *,
    size: tuple[int, int] | None = None,
    root: str | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> VideoMasks:
    """The masks of a video's objects on all frames that any of them has a mask on.

    Args:
        sample: as any format decodes it.
        size: as for `iter_of`.
        root: as for `iter_of`.
        limit_pixels: as for `iter_of`.

    Raises:
        DataError: a mask cannot be made, or sizes differ.
    """
    with _named(sample):
        source = MaskSource(root, size=size, limit_pixels=limit_pixels)
        found = list(source.masks(sample))
        frames = ascending({mask.frame for mask in found})
        at = _common(source, sample, found, size)
        masks = np.zeros((len(sample.objects), len(frames), *at), np.uint8)
        given = np.zeros(masks.shape[:2], np.bool_)
        column = {frame: i for i, frame in enumerate(frames)}
        for mask in found:
            place = mask.object, column[mask.frame]
            masks[place] = _same(mask, size).draw()
            given[place] = True
        return VideoMasks(frames, masks, given)


@contextmanager
def _named(sample: Sample) -> Iterator[None]:
    """Errors say file and record."""
    origin = sample.origin
    try:
        yield
    except DataError as error:
        if origin is None:
            raise
        line = f", line {origin.line}" if origin.line else ""
        raise DataError(f"{origin.path}: record {origin.record}{line}: {error}") from error


def _same(mask: DrawnMask, size: tuple[int, int] | None) -> DrawnMask:
    if size is not None and mask.size != tuple(size):
        raise DataError(f"{mask.name}: the RLE has the size {list(mask.size)}, asked for {list(size)}")
    return mask


def _common(
    source: MaskSource, sample: Sample, masks: list[DrawnMask], size: tuple[int, int] | None
) -> tuple[int, int]:
    """(height, width) of all these masks, or of those that there would be."""
    if size is not None:
        return checked_size(size, source.limit_pixels)
    if masks:
        return common_size(masks, None)
    return declared_size(sample) or (0, 0)
