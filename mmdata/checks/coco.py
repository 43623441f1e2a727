"""COCO annotations: pictures, ids, categories, masks and boxes (O01 to O07)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView
from mmdata.errors import DataError

COCO = ("coco",)


def _annotations(record: RecordView) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Pointer and annotation, those that are objects."""
    found = record.raw.get("annotations")
    for number, one in enumerate(found if isinstance(found, list) else ()):
        if isinstance(one, dict):
            yield f"/annotations/{number}", one


def _faults(record: RecordView) -> list[str]:
    found = record.raw.get("mmdata_faults")
    return [str(one) for one in found] if isinstance(found, list) else []


def _size(record: RecordView) -> tuple[int, int] | None:
    image = record.raw.get("image")
    size = (image.get("height"), image.get("width")) if isinstance(image, dict) else (None, None)
    return (size[0], size[1]) if type(size[0]) is int and type(size[1]) is int else None


@check("O01", severity="error", formats=COCO)
def picture_missing(record: RecordView) -> Iterator[Hit]:
    """Annotations name a picture that the file does not have.

    Upstream: COCO's class files them under an id that no loader ever asks for: they are never used. `loadImgs` of that id is a KeyError.
    Fix: Add the picture's entry, or remove the annotations.
    Source: pycocotools, `COCO.createIndex`.
    Bad (coco; raw): {"images": [], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    """
    if record.raw.get("image") is None and "annotations" in record.raw:
        count = sum(1 for _ in _annotations(record))
        why = _faults(record)
        yield Hit(
            f"{count} annotations without a picture: {'; '.join(why) or 'no image'}", pointer="/annotations"
        )


@check("O02", severity="error", formats=COCO)
def id_not_unique(record: RecordView) -> Iterator[Hit]:
    """An id of a picture or an annotation is missing, or comes more than once.

    Upstream: COCO's class keeps one entry of an id, the last: the other picture, or the other annotation, is gone whenever it is asked for by id. Without an id: KeyError.
    Fix: Number them anew, each once.
    Source: pycocotools, `COCO.createIndex`.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}, {"id": 5, "file_name": "b.png", "height": 48, "width": 64}], "annotations": [], "categories": []}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}, {"id": 6, "file_name": "b.png", "height": 48, "width": 64}], "annotations": [], "categories": []}
    """
    if record.raw.get("image") is not None:
        for text in _faults(record):
            yield Hit(text, pointer="")


@check("O03", severity="error", formats=COCO)
def category_unknown(record: RecordView) -> Iterator[Hit]:
    """An annotation names a category that the file does not have.

    Upstream: `loadCats` of the id is a KeyError, and tables from category id to class lack it: the run crashes.
    Fix: Add the category, or correct `category_id`.
    Source: pycocotools, `COCO.loadCats`; the class tables of detection frameworks.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 2, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [], "categories": []}
    """
    entries = record.raw.get("categories")
    known = [c.get("id") for c in entries if isinstance(c, dict)] if isinstance(entries, list) else []
    for pointer, one in _annotations(record):
        if "category_id" in one and one["category_id"] not in known:
            yield Hit(f"no category has the id {one['category_id']!r}", pointer=f"{pointer}/category_id")


@check("O04", severity="error", formats=COCO)
def mask_unusable(record: RecordView) -> Iterator[Hit]:
    """A segmentation cannot be drawn on its picture.

    A polygon with an odd number of values or fewer than three points, run lengths that do not add up, or RLE of another
    size than the picture's.

    Upstream: `annToRLE` raises, or decodes to memory that was never written (run lengths that stop short); RLE of another size does not fit the picture.
    Fix: Write the mask anew, or leave it out where only the box is known.
    Source: pycocotools, `COCO.annToRLE`, `maskApi.c`.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": {"size": [48, 64], "counts": [10, 5]}, "bbox": [0, 10, 1, 5], "area": 5, "iscrowd": 1}], "categories": [{"id": 1, "name": "car"}]}
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 9]], "bbox": [1, 1, 8, 8], "area": 5, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": {"size": [48, 64], "counts": [10, 5, 3057]}, "bbox": [0, 10, 1, 5], "area": 5, "iscrowd": 1}, {"id": 2, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8], "area": 32, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    """
    size = _size(record)
    for pointer, one in _annotations(record):
        mask = one.get("segmentation")
        place = f"{pointer}/segmentation"
        if isinstance(mask, dict):
            fault = _rle_fault(mask, size)
            if fault:
                yield Hit(fault, pointer=place)
        elif isinstance(mask, list) and mask:
            from mmdata.masks.flat_polygons import flat_faults

            for flaw in flat_faults(mask):
                if flaw.kind != "type":
                    yield Hit(flaw.message, pointer=f"{place}{flaw.pointer}")


def _rle_fault(mask: Mapping[str, Any], size: tuple[int, int] | None) -> str:
    from mmdata import masks

    try:
        masks.check(mask)
    except DataError as error:
        return str(error)
    if size is not None and list(mask["size"]) != list(size):
        return f"RLE of {list(mask['size'])} on a picture of {list(size)} (height, width)"
    return ""


@check("O05", severity="warning", formats=COCO)
def box_missing(record: RecordView) -> Iterator[Hit]:
    """An annotation has no `bbox`, `area` or `iscrowd`.

    Upstream: evaluation reads all three: `COCOeval` stops with a KeyError, and detection loaders skip objects without a box.
    Fix: Add the keys: `bbox` as [x, y, width, height], `area` in pixels, `iscrowd` 0 or 1.
    Source: pycocotools, `COCOeval.evaluateImg`, `COCO.getAnnIds`.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8], "area": 32, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    """
    for pointer, one in _annotations(record):
        missing = [key for key in ("bbox", "area", "iscrowd") if one.get(key) is None]
        if missing:
            yield Hit(f"the annotation has no {', '.join(f'`{key}`' for key in missing)}", pointer=pointer)


@check("O06", severity="warning", formats=COCO)
def box_outside(record: RecordView) -> Iterator[Hit]:
    """A box is empty, or reaches over the edge of its picture.

    Mostly the box is given as two corners, where COCO has width and height.

    Upstream: it is taken as it is: objects of no area are ignored or divide by zero, boxes over the edge are cut or train the wrong extent.
    Fix: Write [x, y, width, height] in pixels from the top-left corner.
    Source: pycocotools, `COCOeval.computeIoU`; the clipping of detection loaders.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "bbox": [40, 30, 60, 45], "area": 300, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "bbox": [40, 30, 20, 15], "area": 300, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    """
    size = _size(record)
    for pointer, one in _annotations(record):
        box = one.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(type(v) in (int, float) for v in box):
            continue
        x, y, width, height = box
        place = f"{pointer}/bbox"
        if width <= 0 or height <= 0:
            yield Hit(f"the box {box} has no extent", pointer=place)
        elif size is not None and (x < -1 or y < -1 or x + width > size[1] + 1 or y + height > size[0] + 1):
            corners = x < width <= size[1] + 1 and y < height <= size[0] + 1
            hint = "; as two corners it would fit" if corners else ""
            yield Hit(f"the box {box} reaches over the picture of {size[1]}x{size[0]}{hint}", pointer=place)


@check("O07", severity="warning", formats=COCO)
def crowd_not_rle(record: RecordView) -> Iterator[Hit]:
    """`iscrowd` and the kind of the mask do not go together: crowds have run lengths, single objects mostly polygons.

    Only a crowd with polygons is named: many tools write single objects as RLE, and readers take both.

    Upstream: evaluation matches a crowd against any number of detections; readers that tell crowds by their RLE take this one for an object.
    Fix: Set `iscrowd` to 0, or write the crowd's mask as RLE.
    Source: COCO's description of the format; pycocotools, `COCOeval`.
    Bad (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8], "area": 32, "iscrowd": 1}], "categories": [{"id": 1, "name": "car"}]}
    Good (coco; raw): {"images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}], "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8], "area": 32, "iscrowd": 0}], "categories": [{"id": 1, "name": "car"}]}
    """
    for pointer, one in _annotations(record):
        mask = one.get("segmentation")
        if one.get("iscrowd") in (1, True) and isinstance(mask, list) and mask:
            yield Hit("a crowd with polygons", pointer=f"{pointer}/iscrowd")
