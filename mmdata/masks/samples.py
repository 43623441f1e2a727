"""The masks of a canonical sample as arrays, by the rule of the format that the sample came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks.polygon_file import PolygonFile, PolygonFileError, load_polygon_file
from mmdata.masks.raster import checked_size, rasterize
from mmdata.masks.ring_arrays import RingError, Rings
from mmdata.masks.rle import LIMIT_PIXELS, RLEError
from mmdata.masks.rle_decode import decode
from schemas.sample import BoxMask, Mask, PolygonMask, RLEMask, Sample

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
        size: (height, width) of the masks. Without it: what an RLE itself says, then what the record declares, then
            the picture file's stored size (EXIF rotation is not applied, as no trainer applies it).
        root: the directory that relative paths of polygon files and pictures start from; None is the working
            directory, as in the trainers.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        DataError: a mask cannot be made; the message names file, record, object, frame and ring.
    """
    reader = _Reader(sample, size, root, limit_pixels)
    for number, one in enumerate(sample.objects):
        for frame in ascending(one.masks):
            yield ObjectMask(number, frame, reader.pixels(number, frame))


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
    reader = _Reader(sample, size, root, limit_pixels)
    for number, one in enumerate(sample.objects):
        if len(one.masks) != 1:
            raise DataError(
                f"{reader.place}object {number} has {len(one.masks)} masks, a picture's object has one; "
                "`of_video` takes any number"
            )
    keys = [next(iter(one.masks)) for one in sample.objects]
    height, width = reader.common_size(list(enumerate(keys)))
    result = np.zeros((len(keys), height, width), np.uint8)
    for number, key in enumerate(keys):
        result[number] = reader.pixels(number, key)
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
    reader = _Reader(sample, size, root, limit_pixels)
    frames = ascending({frame for one in sample.objects for frame in one.masks})
    pairs = [(number, frame) for number, one in enumerate(sample.objects) for frame in one.masks]
    height, width = reader.common_size(pairs)
    masks = np.zeros((len(sample.objects), len(frames), height, width), np.uint8)
    given = np.zeros(masks.shape[:2], np.bool_)
    column = {frame: i for i, frame in enumerate(frames)}
    for number, frame in pairs:
        masks[number, column[frame]] = reader.pixels(number, frame)
        given[number, column[frame]] = True
    return VideoMasks(frames, masks, given)


def ascending(frames: Any) -> list[str]:
    """Frame keys in order: by number where all are numbers (``2`` before ``10``), else by text."""
    keys = list(frames)
    if all(key.isascii() and key.isdigit() for key in keys):
        return sorted(keys, key=lambda key: (int(key[:4300]), key))
    return sorted(keys)


def _filled(mask: BoxMask, size: tuple[int, int]) -> Pixels:
    """A box's pixels: its sides rounded to whole pixels, right and bottom exclusive."""
    height, width = size
    left, top, right, bottom = (
        min(max(round(v * side / mask.scale), 0), side)
        for v, side in zip(mask.box, (width, height, width, height), strict=True)
    )
    pixels = np.zeros(size, np.uint8)
    pixels[top:bottom, left:right] = 1
    return pixels


class _Reader:
    """Makes masks of one sample; a polygon file is read once."""

    def __init__(
        self, sample: Sample, size: tuple[int, int] | None, root: str | None, limit_pixels: int
    ) -> None:
        self.sample = sample
        self.size = None if size is None else checked_size(size, limit_pixels)
        self.root = root
        self.limit_pixels = limit_pixels
        self.files: dict[str, PolygonFile] = {}
        self.stored: dict[int | None, tuple[int, int]] = {}
        origin = sample.origin
        line = f", line {origin.line}" if origin and origin.line else ""
        self.place = f"{origin.path}: record {origin.record}{line}: " if origin else ""

    def pixels(self, number: int, frame: str) -> Pixels:
        """One mask, uint8 (h, w)."""
        mask = self.sample.objects[number].masks[frame]
        where = f"{self.place}object {number}" + (f", frame {frame!r}" if frame else "")
        try:
            if mask is None:
                return np.zeros(self._canvas(number, mask), np.uint8)
            if isinstance(mask, RLEMask):
                found = decode(
                    {"size": list(mask.size), "counts": mask.counts}, limit_pixels=self.limit_pixels
                )
                if self.size is not None and found.shape != self.size:
                    raise DataError(f"the RLE has the size {list(mask.size)}, asked for {list(self.size)}")
                return found
            canvas = self._canvas(number, mask)
            if isinstance(mask, BoxMask):
                return _filled(mask, canvas)
            return rasterize(self._rings(mask), canvas, mask.rule, limit_pixels=self.limit_pixels)
        except (RingError, RLEError, PolygonFileError) as error:
            raise DataError(f"{where}: {error}") from error
        except DataError as error:
            raise DataError(f"{where}: {error}") from None

    def common_size(self, pairs: list[tuple[int, str]]) -> tuple[int, int]:
        """(height, width) of all masks named, before any is made."""
        if self.size is not None:
            return self.size
        found: dict[tuple[int, int], str] = {}
        for number, frame in pairs:
            where = f"object {number}" + (f", frame {frame!r}" if frame else "")
            try:
                size = self._canvas(number, self.sample.objects[number].masks[frame])
            except DataError as error:
                raise DataError(f"{self.place}{where}: {error}") from None
            found.setdefault(size, where)
        if len(found) > 1:
            (first, one), (second, other) = list(found.items())[:2]
            raise DataError(
                f"{self.place}masks of different sizes: {list(first)} at {one}, {list(second)} at {other}"
            )
        return next(iter(found)) if found else self._declared(None) or (0, 0)

    def _canvas(self, number: int, mask: Mask | None) -> tuple[int, int]:
        if self.size is not None:
            return self.size
        if isinstance(mask, RLEMask):
            return checked_size(mask.size, self.limit_pixels)
        media = self.sample.objects[number].media
        size = self._declared(media) or self._stored(media)
        return checked_size(size, self.limit_pixels)

    def _declared(self, media: int | None) -> tuple[int, int] | None:
        if self.sample.height and self.sample.width:
            return self.sample.height, self.sample.width
        if media is not None and media < len(self.sample.media):
            one = self.sample.media[media]
            if one.height and one.width:
                return one.height, one.width
        return None

    def _stored(self, media: int | None) -> tuple[int, int]:
        if media in self.stored:
            return self.stored[media]
        if media is None or media >= len(self.sample.media):
            raise DataError("the record declares no height and width and has no picture; `size` says them")
        one = self.sample.media[media]
        if one.kind == "video":
            raise DataError("the record declares no height and width of its video; `size` says them")
        from mmdata.media.images import probe
        from mmdata.media.paths import resolve

        path = resolve(one.paths[0], root=self.root)
        facts = probe(path, "header")
        if facts.width is None or facts.height is None:
            reason = facts.detail or "its size cannot be read"
            raise DataError(f"the record declares no height and width, and of {path}: {reason}")
        self.stored[media] = facts.height, facts.width
        return self.stored[media]

    def _rings(self, mask: PolygonMask) -> Rings:
        if mask.rings is not None:
            return mask.rings
        if mask.file is None or mask.index is None:
            raise DataError("a polygon mask without rings and without a polygon file")
        file = self._file(mask.file)
        if not 0 <= mask.index < file.n_objects:
            raise DataError(f"{mask.file} has {file.n_objects} objects, none with the index {mask.index}")
        first, stop = file.object_offsets[mask.index : mask.index + 2].tolist()
        return [file.ring(i) for i in range(first, stop)]

    def _file(self, name: str) -> PolygonFile:
        if name not in self.files:
            from mmdata.media.paths import resolve

            path = resolve(name, root=self.root)
            try:
                with open(path, "rb") as stream:
                    data = stream.read()
            except (OSError, ValueError) as error:
                raise DataError(f"the polygon file {path} cannot be read: {error}") from None
            try:
                self.files[name] = load_polygon_file(data)
            except PolygonFileError as error:
                raise DataError(f"the polygon file {path}: {error}") from error
        return self.files[name]
