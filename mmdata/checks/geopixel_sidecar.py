"""GeoPixel: the polygon file that a record names (G05, G08, G09, G11 to G14, G21)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.geopixel import GEOPIXEL, SEG, targets
from mmdata.checks.registry import Hit, check, part
from mmdata.checks.sidecars import Ring, SidecarFacts
from mmdata.checks.view import RecordView

POINTER = "/polygons"

SETTLED = "sidecar.settled == answer_marks.count('[SEG]') and '[SEG]' not in user_marks and not other_marks"
"""The file has nothing to report but the number of its objects, and that is the number of [SEG]."""


def _named(rings: tuple[Ring, ...], total: int) -> str:
    """``object 0, ring 1; object 2, ring 0 and 5 more``."""
    text = "; ".join(f"object {o}, ring {r}" for o, r in rings[:3])
    return text if total <= 3 else f"{text} and {total - 3} more"


@part("G05", guard=SETTLED)
def object_count(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file's objects against the record's [SEG]."""
    count = targets(record)
    if sidecar.problem is None and count != sidecar.n_objects and (count or sidecar.n_objects):
        turns = [turn for turn in record.turns if turn.count(SEG)]
        place = turns[0].text_pointer if len(turns) == 1 else POINTER
        objects = "object" if sidecar.n_objects == 1 else "objects"
        yield Hit(
            f"{count} [SEG] in the turns, {sidecar.n_objects} {objects} in the polygon file",
            place,
            related_path=sidecar.path,
        )


@part("G07", guard=SETTLED)
def no_object(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A polygon file without objects for a record without [SEG]."""
    if sidecar.problem is None and sidecar.n_objects == 0 and targets(record) == 0:
        yield Hit("no [SEG], and no object in the polygon file", POINTER, related_path=sidecar.path)


@part("G14", guard=SETTLED)
def object_without_rings(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """Objects of the polygon file that have no ring."""
    del record
    if sidecar.empty_objects:
        yield Hit(
            f"object {', '.join(map(str, sidecar.empty_objects))} has no ring: an empty target",
            POINTER,
            related_path=sidecar.path,
        )


@check("G08", severity="error", formats=GEOPIXEL, guard=SETTLED)
def polygon_nesting(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygons of a polygon file are not nested object, ring, point.

    COCO's flat lists, and files without the level of objects, are the common cases.

    Upstream: OpenCV raises on the shape of the points, or every ring is taken for an object: the counts no longer fit, and an assertion fails.
    Fix: Write one list of rings for each object, one list of [x, y] for each ring.
    Source: `data_mix.py`, `cv2.fillPoly`.
    Bad (geopixel; file=flat.json:{"polygons": [[10, 10, 20, 10, 20, 20]]}): {"image": "a.png", "polygons": "flat.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.problem == "nesting":
        yield Hit(sidecar.detail, POINTER, related_path=sidecar.path)


@check("G09", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def degenerate_ring(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A ring has fewer than three points or encloses no area.

    Upstream: one or two points draw a dot or a line; a ring without area draws its border; a ring without any point fails an assertion of OpenCV, and the run crashes.
    Fix: Remove the ring, or draw it.
    Source: `data_mix.py`, `cv2.fillPoly`.
    Bad (geopixel; file=line.json:{"polygons": [[[[10, 10], [20, 10]]]]}): {"image": "a.png", "polygons": "line.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.empty_rings:
        yield Hit(
            f"{_named(sidecar.empty_rings, len(sidecar.empty_rings))} has no point",
            POINTER,
            severity="error",
            related_path=sidecar.path,
        )
    if sidecar.n_short:
        yield Hit(
            f"{_named(sidecar.short, sidecar.n_short)} has fewer than three points",
            POINTER,
            related_path=sidecar.path,
        )
    if sidecar.n_flat:
        yield Hit(
            f"{_named(sidecar.flat, sidecar.n_flat)} encloses no area", POINTER, related_path=sidecar.path
        )


@check("G11", severity="info", formats=GEOPIXEL, guard=SETTLED)
def fractional_points(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """Points of a polygon have fractions.

    Upstream: they are cut off toward zero (int32), not rounded: masks move by up to a pixel to the top left.
    Fix: Round the points yourself if that matters.
    Source: `data_mix.py`, `np.array(…, dtype=np.int32)`.
    Bad (geopixel; file=fraction.json:{"polygons": [[[[10.5, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "fraction.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.fractions:
        yield Hit(
            f"{sidecar.fractions} points with fractions, which are cut off",
            POINTER,
            related_path=sidecar.path,
        )


@check("G12", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def filled_hole(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """A ring lies inside another ring of the same object: a hole, as other tools have it.

    Upstream: every ring is filled and the rings are united: the hole is filled.
    Fix: Cut the region into pieces without holes, or give the masks as RLE.
    Source: `data_mix.py`, one `cv2.fillPoly` for each ring.
    Bad (geopixel; file=hole.json:{"polygons": [[[[0, 0], [30, 0], [30, 30], [0, 30]], [[10, 10], [20, 10], [20, 20], [10, 20]]]]}): {"image": "a.png", "polygons": "hole.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    if sidecar.n_holes:
        inner = tuple(inner for inner, _ in sidecar.holes)
        yield Hit(
            f"{_named(inner, sidecar.n_holes)} lies inside another ring and is filled",
            POINTER,
            related_path=sidecar.path,
        )


@check("G13", severity="error", formats=GEOPIXEL, guard=SETTLED)
def no_polygon_file(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file is missing, is no JSON, or has no key `polygons`.

    Upstream: FileNotFoundError, JSONDecodeError or KeyError: the run crashes.
    Fix: Put the file there, or correct the path; paths start in the directory that training is run from.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "polygons": "gone.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if sidecar.problem not in ("missing", "unreadable", "not-json", "no-polygons"):
        return
    from mmdata.media.paths import find_elsewhere

    place = (
        find_elsewhere(str(record.raw.get("polygons")), record.path) if sidecar.problem == "missing" else None
    )
    fix = f"It was found under {place}: run from there or pass --media-root {place}." if place else None
    yield Hit(f"polygon file {sidecar.path}: {sidecar.detail}", POINTER, fix=fix, related_path=sidecar.path)


@check("G21", severity="warning", formats=GEOPIXEL, guard=SETTLED)
def sidecar_disagrees(record: RecordView, sidecar: SidecarFacts) -> Iterator[Hit]:
    """The polygon file's `img` or `gcg_description` is not the record's image or answer.

    Upstream: neither is read; the masks may belong to another picture.
    Fix: Check which of the two is right.
    Source: `data_mix.py` reads `polygons` alone.
    Bad (geopixel; file=other.json:{"img": "b.png", "polygons": [[[[10, 10], [20, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "other.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    image = record.raw.get("image")
    if (
        isinstance(sidecar.img, str)
        and isinstance(image, str)
        and sidecar.img.rpartition("/")[2] != image.rpartition("/")[2]
    ):
        yield Hit(
            f"the polygon file is for {sidecar.img}, the record for {image}",
            POINTER,
            related_path=sidecar.path,
        )
    answers = [" ".join((turn.text or "").split()) for turn in record.spoken_by("assistant")]
    if isinstance(sidecar.description, str) and answers and SEG in sidecar.description:
        # The description may be shortened or asked for in pieces; the number of masks it speaks of may not differ.
        described = sidecar.description.count(SEG)
        if (
            described != sum(answer.count(SEG) for answer in answers)
            and " ".join(sidecar.description.split()) not in answers
        ):
            message = f"the polygon file's description has {described} [SEG], the answers {sum(a.count(SEG) for a in answers)}"
            yield Hit(message, POINTER, related_path=sidecar.path)
