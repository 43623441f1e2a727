"""The masks of a sample with what drawing them needs: rings from their polygon file, the size of the canvas."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmdata.masks.coarse import ResizeRule, coarse_rings, coarse_rle, coco_rle, target_size
from mmdata.masks.ring_arrays import RingError
from mmdata.masks.rle import size_of
from schemas.sample import PolygonMask, RasterRule, RLEMask, Sample

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
        return f"object {self.object}, frame {self.frame}" if self.frame else f"object {self.object}"

    def draw(self, size: tuple[int, int] | None = None, resize: ResizeRule = "nearest") -> NDArray[np.uint8]:
        """The pixels, uint8 (h, w) of 0 and 1, at `size` or in full; see `mmdata.masks.coarse`.

        Raises:
            DataError: it cannot be drawn; the message names the object and the ring.
        """
        full = size is None or size == self.size
        try:
            if self.rle is not None:
                if full:
                    from mmdata.masks.rle_decode import decode

                    return decode(self.rle)
                assert size is not None
                return coarse_rle(self.rle, size, resize)
            rings = self.rings or []
            if full:
                if self.rule == "coco":
                    from mmdata.masks.rle_decode import decode

                    return decode(coco_rle(rings, self.size))
                from mmdata.masks.raster import rasterize

                return rasterize(rings, self.size, self.rule)
            assert size is not None
            return coarse_rings(rings, self.size, size, self.rule, resize)
        except RingError as error:
            raise RingError(error.kind, error.reason, ring=error.ring, object=self.object) from None
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from None


class MaskSource:
    """Finds what the masks of samples need beside the record; remembers the last polygon file.

    Args:
        media_root: directory that relative paths of pictures and polygon files start from, as for ``validate``.
        rule: draw rings by this rule in place of the trainer's own.
    """

    def __init__(self, media_root: str | None = None, rule: RasterRule | None = None) -> None:
        self.media_root = media_root
        self.rule: RasterRule | None = rule
        self._file: tuple[str, PolygonFile] | None = None

    def masks(self, sample: Sample) -> Iterator[DrawnMask]:
        """The masks of a sample, by object, then frame in the record's order. A null mask is one without rings.

        Raises:
            DataError: a polygon file or picture is missing or unreadable, or no size is known.
        """
        for number, one in enumerate(sample.objects):
            for frame, mask in one.masks.items():
                yield self.place(sample, number, frame, mask)

    def place(self, sample: Sample, number: int, frame: str, mask: Mask | None) -> DrawnMask:
        """One mask; see `masks`."""
        if isinstance(mask, RLEMask):
            rle = {"size": [*mask.size], "counts": mask.counts}
            try:
                size = size_of(rle)
            except DataError as error:
                raise DataError(f"object {number}: {error}") from None
            return DrawnMask(number, frame, size, None, rle, "coco")
        if mask is None:
            return DrawnMask(number, frame, self._size_of_null(sample), [], None, self.rule or "opencv")
        rule = self.rule or mask.rule
        if mask.rings is None:
            return DrawnMask(number, frame, self.picture(sample), self._rings(mask, number), None, rule)
        return DrawnMask(number, frame, self._size_of_rings(sample, mask), list(mask.rings), None, rule)

    def picture(self, sample: Sample) -> tuple[int, int]:
        """(height, width) of the sample's picture or video, as stored: no trainer applies EXIF rotation.

        Raises:
            DataError: it names none, or none that can be read.
        """
        if not sample.media:
            raise DataError("the size of the masks is the picture's, and the sample names none")
        media = sample.media[0]
        path = self._resolve(media.paths[0])
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
        return height, width

    def _resolve(self, path: str) -> str:
        from mmdata.media.paths import resolve

        return resolve(path, base=self.media_root)

    def _size_of_rings(self, sample: Sample, mask: PolygonMask) -> tuple[int, int]:
        if sample.height and sample.width:
            return sample.height, sample.width
        if mask.rule == "opencv":
            return self.picture(sample)
        raise DataError("the record has polygons, and no `height` and `width` to draw them on")

    def _size_of_null(self, sample: Sample) -> tuple[int, int]:
        for one in sample.objects:
            for mask in one.masks.values():
                if isinstance(mask, RLEMask):
                    return size_of({"size": [*mask.size]})
        if sample.height and sample.width:
            return sample.height, sample.width
        return self.picture(sample)

    def _rings(self, mask: PolygonMask, number: int) -> list[Any]:
        from mmdata.masks.polygon_file import PolygonFileError, load_polygon_file

        path = self._resolve(mask.file or "")
        if self._file is None or self._file[0] != path:
            self._file = None
            try:
                if os.path.getsize(path) > MAX_BYTES:
                    raise DataError(f"{path}: the polygon file is longer than {MAX_BYTES >> 20} MiB")
                with open(path, "rb") as stream:
                    self._file = path, load_polygon_file(stream.read())
            except FileNotFoundError:
                raise DataError(f"{path}: there is no such polygon file (media_root?)") from None
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: {error}") from None
            except PolygonFileError as error:
                raise DataError(f"{path}: {error}") from None
        file = self._file[1]
        index = number if mask.index is None else mask.index
        if index >= file.n_objects:
            raise DataError(f"{path}: has {file.n_objects} objects, the sample wants number {index}")
        offsets = file.object_offsets
        return [file.ring(ring) for ring in range(int(offsets[index]), int(offsets[index + 1]))]


def common_size(masks: list[DrawnMask], wanted: int | tuple[int, int] | None) -> tuple[int, int]:
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
