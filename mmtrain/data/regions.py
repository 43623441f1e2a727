"""Samples with regions: what the chat encoder makes of them, and where on the vision encoder's patches each object lies.

A ``<region>`` of the text stands for an object, or for one mask of it (VideoLLaMA3's dialect). It becomes one token, or up to
a number of them, whose embeddings are features pooled under the object's masks. A tile is ``patches × patches`` patches; a
patch counts by the share of its area that the mask covers. On a picture cut into tiles only the tiles that show a part of
the picture count, not the thumbnail, so that an object is seen as finely as the language model sees it.

Further inputs, end to end over the samples of a batch:

``region_sizes``
    (1, 3) int64 of every sample with pictures: its tiles, its pairs of region and frame, its cells.
``region_frames``
    (R,) int64: on how many frames each ``<region>`` is seen, in the order of the text.
``region_cells``
    (P, 3) int64: pair, tile and patch of each patch that a mask touches, all counted within the sample.
``region_weights``
    (P,) float32: its share; those of a pair add up to 1.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError
from mmdata.masks.placed import DrawnMask, MaskSource, ascending
from mmdata.masks.rle import runs
from mmtrain.data.encode import IGNORED, Encoded, Encoder, Size, Tiles, media_path
from mmtrain.data.pictures import header_size
from mmtrain.data.refer_frames import facts_of
from schemas.sample import PhrasePart, RegionPart, SampleTurn, TextPart

if TYPE_CHECKING:
    from mmtrain.data.internvl import InternVLMedia
    from mmtrain.data.refer_frames import ReferFrames
    from schemas.sample import Media, Sample

REGION = "<region>"
"""Stands for an object; VideoRefer adds it to the vocabulary."""


class Seen(NamedTuple):
    """A mask of a region, and the frame that it lies on; None on a picture."""

    frame: int | None
    mask: DrawnMask


@dataclass(frozen=True, slots=True)
class Region:
    """What a ``<region>`` stands for.

    Attributes:
        media: index into `Sample.media`.
        seen: its masks with pixels, frames ascending; at least one.
    """

    media: int
    seen: list[Seen]


class RegionsEncoder(Encoder):
    """Makes tensors of samples with regions; others come out as the chat recipe has them.

    Args:
        tokenizer: knows ``<region>`` as one token.
        template: chat template, or its name.
        media: the family's way with pictures; its frames are `ReferFrames`.
        patches: patches along the side of a tile, before any are merged.
        most: most tokens of a region; None: one, the mean over its frames.

    Attributes:
        repeats: tokens of each ``<region>`` of the sample that the encoder is bound to.

    Raises:
        UsageError: ``<region>`` is no token of the tokenizer.
    """

    media: InternVLMedia

    def __init__(
        self, tokenizer: Any, template: Any, media: InternVLMedia, *, patches: int, most: int | None
    ) -> None:
        super().__init__(tokenizer, template, media)
        self.patches, self.most = patches, most
        self.region_id = self._one(REGION)
        self.repeats: list[int] = []

    def measure(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Size:
        """As for chat; masks are looked up and compared with their frames.

        Raises:
            DataError: as `encode`.
        """
        bound = self._bound(sample, regions(sample, root))
        return Encoder.measure(bound, sample, root, max_tiles)

    def encode(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Encoded:
        """The sample as tensors.

        Raises:
            DataError: as for chat; or an object has no ``<region>``, a mask no such frame or not its size, or an object no
                pixel on any frame.
        """
        return self._encoded(sample, regions(sample, root), root, max_tiles)

    def prompt(
        self, sample: Sample, root: str | None = None, answer: SampleTurn | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """See `Encoder.prompt`; objects that only later turns speak of are left out."""
        answer = answer or SampleTurn("assistant", [TextPart("x")])
        whole = replace(sample, turns=[*sample.turns, answer])
        encoded = self._encoded(whole, regions(whole, root, every=False), root, None)
        last = np.flatnonzero(np.diff((encoded.labels != IGNORED).astype(np.int8), prepend=0) == 1)[-1]
        return encoded.input_ids[:last], encoded.input_ids[last:], encoded.media

    def unexpanded(self, sample: Sample, root: str | None = None) -> tuple[str, list[int]]:
        """See `Encoder.unexpanded`; a ``<region>`` is one token too."""
        bound = self._bound(sample, regions(sample, root))
        bound.repeats = [1] * len(bound.repeats)
        return Encoder.unexpanded(bound, sample, root)

    def _encoded(
        self, sample: Sample, found: list[Region], root: str | None, max_tiles: int | None
    ) -> Encoded:
        bound = self._bound(sample, found)
        encoded = Encoder.encode(bound, sample, root, max_tiles)
        if encoded.tiles:
            encoded.media |= bound.cells(sample, found, root, max_tiles, encoded.tiles)
        return encoded

    def dummy(self) -> Encoded:
        """See `Encoder.dummy`."""
        encoded = super().dummy()
        encoded.media |= inputs_of([], [], encoded.tiles)
        return encoded

    def tokens_of(self, region: Region) -> int:
        """How many tokens a region becomes."""
        return 1 if self.most is None else min(self.most, len(region.seen))

    def _bound(self, sample: Sample, found: list[Region]) -> RegionsEncoder:
        """An encoder of the same kind that takes the frames of this sample's masks and repeats its ``<region>``."""
        must: dict[str, list[int]] = {}
        for region in found:
            numbers = [seen.frame for seen in region.seen if seen.frame is not None]
            must.setdefault(sample.media[region.media].paths[0], []).extend(numbers)
        one = copy(self)
        frames: ReferFrames = self.media.frames  # type: ignore[assignment]
        one.media = replace(self.media, frames=replace(frames, must=must))
        one.repeats = [self.tokens_of(region) for region in found]
        return one

    def _tokens(
        self, sample: Sample, tiles: list[list[Tiles]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        ids, labels = super()._tokens(sample, tiles)
        at = np.flatnonzero(ids == self.region_id)
        if len(at) != len(self.repeats):
            raise DataError(f"{len(at)} {REGION} in the text for {len(self.repeats)} regions")
        if not len(at):
            return ids, labels
        # What stands for an object is read, never written: VideoRefer gives it no label, in answers neither.
        labels = np.where(ids == self.region_id, IGNORED, labels)
        count = np.ones(len(ids), np.int64)
        count[at] = self.repeats
        return np.repeat(ids, count), np.repeat(labels, count)

    def cells(
        self, sample: Sample, found: list[Region], root: str | None, max_tiles: int | None, tiles: int
    ) -> dict[str, npt.NDArray[Any]]:
        """The further inputs of a sample with `tiles` tiles; the encoder is bound to it."""
        frames: ReferFrames = self.media.frames  # type: ignore[assignment]
        grids = self.media.grids(sample.media, root, max_tiles)
        firsts: list[dict[int | None, int]] = []
        first = 0
        for one, own in zip(sample.media, grids, strict=True):
            numbers: list[Any] = [None] if one.kind == "image" else list(frames.numbers(one, root))
            firsts.append({})
            for number, grid in zip(numbers, own, strict=True):
                firsts[-1][number] = first
                first += self.media.tiles_of(grid).tiles
        pairs: list[npt.NDArray[np.float64]] = []
        places: list[int] = []
        for region in found:
            for frame, mask in region.seen:
                place = list(firsts[region.media]).index(frame)
                grid = grids[region.media][place]
                shares = coverage(mask.draw(), grid.rows * self.patches, grid.columns * self.patches)
                shares = shares.reshape(grid.rows, self.patches, grid.columns, self.patches)
                pairs.append(shares.transpose(0, 2, 1, 3).reshape(grid.rows * grid.columns, -1))
                places.append(firsts[region.media][frame])
        made = inputs_of(pairs, places, tiles)
        made["region_frames"] = np.array([len(region.seen) for region in found], np.int64)
        return made


def inputs_of(
    pairs: list[npt.NDArray[np.float64]], places: list[int], tiles: int
) -> dict[str, npt.NDArray[Any]]:
    """Inputs of a sample whose masks cover these shares.

    Args:
        pairs: of each pair of region and frame the share of every patch, (tiles of its picture, patches).
        places: the first tile of each.
        tiles: of the sample.
    """
    cells, weights = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.float32)]
    for number, (shares, first) in enumerate(zip(pairs, places, strict=True)):
        tile, patch = np.nonzero(shares)
        own = shares[tile, patch]
        cells.append(np.stack([np.full_like(tile, number), tile + first, patch], 1))
        weights.append((own / own.sum()).astype(np.float32))
    counted = np.concatenate(cells)
    return {
        "region_sizes": np.array([[tiles, len(pairs), len(counted)]], np.int64),
        "region_frames": np.zeros(0, np.int64),
        "region_cells": counted,
        "region_weights": np.concatenate(weights),
    }


def coverage(mask: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Share of each cell's area that a mask covers, the picture cut into rows × columns equal cells.

    Args:
        mask: (H, W) of 0 and 1; H and W need not be multiples, a pixel on an edge counts in both cells by its parts.
        rows: of cells.
        columns: of cells.

    Returns:
        (rows, columns), from 0 to 1.
    """
    height, width = mask.shape
    summed = _summed(_summed(mask.astype(np.float64), rows).T, columns).T
    found: npt.NDArray[np.float64] = summed * (rows * columns / (height * width))
    # Sums of parts of pixels leave rounding where there is nothing.
    return np.where(found > 1e-9, found, 0.0)


def _summed(values: npt.NDArray[np.float64], parts: int) -> npt.NDArray[np.float64]:
    """Sums of `parts` equal parts along the first axis: the running sum is a straight line within a pixel."""
    length = len(values)
    running = np.zeros((length + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=running[1:])
    edges = np.arange(parts + 1) * length / parts
    whole = np.minimum(edges.astype(int), length - 1)
    at = running[whole] + (edges - whole)[:, None] * values[whole]
    return np.diff(at, axis=0)


def regions(sample: Sample, root: str | None = None, *, every: bool = True) -> list[Region]:
    """What each ``<region>`` of the turns stands for, in order; masks are not drawn yet.

    Args:
        sample: as any format decodes it.
        root: directory that relative media paths start from.
        every: whether an object that no turn speaks of is an error.

    Raises:
        DataError: an object without ``<region>``, or without a pixel on any frame; a mask on a frame that is not there, or
            not of its frame's size.
    """
    parts = [part for turn in sample.turns for part in turn.parts]
    asked = [part for part in parts if isinstance(part, RegionPart)]
    named = {part.object for part in asked}
    named |= {number for part in parts if isinstance(part, PhrasePart) for number in part.objects}
    unused = sorted(set(range(len(sample.objects))) - named)
    if every and unused:
        raise DataError(
            f"{len(sample.objects)} objects, {len(asked)} {REGION}: none stands for object {unused[0]}"
        )
    if asked and not sample.media:
        raise DataError(f"{REGION}, but no picture or video that an object could lie on")
    source = MaskSource(root)
    return [_region(sample, part, source, root) for part in asked]


def _region(sample: Sample, part: RegionPart, source: MaskSource, root: str | None) -> Region:
    one = sample.objects[part.object]
    number = one.media or 0
    if number >= len(sample.media):
        raise DataError(f"object {part.object} lies on medium {number}, there are {len(sample.media)}")
    media = sample.media[number]
    keys = ascending(one.masks) if part.frame is None else [part.frame]
    seen = []
    for key in keys:
        frame, size = _frame(media, key, part.object, root)
        mask = one.masks[key]
        if mask is None:
            continue
        placed = source.place(sample, part.object, key, mask)
        if placed.size != size:
            raise DataError(
                f"{placed.name}: the mask is {placed.size[0]} x {placed.size[1]}, its "
                f"{'picture' if frame is None else 'frame'} {size[0]} x {size[1]} (height x width)"
            )
        if _visible(placed):
            seen.append(Seen(frame, placed))
    if not seen:
        raise DataError(
            f"object {part.object} has no pixel on any frame: there is nothing to pool "
            "(VideoRefer would give the model zeros)"
        )
    return Region(number, seen)


def _frame(media: Media, key: str, number: int, root: str | None) -> tuple[int | None, tuple[int, int]]:
    """Number of the frame that a key means, None on a picture, and its (height, width)."""
    if media.kind == "image":
        width, height = header_size(media_path(media.paths[0], root))
        return None, (height, width)
    facts = facts_of(media, root)
    if not (key.isascii() and key.isdigit()):
        raise DataError(f"object {number}: frame {key!r} is no number of a frame")
    if int(key) >= facts.frames:
        raise DataError(
            f"object {number}: frame {key} is out of range: {media.paths[0]} has {facts.frames} frames, from 0"
        )
    return int(key), facts.size


def _visible(mask: DrawnMask) -> bool:
    if mask.rle is not None:
        return bool(runs(mask.rle)[1::2].any())
    return bool(mask.rings) and bool(mask.draw().any())
