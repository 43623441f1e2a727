"""Grounded samples: what the chat encoder makes of them, and for each ``[SEG]`` a mask on its picture.

Further inputs, one after the other over the pictures with masks (K) and their masks (N) of a sample or batch:

``mask_pixels``
    (K, 3, S, S) float32: the picture as the decoder takes it (see `DecoderPictures`).
``mask_counts``
    (K,) int64: how many of the masks lie on each picture.
``mask_sizes``
    (K, 2) int64: height and width at which the masks of each picture are compared.
``mask_targets``
    uint8, 0 and 1: the masks end to end, row by row.

A picture whose masks are interrupted by those of another is there again.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmdata.errors import DataError
from mmdata.masks.coarse import target_size
from mmdata.masks.placed import DrawnMask, MaskSource
from mmtrain.data.encode import IGNORED, Encoded, Encoder, MediaEncoder, Size, Tiles, media_path
from mmtrain.data.pictures import decoded_once, load_rgb
from schemas.sample import BoxMask, PhrasePart, PolygonMask

if TYPE_CHECKING:
    from schemas.sample import Sample

SEG = "[SEG]"
"""Stands for a mask."""

MARKS = (SEG, "<p>", "</p>")
"""What GeoPixel adds to the vocabulary; its ``train.py``."""

UNIT = "mask"
"""What the loss terms of masks are divided by: a key of ``Encoded.counts``."""


class Target(NamedTuple):
    """A mask that a ``[SEG]`` stands for, and the picture that it lies on: an index into ``Sample.media``."""

    media: int
    mask: DrawnMask


class DecoderPictures(NamedTuple):
    """How a mask decoder takes pictures, as the image processor of SAM 2 and SAM 3 has it.

    Attributes:
        side: of its input, in pixels.
        mean: taken off each channel, scaled to 0..1.
        deviation: what the rest is divided by.
    """

    side: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def pixels(self, picture: Image.Image) -> npt.NDArray[np.float32]:
        """A picture (RGB), both sides resized (bilinear, aspect ratio not kept) and normalised: (3, side, side)."""
        square = np.asarray(picture.resize((self.side, self.side), Image.Resampling.BILINEAR))
        scaled = square.transpose(2, 0, 1).astype(np.float32)
        scaled /= np.float32(255)
        scaled -= np.array(self.mean, np.float32)[:, None, None]
        scaled /= np.array(self.deviation, np.float32)[:, None, None]
        return scaled


class GroundingEncoder(Encoder):
    """Makes tensors of grounded samples; others come out as the chat recipe has them.

    Args:
        tokenizer: knows ``[SEG]`` as one token.
        template: chat template, or its name.
        media: the family's way with pictures.
        pictures: how the mask decoder takes pictures.
        mask_size: longer side at which masks are compared; None: their full size.

    Raises:
        UsageError: ``[SEG]`` is no token of the tokenizer.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: Any,
        media: MediaEncoder | None,
        *,
        pictures: DecoderPictures,
        mask_size: int | None,
    ) -> None:
        super().__init__(tokenizer, template, media)
        self.pictures, self.mask_size = pictures, mask_size
        self.seg_id = self._one(SEG)

    def measure(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Size:
        """As for chat; masks are looked up and compared with their picture's size, none is drawn.

        Raises:
            DataError: as `encode`.
        """
        targets(sample, root)
        return super().measure(sample, root, max_tiles)

    def encode(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Encoded:
        """The sample as tensors.

        Raises:
            DataError: as for chat; or masks and ``[SEG]`` do not match, a mask has not its picture's size, is a box, or
                cannot be drawn.
        """
        found = targets(sample, root)
        if not found:
            return super().encode(sample, root, max_tiles)
        with decoded_once():  # the language side's encoder and the decoder's take the same pictures
            encoded = super().encode(sample, root, max_tiles)
            encoded.media |= self._masks(sample, found, root)
        encoded.counts[UNIT] = float(len(found))
        return encoded

    def _tokens(
        self, sample: Sample, tiles: list[list[Tiles]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        ids, labels = super()._tokens(sample, tiles)
        at = ids == self.seg_id
        if (labels[at] == IGNORED).any():
            raise DataError(
                f"{SEG} in a question: masks belong to answers (GeoPixel's model fails on such records)"
            )
        expected = sum(len(objects) for objects in _grounded(sample))
        if int(at.sum()) != expected:
            raise DataError(f"{int(at.sum())} {SEG} in the text for {expected} masks")
        return ids, labels

    def _masks(self, sample: Sample, found: list[Target], root: str | None) -> dict[str, npt.NDArray[Any]]:
        pixels, counts, sizes, drawn = [], [], [], []
        for media, group in groupby(found, key=lambda target: target.media):
            masks = [target.mask for target in group]
            size = target_size(masks[0].size, self.mask_size)
            picture = load_rgb(media_path(sample.media[media].paths[0], root))
            pixels.append(self.pictures.pixels(picture))
            counts.append(len(masks))
            sizes.append(size)
            drawn += [mask.draw(size).reshape(-1) for mask in masks]
        return {
            "mask_pixels": np.stack(pixels),
            "mask_counts": np.array(counts, np.int64),
            "mask_sizes": np.array(sizes, np.int64),
            "mask_targets": np.concatenate(drawn),
        }


def _grounded(sample: Sample) -> list[list[int]]:
    """The objects of each grounded phrase of the answers, in order."""
    return [
        part.objects
        for turn in sample.turns
        if turn.role == "assistant"
        for part in turn.parts
        if isinstance(part, PhrasePart)
    ]


def targets(sample: Sample, root: str | None = None) -> list[Target]:
    """The mask of each ``[SEG]`` of the answers, in order; not drawn yet.

    Args:
        sample: as any format decodes it.
        root: directory that relative media paths start from.

    Raises:
        DataError: objects that no ``[SEG]`` stands for, an object that is a box or has several masks, or a mask that has
            not its picture's size.
    """
    order = [number for objects in _grounded(sample) for number in objects]
    unused = sorted(set(range(len(sample.objects))) - set(order))
    if unused:
        raise DataError(
            f"{len(sample.objects)} masks, but {SEG} stands in the answers for {len(set(order))}: "
            f"no answer has a {SEG} for mask {unused[0]}"
        )
    source = MaskSource(root)
    found = []
    for number in order:
        one = sample.objects[number]
        if len(one.masks) != 1:
            raise DataError(f"object {number} has {len(one.masks)} masks, a picture's has one")
        ((frame, mask),) = one.masks.items()
        media = one.media or 0
        if isinstance(mask, BoxMask):
            raise DataError(
                f"object {number} is a box, not a mask: nothing says which of its pixels belong to it"
            )
        if media >= len(sample.media) or sample.media[media].kind != "image":
            raise DataError(f"object {number} lies on no picture")
        placed = source.place(sample, number, frame, mask)
        size = source.picture(sample, media)
        if placed.size != size:
            raise DataError(
                f"{placed.name}: the mask is {placed.size[0]} x {placed.size[1]}, its picture {size[0]} x {size[1]} "
                "(height x width)"
            )
        found.append(Target(media, placed))
    _all_of_files(sample, order, source)
    return found


def _all_of_files(sample: Sample, order: list[int], source: MaskSource) -> None:
    """A polygon file has as many objects as the answers have ``[SEG]``, as GeoPixel asserts."""
    mask = next(iter(sample.objects[order[-1]].masks.values())) if order else None
    if isinstance(mask, PolygonMask) and mask.file is not None:
        count = source.objects_in_file(mask)
        if count != len(order):
            raise DataError(f"{mask.file} has {count} masks, the answers have {len(order)} {SEG}")
