"""`MaskView`: all masks of a record as checks of their geometry see them, whatever format they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from mmdata.checks.view import MediaView, RecordView
from mmdata.errors import DataError

if TYPE_CHECKING:
    from mmdata.checks.videorefer_masks import Placed
    from mmdata.masks.geometry import Crossings, Extents
    from mmdata.masks.rings import PolygonFile

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a mask is.

    Attributes:
        name: the object and frame, for messages.
        pointer: JSON pointer of the mask in the record.
        frame: the frame it lies on; masks of one frame may overlap.
        rings: pointers of the rings are the mask's pointer and their number.
    """

    name: str
    pointer: str
    frame: str = ""
    rings: bool = False


@dataclass(frozen=True, slots=True)
class PlacedRLE:
    """A decodable RLE and whose it is."""

    owner: Owner
    rle: dict[str, Any]
    size: Size


@dataclass
class MaskView:
    """The masks of one record that can be drawn; what cannot be drawn is a finding of other checks.

    Attributes:
        polygons: all rings of all polygon masks; object `k` of it is the mask of `owners[k]`.
        owners: one for each object of `polygons`.
        rule: the rule by which the trainer draws them.
        rles: the masks given as RLE.
        canvas: (height, width) that polygons are drawn on, or None where it is not known.
        picture: (height, width) of the picture or video as stored, or None.
        declared: ``height`` and ``width`` of the record, or None.
        related_path: the polygon file, or None.
    """

    polygons: PolygonFile
    owners: Sequence[Owner]
    rule: Literal["opencv", "coco"]
    rles: list[PlacedRLE] = field(default_factory=list)
    canvas: Size | None = None
    picture: Size | None = None
    declared: Size | None = None
    related_path: str | None = None

    @cached_property
    def crossings(self) -> Crossings:
        """The rings that meet themselves."""
        from mmdata.masks.geometry import crossings

        return crossings(self.polygons)

    @cached_property
    def extents(self) -> Extents:
        """Boxes, areas and shares outside of the polygon masks."""
        from mmdata.masks.geometry import extents

        return extents(self.polygons, self.canvas)

    def ring_name(self, ring: int) -> str:
        """``object 3, ring 0``."""
        owner, number = self.polygons.place(ring)
        return f"{self.owners[owner].name}, ring {number}"

    def ring_pointer(self, ring: int) -> str:
        """JSON pointer of a ring in the record; of the polygon file's path where it lies in one."""
        owner, number = self.polygons.place(ring)
        place = self.owners[owner]
        return f"{place.pointer}/{number}" if place.rings else place.pointer

    def draws_nothing(self, mask: int) -> bool:
        """Whether a polygon mask covers no pixel of its canvas, by the trainer's rule."""
        assert self.canvas is not None
        rings = self.rings_of(mask)
        try:
            if self.rule == "coco":
                from mmdata.masks.coarse import coco_rle
                from mmdata.masks.rle import is_empty

                return is_empty(coco_rle(rings, self.canvas))
            from mmdata.masks.coarse import scratch

            with scratch(self.canvas).drawn(rings) as part:
                return not part.any()
        except DataError:
            return False  # what the trainer cannot draw is a finding of another check

    def rings_of(self, mask: int) -> list[Any]:
        """The rings of a polygon mask, float64 (n, 2) each."""
        offsets = self.polygons.object_offsets
        return [self.polygons.ring(ring) for ring in range(int(offsets[mask]), int(offsets[mask + 1]))]


def mask_view(record: RecordView, media: MediaView, resolve: Callable[[str], str]) -> MaskView | None:
    """The masks of a record; None where it has none, or none that can be read."""
    reader = _READERS.get(record.format.name)
    return reader(record, media, resolve) if reader else None


def _geopixel(record: RecordView, media: MediaView, resolve: Callable[[str], str]) -> MaskView | None:
    from mmdata.checks.geopixel_masks import rles

    picture = _picture(media)
    if record.kind == "polygons":
        path = record.raw.get("polygons")
        file = _polygon_file(resolve(path)) if isinstance(path, str) else None
        if file is None:
            return None
        return MaskView(
            polygons=file,
            owners=_ObjectsOfFile(file.n_objects),
            rule="opencv",
            canvas=picture,
            picture=picture,
            related_path=resolve(str(path)),
        )
    found = [
        placed
        for number, mask in rles(record)
        if isinstance(mask.get("counts"), str)
        and (placed := _rle(Owner(f"mask {number}", f"/segmentation/{number}"), mask))
    ]
    return MaskView(_joined(()), (), "opencv", found, picture, picture) if found else None


def _videorefer(record: RecordView, media: MediaView, _resolve: Callable[[str], str]) -> MaskView | None:
    from mmdata.checks.videorefer_masks import masks_of

    return _coco(record, media, masks_of(record))


def _videorefer_vl3(record: RecordView, media: MediaView, _resolve: Callable[[str], str]) -> MaskView | None:
    from mmdata.checks.videorefer_vl3_masks import masks_of

    return _coco(record, media, masks_of(record))


def _coco(record: RecordView, media: MediaView, placed: Iterable[Placed]) -> MaskView | None:
    from mmdata.masks.flat_polygons import flat_faults

    owners: list[Owner] = []
    objects: list[list[Any]] = []
    found: list[PlacedRLE] = []
    for mask in placed:
        owner = Owner(mask.name, mask.pointer, mask.frame if record.kind == "video" else "", rings=True)
        if isinstance(mask.segmentation, dict):
            rle = _rle(owner, mask.segmentation)
            found += [rle] if rle else []
        elif isinstance(mask.segmentation, list) and not flat_faults(mask.segmentation):
            owners.append(owner)
            objects.append(mask.segmentation)
    if not owners and not found:
        return None
    height, width = record.raw.get("height"), record.raw.get("width")
    declared = None
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        declared = height, width
    return MaskView(_joined(objects), owners, "coco", found, declared, _picture(media), declared)


_READERS: dict[str, Callable[[RecordView, MediaView, Callable[[str], str]], MaskView | None]] = {
    "geopixel": _geopixel,
    "videorefer": _videorefer,
    "videorefer-vl3": _videorefer_vl3,
}


class _ObjectsOfFile(Sequence[Owner]):
    """The owners of a polygon file's objects, made when asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return Owner(f"object {index}", "/polygons")


def _polygon_file(path: str) -> PolygonFile | None:
    from mmdata.checks.sidecars import MAX_BYTES
    from mmdata.io.streams import read_whole
    from mmdata.masks.rings import PolygonFileError, load_polygon_file

    try:
        return load_polygon_file(read_whole(path, MAX_BYTES))
    except (OSError, ValueError, PolygonFileError):
        return None  # G08 and G13 say why


def _rle(owner: Owner, mask: dict[str, Any]) -> PlacedRLE | None:
    from mmdata.masks.rle import check, size_of
    from mmdata.masks.run_lengths import RLEError

    try:
        check(mask)
    except RLEError:
        return None
    return PlacedRLE(owner, mask, size_of(mask))


def _joined(objects: Iterable[list[list[float]]]) -> PolygonFile:
    """Flat polygons of several masks as one set of rings."""
    import numpy as np

    from mmdata.masks.rings import PolygonFile

    listed = list(objects)
    rings = [np.asarray(flat, np.float64).reshape(-1, 2) for polygons in listed for flat in polygons]
    return PolygonFile(
        np.concatenate([np.empty((0, 2)), *rings]),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.cumsum([0, *map(len, listed)], dtype=np.int64),
    )


def _picture(media: MediaView) -> Size | None:
    """(height, width) of the first picture or video that was looked into."""
    sizes = [(f.height, f.width) for _, _, f in media.images[:1]]
    sizes += [(f.height, f.width) for _, _, f in media.videos[:1]]
    for height, width in sizes:
        if height and width:
            return height, width
    return None
