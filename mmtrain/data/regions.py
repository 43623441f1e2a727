"""Samples with regions: what the chat encoder makes of them, and on which features of the vision encoder each object lies.

A ``<region>`` of the text stands for an object, or for one mask of it (VideoLLaMA3's dialect). It becomes one token, or up to
a number of them, whose embeddings are features pooled under the object's masks. Where the features lie on a picture is the
family's to tell (`mmtrain.data.regions_canvas`); a feature counts by the share of its part of the picture that the mask covers.
On a picture cut into tiles only the tiles that show a part of the picture count, not the whole in small, so that an object is
seen as finely as the language model sees it.

Further inputs, end to end over the samples of a batch:

``region_sizes``
    (1, 3) int64 of every sample with pictures: its features, its pairs of region and frame, its cells.
``region_frames``
    (R,) int64: on how many frames each ``<region>`` is seen, in the order of the text.
``region_cells``
    (P, 2) int64: pair and feature of each feature that a mask touches, both counted within the sample.
``region_weights``
    (P,) float32: its share; those of a pair add up to 1.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError
from mmdata.masks.placed import DrawnMask, MaskSource, ascending
from mmdata.masks.rle import runs
from mmtrain.data.encode import IGNORED, Encoded, Encoder, Size, Tiles, media_path, prompt_of
from mmtrain.data.pictures import header_size
from mmtrain.data.refer_frames import facts_of
from schemas.sample import PhrasePart, RegionPart, SampleTurn, TextPart

if TYPE_CHECKING:
    from mmtrain.data.refer_frames import ReferFrames
    from schemas.sample import Media, Sample

REGION = "<region>"
"""Stands for an object; VideoRefer adds it to the vocabulary."""


class Merging(NamedTuple):
    """How many tokens a region becomes.

    Attributes:
        how: ``mean``: one, the mean over its frames; ``tokens``: of each frame one, the most alike neighbours joined;
            ``clusters``: the features under its masks in clusters.
        most: tokens at most.
    """

    how: Literal["mean", "tokens", "clusters"] = "mean"
    most: int = 1


MEAN = Merging()
"""One token a region."""


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


class Pair(NamedTuple):
    """A region on a frame: numbers (P,) of the features under its mask, and the share (P,) of each; shares add up to 1."""

    cells: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]


class RegionsEncoder(Encoder):
    """Makes tensors of samples with regions; others come out as the chat recipe has them.

    Args:
        tokenizer: knows ``<region>`` as one token.
        template: chat template, or its name.
        media: the family's way with pictures, with ``canvases``; if it takes videos, its frames are `ReferFrames`.
        merging: how many tokens a region becomes.

    Attributes:
        pairs: of each ``<region>`` of the sample that the encoder is bound to its frames; None where nobody asked.
        repeats: tokens of each.

    Raises:
        UsageError: ``<region>`` is no token of the tokenizer.
    """

    media: Any  # a `mmtrain.data.encode.MediaEncoder` that is a `mmtrain.data.regions_canvas.HasCanvases` too, or None

    def __init__(self, tokenizer: Any, template: Any, media: Any, *, merging: Merging = MEAN) -> None:
        super().__init__(tokenizer, template, media)
        self.merging = merging
        self.region_id = self._one(REGION)
        self.repeats: list[int] = []
        self.pairs: list[list[Pair]] = []
        self.features = 0

    def measure(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Size:
        """As for chat; masks are looked up and compared with their frames.

        Raises:
            DataError: as `encode`.
        """
        bound = self._bound(sample, regions(sample, root), root, max_tiles, self.merging.how == "clusters")
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
        return prompt_of(encoded, int(last))

    def unexpanded(self, sample: Sample, root: str | None = None) -> tuple[str, list[int]]:
        """See `Encoder.unexpanded`; a ``<region>`` is one token too."""
        bound = self._bound(sample, regions(sample, root), root, None, False)
        bound.repeats = [1] * len(bound.repeats)
        return Encoder.unexpanded(bound, sample, root)

    def _encoded(
        self, sample: Sample, found: list[Region], root: str | None, max_tiles: int | None
    ) -> Encoded:
        bound = self._bound(sample, found, root, max_tiles, True)
        encoded = Encoder.encode(bound, sample, root, max_tiles)
        if encoded.tiles:
            there = bound.media.features(encoded.media)
            if there != bound.features:
                raise DataError(
                    f"{bound.features} features by the headers of the media, {there} by their pixels"
                )
            encoded.media |= inputs_of(bound.pairs, bound.features)
        return encoded

    def dummy(self) -> Encoded:
        """See `Encoder.dummy`."""
        encoded = super().dummy()
        if self.media is not None:
            encoded.media |= inputs_of([], self.media.features(encoded.media))
        return encoded

    def tokens_of(self, region: Region, pairs: list[Pair]) -> int:
        """How many tokens a region becomes; `pairs` count for ``clusters`` alone."""
        how, most = self.merging
        if how == "clusters":
            return min(most, sum(len(pair.cells) for pair in pairs))
        return 1 if how == "mean" else min(most, len(region.seen))

    def _bound(
        self, sample: Sample, found: list[Region], root: str | None, max_tiles: int | None, drawn: bool
    ) -> RegionsEncoder:
        """An encoder of the same kind that takes the frames of this sample's masks and repeats its ``<region>``.

        Args:
            sample: the sample.
            found: its regions.
            root: what relative media paths start from.
            max_tiles: see `encode`.
            drawn: whether masks are drawn and laid over the features.
        """
        must: dict[str, list[int]] = {}
        for region in found:
            numbers = [seen.frame for seen in region.seen if seen.frame is not None]
            must.setdefault(sample.media[region.media].paths[0], []).extend(numbers)
        one = copy(self)
        if hasattr(self.media, "frames"):
            frames: ReferFrames = self.media.frames
            one.media = replace(self.media, frames=replace(frames, must=must))
        one.pairs = one.placed(sample, found, root, max_tiles) if drawn else [[] for _ in found]
        one.repeats = [self.tokens_of(*both) for both in zip(found, one.pairs, strict=True)]
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

    def placed(
        self, sample: Sample, found: list[Region], root: str | None, max_tiles: int | None
    ) -> list[list[Pair]]:
        """Of each region the features under its masks; the encoder is bound to the sample's frames."""
        if self.media is None or not sample.media:
            return [[] for _ in found]
        media = self.media
        pictures, self.features = media.canvases(sample.media, root, max_tiles)
        numbers: list[list[int | None]] = [
            [None] if one.kind == "image" else list(media.frames.numbers(one, root)) for one in sample.media
        ]
        placed: list[list[Pair]] = []
        for region in found:
            placed.append([])
            for seen in region.seen:
                canvas = pictures[region.media][numbers[region.media].index(seen.frame)]
                cells, areas = canvas.under(seen.mask.draw())
                if not len(cells):
                    raise DataError(f"{seen.mask.name}: the mask lies beyond every feature of its picture")
                placed[-1].append(Pair(cells, (areas / areas.sum()).astype(np.float32)))
        return placed


def inputs_of(found: list[list[Pair]], features: int) -> dict[str, npt.NDArray[Any]]:
    """Inputs of a sample.

    Args:
        found: of each region its frames.
        features: of the sample.
    """
    pairs = [pair for region in found for pair in region]
    numbered = [np.stack([np.full_like(pair.cells, k), pair.cells], 1) for k, pair in enumerate(pairs)]
    cells = np.concatenate([np.zeros((0, 2), np.int64), *numbered])
    return {
        "region_sizes": np.array([[features, len(pairs), len(cells)]], np.int64),
        "region_frames": np.array([len(region) for region in found], np.int64),
        "region_cells": cells,
        "region_weights": np.concatenate([np.zeros(0, np.float32), *(pair.shares for pair in pairs)]),
    }


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
