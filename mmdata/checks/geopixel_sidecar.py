"""GeoPixel: the polygon file that a record names (G05, G07 to G14, G21)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.geopixel import GEOPIXEL, mask_count_hits, no_target_hits, picture_size
from mmdata.checks.registry import Hit, check, part
from mmdata.checks.sidecars import MAX_BYTES, SEG, SidecarFacts, file_name, named
from mmdata.checks.view import MediaView, RecordView

POINTER = "/polygons"

SETTLED = (
    "sidecar.settled == answer_marks.count('[SEG]') and '[SEG]' not in user_marks and not other_marks"
    " and (sidecar.picture is None or sidecar.picture == picture)"
)
"""The file has nothing to report but its objects and its picture: as many as [SEG], and the record's."""


@part("G05", guard=SETTLED)
def object_count(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file's objects against the record's [SEG]."""
    if sidecar.problem is None:
        yield from mask_count_hits(record, sidecar.n_objects, POINTER, sidecar.path)


@part("G07", guard=SETTLED)
def no_object(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A polygon file without objects for a record without [SEG]."""
    if sidecar.problem is None:
        yield from no_target_hits(record, sidecar.n_objects, POINTER, sidecar.path)


@part("G14", guard=SETTLED)
def object_without_rings(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """Objects of the polygon file that have no ring."""
    del record
    if sidecar.n_empty_objects:
        which = ", ".join(map(str, sidecar.empty_objects[:3]))
        more = f" and {sidecar.n_empty_objects - 3} more" if sidecar.n_empty_objects > 3 else ""
        plural = sidecar.n_empty_objects > 1
        message = f"object{'s' if plural else ''} {which}{more} of the polygon file {'have' if plural else 'has'} no ring"
        yield Hit(message, POINTER, related_path=sidecar.path)


@check("G08", severity="error", formats=GEOPIXEL, guard=SETTLED)
def polygon_nesting(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The lists of a polygon file are not nested object, ring, [x, y].

    COCO's flat lists `[x1, y1, x2, y2, …]`, and files that lack the level of objects, are the common cases. The repair
    lies in the polygon file, which `--fix` does not touch.

    Upstream: Rings and points are taken by the level at which they lie: an assertion, a TypeError or OpenCV fails, and the run crashes.
    Fix: Write one list of rings for each object, and one list of [x, y] for each ring.
    Source: data_mix.py: the loop over `polygons` before cv2.fillPoly.
    Bad (geopixel; file=flat.json:{"polygons": [[10, 10, 20, 10, 20, 20]]}): {"image": "a.png", "polygons": "flat.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=rings.json:{"polygons": [[[10, 10], [20, 10], [20, 20]]]}): {"image": "a.png", "polygons": "rings.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.problem == "nesting":
        yield Hit(f"in the polygon file, {sidecar.detail}", POINTER, related_path=sidecar.path)


@check("G09", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def degenerate_ring(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A ring has fewer than three points, or encloses no area once fractions are cut off.

    A ring without any point is an error.

    Upstream: One point draws a dot, two draw a line, a ring without area draws its border: a mask of few pixels. A ring without any point fails an assertion, and the run crashes.
    Fix: Remove the ring from the polygon file, or draw it.
    Source: data_mix.py: cv2.fillPoly on int32 points.
    Bad (geopixel; file=line.json:{"polygons": [[[[10, 10], [20, 10]]]]}): {"image": "a.png", "polygons": "line.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=void.json:{"polygons": [[[]]]}): {"image": "a.png", "polygons": "void.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    path = sidecar.path
    if sidecar.n_empty_rings:
        message = f"no point in {named(sidecar.empty_rings, sidecar.n_empty_rings)} of the polygon file"
        yield Hit(message, POINTER, severity="error", related_path=path)
    if sidecar.n_short:
        message = f"fewer than three points in {named(sidecar.short, sidecar.n_short)} of the polygon file"
        yield Hit(message, POINTER, related_path=path)
    if sidecar.n_flat:
        message = f"no area within {named(sidecar.flat, sidecar.n_flat)} of the polygon file"
        yield Hit(message, POINTER, related_path=path)


@check("G11", severity="info", formats=GEOPIXEL, guard=SETTLED)
def fractional_points(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """Points of a polygon have fractions.

    Upstream: They are cut off toward zero, not rounded: masks move by up to a pixel to the upper left.
    Fix: Round the points yourself if that matters.
    Source: data_mix.py: np.array(…, dtype=np.int32).
    Bad (geopixel; file=fraction.json:{"polygons": [[[[10.5, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "fraction.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; file=whole.json:{"polygons": [[[[10.0, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "whole.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.fractions:
        have = (
            "point of the polygon file has" if sidecar.fractions == 1 else "points of the polygon file have"
        )
        message = f"{sidecar.fractions} {have} fractions, which are cut off"
        yield Hit(message, POINTER, related_path=sidecar.path)


@check("G12", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def filled_hole(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A ring lies inside another ring of the same object: a hole, as other tools mean it.

    Upstream: Every ring is filled and all of an object are united: the hole is part of the mask.
    Fix: Cut the region into pieces without holes, or give the masks as RLE.
    Source: data_mix.py: one cv2.fillPoly for each ring, all with the same colour.
    Bad (geopixel; file=hole.json:{"polygons": [[[[0, 0], [30, 0], [30, 30], [0, 30]], [[10, 10], [20, 10], [20, 20], [10, 20]]]]}): {"image": "a.png", "polygons": "hole.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; file=apart.json:{"polygons": [[[[0, 0], [9, 0], [9, 9]], [[10, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "apart.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.n_holes:
        inner = named(tuple(inner for inner, _ in sidecar.holes), sidecar.n_holes)
        lie = "lies" if sidecar.n_holes == 1 else "lie"
        message = f"{inner} of the polygon file {lie} inside another ring of the object, and is no hole"
        yield Hit(message, POINTER, related_path=sidecar.path)


@check("G13", severity="error", formats=GEOPIXEL, guard=SETTLED)
def no_polygon_file(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file is missing, cannot be read, is no JSON, or has no key `polygons`.

    A file that is too long for this program to read is a warning: nothing is known about its polygons.

    Upstream: FileNotFoundError, ValueError or KeyError: the run crashes.
    Fix: Put the file there, or correct the path; paths start in the directory that training is run from.
    Source: data_mix.py: json.load of the file, and its key `polygons`.
    Bad (geopixel): {"image": "a.png", "polygons": "gone.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=keyless.json:{"polygon": []}): {"image": "a.png", "polygons": "keyless.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    problem = sidecar.problem
    if problem is None or problem == "nesting":
        return
    message = f"polygon file {sidecar.path}: {sidecar.detail}"
    if problem == "too-large":
        limit = f"{MAX_BYTES >> 20} MiB"
        upstream = "The trainer has no such limit: it reads the file, whatever that costs."
        fix = f"Split it: a polygon file belongs to one picture, and {limit} hold millions of points."
        yield Hit(message, POINTER, upstream, fix, severity="warning", related_path=sidecar.path)
    elif problem == "missing":
        from mmdata.media.paths import find_elsewhere

        place = find_elsewhere(str(record.raw.get("polygons")), record.path)
        hint = f"It is found under {place}: run from there or pass --media-root {place}."
        yield Hit(message, POINTER, fix=hint if place else None, related_path=sidecar.path)
    else:
        fix = "Write the file anew: an object whose key `polygons` holds the lists."
        yield Hit(message, POINTER, fix=fix, related_path=sidecar.path)


@check("G21", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def sidecar_disagrees(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file's `img` or `gcg_description` does not fit the record.

    File names are compared without their directories, descriptions by the number of their [SEG].

    Upstream: Neither is read: the masks of another picture are trained without a word.
    Fix: Check which of the two is right.
    Source: data_mix.py reads the key `polygons` alone.
    Bad (geopixel; file=other.json:{"img": "b.png", "polygons": [[[[10, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "other.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; file=same.json:{"img": "elsewhere/a.png", "gcg_description": "<p> Here </p> [SEG]", "polygons": [[[[10, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "same.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    image = record.raw.get("image")
    if sidecar.img is not None and isinstance(image, str) and sidecar.picture != file_name(image):
        message = f"the polygon file is for the picture {sidecar.img}, the record for {image}"
        yield Hit(message, POINTER, related_path=sidecar.path)
    answers = [turn.count(SEG) for turn in record.spoken_by("assistant")]
    # The description may be the answer of one turn among several.
    if sidecar.described and sidecar.described not in (sum(answers), *answers):
        message = (
            f"{sidecar.described} [SEG] in the polygon file's description, {sum(answers)} in the answers"
        )
        yield Hit(message, POINTER, related_path=sidecar.path)


@check("G10", severity="warning", formats=GEOPIXEL)
def points_outside(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """Polygon points lie outside the picture.

    Coordinates are pixels, x right, y down, fractions cut off. A point on the far edge (x = width, y = height) is what many
    tools write for a box as wide as the picture, and is let pass. Needs `--media header` or `decode`; negative
    coordinates are seen without.

    Upstream: OpenCV clips the polygon to the picture without a word.
    Fix: Clip the polygons; if many points are far outside, they belong to another size of the picture.
    Source: data_mix.py: cv2.fillPoly on an array of the picture's size.
    Bad (geopixel; media=header; file=far.json:{"polygons": [[[[10, 10], [200, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "far.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=left.json:{"polygons": [[[[-10, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "left.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header; file=edge.json:{"polygons": [[[[0, 0], [64, 0], [64, 48], [0, 48]]]]}): {"image": "a.png", "polygons": "edge.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    size, facts = picture_size(media), media.sidecar
    if size is None or facts is None or facts.bounds is None or facts.beyond_int32:
        return
    left, top, right, bottom = facts.bounds
    if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
        extent = f"from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f})"
        message = f"points of the polygon file reach {extent} in a picture {size[0]} wide and {size[1]} high"
        yield Hit(message, POINTER, related_path=facts.path)


@part("G10", guard=SETTLED)
def points_outside_any_picture(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """Points that lie outside whatever the size of the picture."""
    if sidecar.beyond_int32:
        message = f"{sidecar.beyond_int32} points of the polygon file do not fit 32 bits"
        upstream = "NumPy refuses the number or makes another of it: the run crashes, or the mask is wrong."
        yield Hit(message, POINTER, upstream, severity="error", related_path=sidecar.path)
    elif (
        sidecar.bounds is not None and min(sidecar.bounds) < 0 and record.options.media in ("none", "exists")
    ):
        left, top = sidecar.bounds[:2]
        message = f"points of the polygon file reach ({left:.0f}, {top:.0f}), outside any picture"
        yield Hit(message, POINTER, related_path=sidecar.path)
