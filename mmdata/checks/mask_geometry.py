"""Masks, looked at closely: the geometry of rings and runs (K01 to K10), under ``--masks full`` alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mmdata.checks.mask_view import MaskView, PlacedRLE
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView

COCO = ("videorefer", "videorefer-vl3")
MASKED = ("geopixel", *COCO)

SHOWN = 3
"""Rings or objects that a message names; the numbers are complete."""

SAME = 0.95
"""Intersection over union from which two objects count as one annotated twice."""


def _listed(names: Sequence[str], total: int) -> str:
    text = "; ".join(names[:SHOWN])
    return text if total <= SHOWN else f"{text} and {total - SHOWN} more"


def _percent(share: float) -> str:
    return f"{share:.0%}" if 0.005 <= share < 0.995 else f"{share:.2%}"


@check("K01", severity="warning", formats=MASKED)
def self_intersection(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A ring crosses, overlaps or touches itself.

    The place is the first one found; a ring may have more. A ring that only touches itself, or runs back along itself
    as outlines of thin parts do, is mentioned as info.

    Upstream: what a ring passes twice is outside again (even-odd): the mask has a hole or loses a lobe, and nothing is said.
    Fix: Draw the ring anew, or cut it into rings that do not cross; `mmdata.masks.to_rings` of the drawn mask gives rings that cover the same pixels.
    Source: `cv2.fillPoly`; pycocotools `frPyObjects`.
    Bad (geopixel; masks=full; file=bow.json:{"polygons": [[[[10, 10], [30, 30], [30, 10], [10, 30], [5, 20]]]]}): {"image": "a.png", "polygons": "bow.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[10, 10, 30, 30, 30, 10, 10, 30, 5, 20]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (geopixel; masks=full): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    for touch in (False, True):
        found = [c for c in masks.crossings.found if c.touch == touch]
        if found:
            names = [f"{masks.ring_name(c.ring)} at ({c.x:g}, {c.y:g})" for c in found[:SHOWN]]
            what = "touches itself or runs back along itself" if touch else "crosses or overlaps itself"
            yield Hit(
                f"{_listed(names, len(found))} {what}",
                masks.ring_pointer(found[0].ring),
                severity="info" if touch else None,
                upstream="filled as it is; by COCO's rule a part that is a line covers nothing"
                if touch
                else None,
                related_path=masks.related_path,
            )
    if masks.crossings.unsearched:
        long = masks.crossings.unsearched
        names = [masks.ring_name(ring) for ring in long[:SHOWN]]
        yield Hit(
            f"{_listed(names, len(long))} has too many edges over each other to be searched for crossings to the end",
            masks.ring_pointer(long[0]),
            severity="info",
            related_path=masks.related_path,
        )


@check("K02", severity="warning", formats=COCO)
def flat_polygon(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A polygon encloses no area: its points lie on a line.

    GeoPixel's polygon files have G09 for this.

    Upstream: by COCO's rule it covers nothing; the region lacks this part.
    Fix: Remove the polygon, or draw it.
    Source: pycocotools `frPyObjects`.
    Bad (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[1, 1, 9, 9, 5, 5], [20, 20, 40, 20, 40, 40]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[1, 1, 9, 1, 9, 9]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    del record
    import numpy as np

    from mmdata.masks.rings import enclosing

    flat = np.flatnonzero(~enclosing(masks.polygons, masks.polygons.points)).tolist()
    if flat:
        names = [masks.ring_name(ring) for ring in flat[:SHOWN]]
        yield Hit(f"{_listed(names, len(flat))} encloses no area", masks.ring_pointer(flat[0]))


@check("K03", severity="info", formats=MASKED)
def repeated_point(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A point of a ring is the same as the point before.

    A last point that repeats the first only closes the ring and is not counted.

    Upstream: drawn as if it stood there once.
    Fix: Nothing needs to be done; a tool that writes many of them may have rounded the points too far.
    Source: `cv2.fillPoly`; pycocotools `frPyObjects`.
    Bad (geopixel; masks=full; file=twice.json:{"polygons": [[[[10, 10], [20, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "twice.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; masks=full; file=closed.json:{"polygons": [[[[10, 10], [20, 10], [20, 20], [10, 10]]]]}): {"image": "a.png", "polygons": "closed.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    from mmdata.masks.geometry import repeated_points

    yield from _points(masks, repeated_points(masks.polygons), "repeat the point before")


@check("K04", severity="info", formats=MASKED)
def collinear_point(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A point lies on the straight line between its neighbours.

    Reported where at least ten points and half of a ring are such points: outlines written pixel by pixel.

    Upstream: drawn the same without it; the file is larger and slower to read than it must be.
    Fix: Leave the point out, for example with OpenCV's CHAIN_APPROX_SIMPLE.
    Source: `cv2.fillPoly`; pycocotools `frPyObjects`.
    Bad (geopixel; masks=full; file=steps.json:{"polygons": [[[[10, 10], [11, 10], [12, 10], [13, 10], [14, 10], [15, 10], [16, 10], [17, 10], [18, 10], [19, 10], [20, 10], [21, 10], [21, 20], [10, 20]]]]}): {"image": "a.png", "polygons": "steps.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; masks=full): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    import numpy as np

    from mmdata.masks.geometry import straight_points

    counts = straight_points(masks.polygons)
    many = (counts >= 10) & (2 * counts >= np.diff(masks.polygons.ring_offsets))
    yield from _points(masks, np.where(many, counts, 0), "lie on the line between their neighbours")


def _points(masks: MaskView, counts: Any, what: str) -> Iterator[Hit]:
    """One hit for rings with so many points of a kind."""
    import numpy as np

    rings = np.flatnonzero(counts)
    if len(rings):
        worst = int(np.argmax(counts))
        message = (
            f"{int(counts.sum())} of {masks.polygons.n_points} points {what}, in {len(rings)} "
            f"{'ring' if len(rings) == 1 else 'rings'}; most in {masks.ring_name(worst)}: {int(counts[worst])}"
        )
        yield Hit(message, masks.ring_pointer(worst), related_path=masks.related_path)


@check("K05", severity="warning", formats=COCO)
def filled_inner_polygon(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A polygon lies inside another polygon of the same mask: a hole, as other tools have it.

    GeoPixel's polygon files have G12 for this.

    Upstream: the polygons of a mask are united (`merge`): the hole is filled.
    Fix: Give the mask as RLE.
    Source: `videorefer/mm_utils.py`, `annToMask`.
    Bad (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[0, 0, 30, 0, 30, 30, 0, 30], [10, 10, 20, 10, 20, 20, 10, 20]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[0, 0, 30, 0, 30, 30, 0, 30]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    del record
    from mmdata.masks.inner_rings import inner_rings

    if masks.polygons.n_rings == masks.polygons.n_objects:
        return
    pairs = inner_rings(masks.polygons).pairs
    if pairs:
        names = [masks.ring_name(inner) for inner, _ in pairs[:SHOWN]]
        message = f"{_listed(names, len(pairs))} lies inside another polygon of its mask and is filled"
        yield Hit(message, masks.ring_pointer(pairs[0][0]))


@check("K06", severity="warning", formats=MASKED)
def off_canvas(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A part of a polygon mask lies outside the picture: at least one percent of its area.

    The picture is the real one for GeoPixel, `height` and `width` of the record for VideoRefer.

    Upstream: what lies outside is clipped, and nothing is said.
    Fix: Check whether the polygons belong to another size of the picture; clip them if they do not.
    Source: `cv2.fillPoly`; pycocotools `frPyObjects`.
    Bad (geopixel; masks=full; media=header; file=half.json:{"polygons": [[[[44, 10], [84, 10], [84, 30], [44, 30]]]]}): {"image": "a.png", "polygons": "half.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[44, 10, 84, 10, 84, 30, 44, 30]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (geopixel; masks=full; media=header): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    import numpy as np

    if masks.canvas is None:
        return
    outside = np.nan_to_num(masks.extents.outside)
    order = [k for k in np.argsort(-outside, kind="stable").tolist() if 0.01 <= outside[k] < 1]
    if order:
        names = [f"{_percent(outside[k])} of {masks.owners[k].name}" for k in order[:SHOWN]]
        height, width = masks.canvas
        message = f"{_listed(names, len(order))} lies outside the picture of {width} x {height}"
        yield Hit(message, masks.owners[order[0]].pointer, related_path=masks.related_path)


@check("K07", severity="warning", formats=MASKED)
def covers_no_pixel(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """A polygon mask covers no pixel: it lies outside the picture, or is too small for the fill rule.

    By COCO's rule a polygon of less than a pixel may cover none. Empty RLEs have G14 and L05.

    Upstream: GeoPixel is trained to predict nothing for the phrase; VideoRefer's region has no features of its own (the VideoLLaMA3 dialect takes the whole picture).
    Fix: Remove the mask with its placeholder, or draw it.
    Source: `cv2.fillPoly`; pycocotools `frPyObjects`.
    Bad (geopixel; masks=full; media=header; file=away.json:{"polygons": [[[[100, 10], [120, 10], [120, 30]]]]}): {"image": "a.png", "polygons": "away.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[10.1, 10.1, 10.3, 10.1, 10.3, 10.3]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (geopixel; masks=full; media=header): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    import numpy as np

    if masks.canvas is None or not masks.polygons.n_objects:
        return
    boxes, areas, outside = masks.extents
    with np.errstate(invalid="ignore"):
        if masks.rule == "coco":
            thin = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) < 2
            doubtful = thin | (areas * (1 - outside) < 2) | ~(outside < 1)
        else:
            doubtful = ~(outside < 1)  # OpenCV draws the border: whatever touches the picture has pixels
    doubtful &= np.isfinite(boxes).all(axis=1)
    empty = [k for k in np.flatnonzero(doubtful).tolist() if masks.draws_nothing(k)]
    if empty:
        height, width = masks.canvas
        names = [masks.owners[k].name for k in empty[:SHOWN]]
        message = f"{_listed(names, len(empty))} covers no pixel of the picture of {width} x {height}"
        yield Hit(message, masks.owners[empty[0]].pointer, related_path=masks.related_path)


@check("K08", severity="warning", formats=COCO)
def undeclared_canvas(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """The size of an RLE is not the `height` and `width` of the record.

    Upstream: a compressed RLE keeps its own size, `height` and `width` are not looked at: one of the two is wrong.
    Fix: Correct whichever is not the picture's size.
    Source: `videorefer/mm_utils.py`, `annToMask`.
    Bad (videorefer; masks=full): {"image": "a.png", "height": 64, "width": 48, "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; masks=full): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    del record
    if masks.declared is None:
        return
    wrong = [mask for mask in masks.rles if mask.size != masks.declared]
    if wrong:
        height, width = masks.declared
        first = wrong[0].size
        note = ", height and width are exchanged" if first == (width, height) else ""
        names = [mask.owner.name for mask in wrong[:SHOWN]]
        message = (
            f"{_listed(names, len(wrong))}: the RLE is {first[0]} high and {first[1]} wide, "
            f"the record says {height} high and {width} wide{note}"
        )
        yield Hit(message, f"{wrong[0].owner.pointer}/size")


@check("K09", severity="warning", formats=MASKED)
def rows_for_columns(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """The runs of an RLE go along the rows, or its height and width are exchanged.

    Told from the mask itself: read with the width for the height, its outline is at least four times shorter. Runs
    must go down the columns (`numpy.asfortranarray` before pycocotools encodes). Square masks cannot be told. Where the
    size itself is not the picture's, that is reported instead (G16, V10).

    Upstream: the mask is decoded as stripes across the picture, and trained on.
    Fix: Encode the mask anew, from an array in Fortran order with the size [height, width].
    Source: pycocotools `mask.encode`, `mask.decode`.
    Bad (geopixel; masks=full): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "dX1d0\\\\1000000000000000000000000000\\\\i0"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; masks=full): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    from mmdata.masks.transposed import reads_across

    across = [m for m in masks.rles if masks.picture in (None, m.size) and reads_across(m.rle)]
    if across:
        names = [mask.owner.name for mask in across[:SHOWN]]
        message = f"{_listed(names, len(across))}: the runs seem to go along rows of {across[0].size[1]} pixels, not down the columns"
        yield Hit(message, across[0].owner.pointer)


@check("K10", severity="warning", formats=MASKED)
def same_object_twice(record: RecordView, masks: MaskView) -> Iterator[Hit]:
    """Two masks of a picture or frame cover almost the same pixels: 95 % of those that either covers.

    Polygons are compared with polygons, RLEs with RLEs; masks of more than 512 pixels across are compared at a smaller
    scale.

    Upstream: both are trained; two phrases for one thing are fine, one thing annotated twice is not.
    Fix: Look at the two, and remove one with its placeholder if it is the same thing.
    Source: a common fault of merged annotations.
    Bad (geopixel; masks=full; file=same.json:{"polygons": [[[[10, 10], [30, 10], [30, 30], [10, 30]]], [[[10, 10], [30, 10], [30, 30], [10, 30]]]]}): {"image": "a.png", "polygons": "same.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> here </p> [SEG]"}]}
    Bad (videorefer; masks=full): {"image": "a.png", "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}, {"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<image>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    Good (geopixel; masks=full): {"image": "a.png", "polygons": "two.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> there </p> [SEG]"}]}
    """
    del record
    found: list[tuple[str, str, float, str]] = []
    complete = _twins_of_rings(masks, found) & _twins_of_rles(masks.rles, found)
    if found:
        names = [f"{a} and {b} ({_percent(share)})" for a, b, share, _ in found[:SHOWN]]
        message = f"{_listed(names, len(found))} cover almost the same pixels"
        yield Hit(message, found[0][3], related_path=masks.related_path)
    if not complete:
        yield Hit(
            "too many masks lie over each other for all of them to be compared",
            found[0][3] if found else "",
            severity="info",
        )


def _twins_of_rings(masks: MaskView, found: list[tuple[str, str, float, str]]) -> bool:
    import numpy as np

    from mmdata.masks.geometry import outline_lengths
    from mmdata.masks.twins import ring_iou, twins

    if masks.polygons.n_objects < 2:
        return True
    boxes, areas, _ = masks.extents
    areas = areas + outline_lengths(masks.polygons) / 2 + 1  # OpenCV draws the border, too
    frames: dict[str, list[int]] = defaultdict(list)
    for k, owner in enumerate(masks.owners):
        frames[owner.frame].append(k)
    complete = True
    for members in frames.values():

        def compare(i: int, j: int, members: list[int] = members) -> float:
            return ring_iou(masks.rings_of(members[i]), masks.rings_of(members[j]))

        result = twins(boxes[np.array(members)], areas[np.array(members)], compare, least=SAME)
        complete &= result.complete
        for i, j, share in result.pairs:
            a, b = masks.owners[members[i]], masks.owners[members[j]]
            found.append((a.name, b.name, share, b.pointer))
    return complete


def _twins_of_rles(rles: list[PlacedRLE], found: list[tuple[str, str, float, str]]) -> bool:
    import numpy as np

    from mmdata.masks.rle import area, bbox_xywh
    from mmdata.masks.rle_ops import iou
    from mmdata.masks.twins import twins

    groups: dict[tuple[str, Any], list[PlacedRLE]] = defaultdict(list)
    for mask in rles:
        groups[mask.owner.frame, mask.size].append(mask)
    complete = True
    for members in groups.values():
        if len(members) < 2:
            continue
        boxes = np.array([bbox_xywh(mask.rle) for mask in members], np.float64)
        boxes[:, 2:] += boxes[:, :2] - 1
        areas = np.array([area(mask.rle) for mask in members], np.float64)
        boxes[areas == 0] = np.nan

        def compare(i: int, j: int, members: list[PlacedRLE] = members) -> float:
            return iou(members[i].rle, members[j].rle)

        result = twins(boxes, areas, compare, least=SAME)
        complete &= result.complete
        found += [
            (members[i].owner.name, members[j].owner.name, share, members[j].owner.pointer)
            for i, j, share in result.pairs
        ]
    return complete
