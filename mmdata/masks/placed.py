"""The masks of a sample with what drawing them needs: rings from their polygon file, the size of the canvas.

The one place that says in which order a sample's masks come, where their rings lie, and how large their canvas is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmdata.masks.coarse import coarse_rings, coarse_rle, target_size
from mmdata.masks.raster import checked_size, rasterize
from mmdata.masks.resize_rules import ResizeRule
from mmdata.masks.ring_arrays import RingError
from mmdata.masks.rle import LIMIT_PIXELS, size_of
from schemas.sample import BoxMask, PolygonMask, RasterRule, RLEMask, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mmdata.masks.polygon_file import PolygonFile
    from schemas.sample import Mask

MAX_BYTES = 1 << 30
"""A polygon file is read whole; a larger one is refused."""


@dataclass(frozen=True, slots=True)
class DrawnMask:
    """One mask of a sample, ready to be drawn at any size.

    Attributes:
        object: index into `Sample.objects`.
        frame: the frame key as written; ``""`` for a picture.
        size: (height, width) of the full mask in pixels.
        rings: float64 (n, 2) each, or None for an RLE.
        rle: the RLE, or None for rings.
        rule: the rule for rings.
    """

    object: int
    frame: str
    size: tuple[int, int]
    rings: list[Any] | None
    rle: dict[str, Any] | None
    rule: RasterRule

    @property
    def name(self) -> str:
        """For messages."""
        return _name(self.object, self.frame)

    def draw(self, size: tuple[int, int] | None = None, resize: ResizeRule = "nearest") -> NDArray[np.uint8]:
        """The pixels, uint8 (h, w) of 0 and 1, at `size` or in full; see `mmdata.masks.coarse`.

        Raises:
            DataError: it cannot be drawn; the message names the object and the ring.
        """
        full = size is None or size == self.size
        # The full size was checked when the mask was placed, perhaps against a limit of the caller's own.
        limit = max(LIMIT_PIXELS, self.size[0] * self.size[1])
        try:
            if self.rle is not None:
                if full:
                    from mmdata.masks.rle_decode import decode

                    return decode(self.rle, limit_pixels=limit)
                assert size is not None
                return coarse_rle(self.rle, size, resize, limit_pixels=limit)
            rings = self.rings or []
            if full:
                return rasterize(rings, self.size, self.rule, limit_pixels=limit)
            assert size is not None
            return coarse_rings(rings, self.size, size, self.rule, resize, limit_pixels=limit)
        except RingError as error:
            raise RingError(
                error.kind, error.reason, ring=error.ring, object=self.object, frame=self.frame or None
            ) from None
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from None


class MaskSource:
    """Finds what the masks of samples need beside the record; remembers the last polygon file and picture.

    Args:
        media_root: directory that relative paths of pictures and polygon files start from, as for ``validate``.
        rule: draw rings by this rule in place of the trainer's own.
        size: (height, width) of the canvas of rings and null masks, whatever the record or its picture say.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        DataError: `size` is no size, or over the limit.
    """

    def __init__(
        self,
        media_root: str | None = None,
        rule: RasterRule | None = None,
        *,
        size: tuple[int, int] | None = None,
        limit_pixels: int = LIMIT_PIXELS,
    ) -> None:
        self.media_root = media_root
        self.rule: RasterRule | None = rule
        self.size = None if size is None else checked_size(size, limit_pixels)
        self.limit_pixels = limit_pixels
        self._file: tuple[str, PolygonFile] | None = None
        self._picture: tuple[str, tuple[int, int]] | None = None

    def masks(self, sample: Sample) -> Iterator[DrawnMask]:
        """The masks of a sample, objects ascending, then frames ascending. A null mask is one without rings.

        Raises:
            DataError: a polygon file or picture is missing or unreadable, or no size is known.
        """
        for number, one in enumerate(sample.objects):
            for frame in ascending(one.masks):
                yield self.place(sample, number, frame, one.masks[frame])

    def place(self, sample: Sample, number: int, frame: str, mask: Mask | None) -> DrawnMask:
        """One mask; see `masks`."""
        try:
            if isinstance(mask, RLEMask):
                rle = {"size": [*mask.size], "counts": mask.counts}
                size = size_of(rle, limit_pixels=self.limit_pixels)
                return DrawnMask(number, frame, size, None, rle, "coco")
            media = sample.objects[number].media
            size = checked_size(self._canvas(sample, mask, media), self.limit_pixels)
        except DataError as error:
            raise DataError(f"{_name(number, frame)}: {error}") from None
        if mask is None:
            return DrawnMask(number, frame, size, [], None, self.rule or "opencv")
        if isinstance(mask, BoxMask):
            return DrawnMask(number, frame, size, _box_rings(mask, size), None, "opencv")
        rings = self._rings(mask, number) if mask.rings is None else list(mask.rings)
        return DrawnMask(number, frame, size, rings, None, self.rule or mask.rule)

    def picture(self, sample: Sample, number: int | None = None) -> tuple[int, int]:
        """(height, width) of the sample's picture or video, as stored: no trainer applies EXIF rotation.

        Args:
            sample: of which `number` is an index into `media`; None is the first.
            number: see `sample`.

        Raises:
            DataError: it names none, or none that can be read.
        """
        if not 0 <= (number or 0) < len(sample.media):
            raise DataError(
                "the record declares no height and width, and no picture whose size the masks could have"
            )
        media = sample.media[number or 0]
        path = self._resolve(media.paths[0])
        if self._picture is not None and self._picture[0] == path:  # the objects of a record share it
            return self._picture[1]
        if media.kind == "video":
            from mmdata.media.videos import probe as probe_video

            video = probe_video(path, "header")
            width, height, why = video.width, video.height, video.detail
        else:
            from mmdata.media.images import probe as probe_image

            image = probe_image(path, "header")
            width, height, why = image.width, image.height, image.detail
        if not width or not height:
            raise DataError(f"{path}: the size of the masks is the picture's: {why or 'it has no size'}")
        self._picture = path, (height, width)
        return height, width

    def objects_in_file(self, mask: PolygonMask) -> int:
        """How many objects the polygon file of a mask has.

        Raises:
            DataError: it is missing or unreadable.
        """
        return self._polygons(mask).n_objects

    def _resolve(self, path: str) -> str:
        from mmdata.media.paths import resolve

        return resolve(path, base=self.media_root)

    def _canvas(
        self, sample: Sample, mask: PolygonMask | BoxMask | None, media: int | None
    ) -> tuple[int, int]:
        """The size of rings: what the record declares, but of a polygon file the picture's, as GeoPixel draws."""
        if self.size is not None:
            return self.size
        if mask is None:
            for one in sample.objects:
                for other in one.masks.values():
                    if isinstance(other, RLEMask):
                        return size_of({"size": [*other.size]}, limit_pixels=self.limit_pixels)
        if isinstance(mask, BoxMask):
            return declared_size(sample, media) or self.picture(sample, media)
        if mask is None or mask.rings is not None:
            declared = declared_size(sample, media)
            if declared is not None:
                return declared
            if mask is not None and mask.rule == "coco":
                raise DataError("the record declares no height and width to draw its polygons on")
        return self.picture(sample, media)

    def _polygons(self, mask: PolygonMask) -> PolygonFile:
        from mmdata.io.streams import read_whole
        from mmdata.masks.polygon_file import PolygonFileError, load_polygon_file

        path = self._resolve(mask.file or "")
        if self._file is None or self._file[0] != path:
            self._file = None
            try:
                self._file = path, load_polygon_file(read_whole(path, MAX_BYTES))
            except FileNotFoundError:
                raise DataError(f"{path}: there is no such polygon file (media_root?)") from None
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
            except PolygonFileError as error:
                raise DataError(f"{path}: {error}") from None
        return self._file[1]

    def _rings(self, mask: PolygonMask, number: int) -> list[Any]:
        path = self._resolve(mask.file or "")
        file = self._polygons(mask)
        index = number if mask.index is None else mask.index
        if not 0 <= index < file.n_objects:
            raise DataError(f"{path}: has {file.n_objects} objects, the sample wants number {index}")
        offsets = file.object_offsets
        return [file.ring(ring) for ring in range(int(offsets[index]), int(offsets[index + 1]))]


def _box_rings(mask: BoxMask, size: tuple[int, int]) -> list[list[list[int]]]:
    """The ring that OpenCV fills to a box's pixels, its sides rounded to whole pixels; none for an empty box."""
    height, width = size
    left, top, right, bottom = (
        min(max(round(value * side / (mask.scale or side)), 0), side)
        for value, side in zip(mask.box, (width, height, width, height), strict=True)
    )
    if left >= right or top >= bottom:
        return []
    return [[[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]]


def ascending(frames: Iterable[str]) -> list[str]:
    """Frame keys in order: by number where all are numbers (``2`` before ``10``), else by text."""
    keys = list(frames)
    if all(key.isascii() and key.isdigit() for key in keys):
        return sorted(keys, key=lambda key: (len(key.lstrip("0")), key.lstrip("0"), key))
    return sorted(keys)


def common_size(masks: Sequence[DrawnMask], wanted: int | tuple[int, int] | None) -> tuple[int, int]:
    """The one size at which all of these masks are drawn.

    Args:
        masks: at least one.
        wanted: as for `mmdata.masks.coarse.target_size`.

    Raises:
        DataError: the full sizes differ, and `wanted` is no exact size.
    """
    if not isinstance(wanted, tuple | list):
        for mask in masks[1:]:
            if mask.size != masks[0].size:
                sizes = [" x ".join(map(str, m.size)) for m in (mask, masks[0])]
                raise DataError(
                    f"{mask.name} is {sizes[0]}, {masks[0].name} is {sizes[1]} (height x width): give the size as (h, w)"
                )
    return target_size(masks[0].size, wanted)


def declared_size(sample: Sample, media: int | None = None) -> tuple[int, int] | None:
    """(height, width) that the record says, itself or of one of its media; None where it does not."""
    if sample.height and sample.width:
        return sample.height, sample.width
    if media is not None and media < len(sample.media):
        one = sample.media[media]
        if one.height and one.width:
            return one.height, one.width
    return None


def _name(number: int, frame: str) -> str:
    return f"object {number}, frame {frame}" if frame else f"object {number}"
