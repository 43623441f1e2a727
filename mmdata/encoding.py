"""What an encoder may ask and must tell: `Encoding`, one per sample, between a canonical sample and a target record.

An encoder (`Format.from_sample`) turns a `Sample` into one record of its format. It asks the `Encoding` for sizes, exact
masks and paths, and tells it what became of every field, so that nothing disappears without being named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmdata.errors import DataError
from mmdata.io.streams import read_whole
from schemas.sample import BoxMask, Mask, PolygonMask, RasterRule, RLEMask, Sample

Size = tuple[int, int]
Box = tuple[int, int, int, int]

MOST_FILE = 64 << 20
"""Bytes of a polygon file; validation does not look at a longer one either."""


class CannotEncode(DataError):
    """The target cannot hold the sample; the record is rejected.

    Attributes:
        code: short name of the reason, or the code of the check that the result would fail.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode.

    Attributes:
        invert: turn masks as answers into region questions and back.
        template: InternVL conversation template of the target model; only ``internvl2_5`` takes a system turn.
        dialogue: how records without turns become conversations, one of the source's `Format.dialogues`.
        shard_bytes: a shard is closed before a sample that would make it larger.
    """

    invert: bool = False
    template: str = "internvl2_5"
    dialogue: str = "by-instance"
    shard_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one field of one record.

    Attributes:
        field: the field's name, for example ``"masks"``.
        fate: ``"kept"``, ``"approximated"`` or ``"lost"`` (in the target record itself; the carry may hold it).
        how: in words.
        error: how much, where it can be said (one minus the IoU of mask and box).
    """

    field: str
    fate: str
    how: str = ""
    error: float | None = None


@dataclass(slots=True)
class Encoding:
    """The services that one sample's encoder has.

    Attributes:
        sample: the sample.
        source: name of the format it came from.
        target: name of the format it goes to.
        options: how to encode.
        locate: path as written -> path of the file on this machine.
        spell: path as written -> as the target must spell it.
        write: (content, suffix) -> path of a new file beside the record, as the target must spell it.
        files: path as written -> content, for files that lie in a carry.
        notes: what became of the fields so far.
    """

    sample: Sample
    source: str
    target: str
    options: EncodeOptions = field(default_factory=EncodeOptions)
    locate: Callable[[str], str] = str
    spell: Callable[[str], str] = str
    write: Callable[[bytes, str], str] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    _polygons: dict[str, list[Any]] = field(default_factory=dict)
    _rles: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    _sizes: dict[int, Size] = field(default_factory=dict)

    def kept(self, field: str) -> None:
        """The target holds the field as it was."""
        self.notes.append(Note(field, "kept"))

    def approximated(self, field: str, how: str, error: float | None = None) -> None:
        """The target holds the field nearly."""
        self.notes.append(Note(field, "approximated", how, error))

    def lost(self, field: str, why: str) -> None:
        """The target has no place for the field; the carry holds it where there is one."""
        self.notes.append(Note(field, "lost", why))

    def path(self, path: str) -> str:
        """A media path as the target must spell it."""
        return self.spell(path)

    def sidecar(self, content: bytes, suffix: str) -> str:
        """Write a file beside the record; returns its path as the target must spell it."""
        if self.write is None:
            raise CannotEncode("sidecar", "the target keeps masks in files, and none can be written here")
        return self.write(content, suffix)

    # --- sizes and masks -------------------------------------------------------------------------------------------

    def image_size(self, media: int) -> Size:
        """(height, width) of a picture: as declared, else from the file's header.

        Raises:
            CannotEncode: neither says.
        """
        if media in self._sizes:
            return self._sizes[media]
        if not 0 <= media < len(self.sample.media):
            raise CannotEncode("no-image", "a mask or box without a picture")
        one = self.sample.media[media]
        if self.sample.height and self.sample.width:
            size = (self.sample.height, self.sample.width)
        elif one.height and one.width:
            size = (one.height, one.width)
        else:
            if one.kind == "video":
                raise CannotEncode("image-size", "the record does not declare height and width of its video")
            from mmdata.media.images import probe

            facts = probe(self.locate(one.paths[0]), "header")
            if not facts.width or not facts.height:
                raise CannotEncode(
                    "image-size",
                    f"the size of {one.paths[0]} is needed to place masks: {facts.detail or facts.problem}",
                )
            size = (facts.height, facts.width)
        self._sizes[media] = size
        return size

    def mask(self, object: int, frame: str = "") -> Mask | None:
        """The mask as decoded."""
        return self.sample.objects[object].masks[frame]

    def canvas(self, object: int, frame: str = "") -> Size:
        """(height, width) that a mask is drawn on."""
        mask = self.mask(object, frame)
        if isinstance(mask, RLEMask):
            return mask.size
        return self.image_size(self.sample.objects[object].media or 0)

    def source_rings(self, mask: PolygonMask) -> list[Any]:
        """The rings of a polygon mask as its source has them, read from the polygon file where they lie there."""
        if mask.rings is not None:
            return mask.rings
        polygons = self.polygon_file(mask.file or "")
        if mask.index is None or mask.index >= len(polygons):
            raise CannotEncode(
                "G05", f"{mask.file} has {len(polygons)} objects, mask {mask.index} is missing"
            )
        rings: list[Any] = polygons[mask.index]
        return rings

    def polygon_file(self, path: str) -> list[Any]:
        """Key ``polygons`` of a polygon file, read once.

        Raises:
            CannotEncode: it cannot be read or has no such list.
        """
        if path not in self._polygons:
            from orjson import JSONDecodeError, loads

            try:
                value = loads(self.file(path))
            except JSONDecodeError as error:
                raise CannotEncode("G13", f"the polygon file {path} is not JSON: {error}") from None
            polygons = value.get("polygons") if isinstance(value, dict) else None
            if not isinstance(polygons, list):
                raise CannotEncode("G13", f"the polygon file {path} has no list `polygons`")
            self._polygons[path] = polygons
        return self._polygons[path]

    def file(self, path: str) -> bytes:
        """The content of a file that the record names.

        Raises:
            CannotEncode: it cannot be read.
        """
        if path not in self.files:
            try:
                self.files[path] = read_whole(self.locate(path), MOST_FILE)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise CannotEncode("G13", f"the file {path} cannot be read: {reason}") from None
        return self.files[path]

    def rle(self, object: int, frame: str = "") -> dict[str, Any]:
        """The mask as compressed COCO RLE ``{"size": [h, w], "counts": text}``, drawn by the mask's own raster rule.

        Raises:
            DataError: the mask cannot be drawn.
        """
        key = (object, frame)
        if key not in self._rles:
            self._rles[key] = self._draw(object, frame)
        return self._rles[key]

    def _draw(self, object: int, frame: str) -> dict[str, Any]:
        import numpy as np

        from mmdata import masks

        mask = self.mask(object, frame)
        if isinstance(mask, RLEMask):
            found = {"size": list(mask.size), "counts": mask.counts}
            masks.check(found)
            return found if isinstance(mask.counts, str) else dict(masks.encode(masks.decode(found)))
        height, width = self.canvas(object, frame)
        if isinstance(mask, PolygonMask):
            return dict(masks.rings_to_rle(self.source_rings(mask), (height, width), mask.rule))
        pixels = np.zeros((height, width), np.uint8)
        if isinstance(mask, BoxMask):
            left, top, right, bottom = self.pixel_box(mask, (height, width))
            pixels[top:bottom, left:right] = 1
        return dict(masks.encode(pixels))

    def pixel_box(self, mask: BoxMask, size: Size) -> Box:
        """A box in whole pixels, right and bottom exclusive: Python's `round`, clamped to the picture."""
        height, width = size
        across, down = (mask.scale, mask.scale) if mask.scale is not None else (width, height)
        x = [min(max(round(v * width / across), 0), width) for v in (mask.box[0], mask.box[2])]
        y = [min(max(round(v * height / down), 0), height) for v in (mask.box[1], mask.box[3])]
        return min(x), min(y), max(x), max(y)

    def rings(self, object: int, frame: str = "", rule: RasterRule = "opencv") -> list[Any]:
        """Rings that cover exactly the mask's pixels under `rule`; the source's own where the rule is the same."""
        from mmdata import masks

        mask = self.mask(object, frame)
        if isinstance(mask, PolygonMask) and mask.rule == rule:
            return self.source_rings(mask)
        if isinstance(mask, PolygonMask) and (object, frame) not in self._rles:
            return masks.redrawn(self.source_rings(mask), self.canvas(object, frame), mask.rule, rule)
        return masks.rle_to_rings(self.rle(object, frame), rule)

    def extent(self, object: int, frame: str = "") -> tuple[Box | None, int]:
        """Box of the mask's pixels, right and bottom one past the last pixel (None where no pixel is set), and their number.

        Worked out from what the mask is: no more is drawn of rings than they need, runs are read once.

        Raises:
            DataError: the mask cannot be drawn.
        """
        mask = self.mask(object, frame)
        if isinstance(mask, PolygonMask) and (object, frame) not in self._rles:
            from mmdata.masks.ring_extent import coco_extent, opencv_extent

            told = coco_extent if mask.rule == "coco" else opencv_extent
            (left, top, width, height), pixels = told(self.source_rings(mask), self.canvas(object, frame))
            return (left, top, left + width, top + height) if width else None, pixels
        from mmdata.masks.rle import extent

        if isinstance(mask, RLEMask):
            found = {"size": list(mask.size), "counts": mask.counts}
        else:
            found = self.rle(object, frame)
        (left, top, width, height), pixels = extent(found)
        return (left, top, left + width, top + height) if width else None, pixels

    def box_xyxy(self, object: int, frame: str = "") -> Box | None:
        """The box that `extent` gives."""
        return self.extent(object, frame)[0]

    def permille(self, object: int, frame: str = "") -> tuple[list[int] | None, float | None]:
        """The mask's box in 0-1000 of the picture, and one minus the IoU of box and mask (None: it was a box).

        Python's `round` (half to even) of ``v / size * 1000``, clamped: InternVL's documentation and ms-swift.
        """
        mask = self.mask(object, frame)
        if isinstance(mask, BoxMask):
            if mask.scale is not None:
                return [min(max(round(v * 1000 / mask.scale), 0), 1000) for v in mask.box], None
            high, wide = self.canvas(object, frame)
            return [
                min(max(round(v * 1000 / side), 0), 1000)
                for v, side in zip(mask.box, (wide, high, wide, high), strict=True)
            ], None
        box, pixels = self.extent(object, frame)
        if box is None:
            return None, None
        height, width = self.canvas(object, frame)
        sides = (width, height, width, height)
        error = 1 - pixels / ((box[2] - box[0]) * (box[3] - box[1]))
        return [min(max(round(v / side * 1000), 0), 1000) for v, side in zip(box, sides, strict=True)], error


__all__ = ["CannotEncode", "EncodeOptions", "Encoding", "Note"]
