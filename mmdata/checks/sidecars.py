"""The facts of a GeoPixel polygon file, as far as checks need them: small, so that thousands can be remembered."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mmdata.masks.rings import PolygonFile

SidecarProblem = Literal["missing", "unreadable", "not-json", "no-polygons", "nesting"]

MAX_BYTES = 1 << 30
"""A polygon file is read whole; a larger one is refused rather than held in memory."""

LISTED = 8
"""Rings or objects of a fault that are named one by one; the numbers are complete."""

Ring = tuple[int, int]
"""(object, ring within the object), both 0-based."""


@dataclass(slots=True)
class SidecarFacts:
    """What is known of a polygon file.

    Attributes:
        path: where it was looked for.
        problem: why it cannot be used, or None.
        detail: the same in words.
        n_objects: number of objects.
        empty_rings: first rings without a point, on which the trainer asserts.
        short: first rings of one or two points, and `n_short` how many.
        flat: first rings of three or more points that enclose no area, and `n_flat` how many.
        fractions: points with a fraction, which int32 cuts off.
        empty_objects: objects without a ring.
        holes: (inner, outer) rings of an object, and `n_holes` how many.
        bounds: (least x, least y, greatest x, greatest y) after truncation, or None without points.
        img: its ``img``, as written.
        description: its ``gcg_description``, as written.
        settled: the number of objects if nothing else of the file can be a finding, else -1.
    """

    path: str
    problem: SidecarProblem | None = None
    detail: str = ""
    n_objects: int = 0
    empty_rings: tuple[Ring, ...] = ()
    short: tuple[Ring, ...] = ()
    n_short: int = 0
    flat: tuple[Ring, ...] = ()
    n_flat: int = 0
    fractions: int = 0
    empty_objects: tuple[int, ...] = ()
    holes: tuple[tuple[Ring, Ring], ...] = ()
    n_holes: int = 0
    bounds: tuple[float, float, float, float] | None = None
    img: Any = None
    description: Any = None
    settled: int = field(default=-1, init=False)

    @property
    def ordinary(self) -> bool:
        """Whether nothing in the file itself can be a finding."""
        faults = self.empty_rings or self.n_short or self.n_flat or self.fractions or self.empty_objects
        negative = self.bounds is not None and min(self.bounds) < 0
        says_more = self.img is not None or self.description is not None
        return self.problem is None and not (faults or self.n_holes or negative or says_more)

    def __post_init__(self) -> None:
        """Settle what guards ask for in every record."""
        self.settled = self.n_objects if self.ordinary and self.n_objects else -1


def load(path: str) -> SidecarFacts:
    """Read a polygon file and keep its facts; never raises."""
    from mmdata.masks.rings import PolygonFileError, load_polygon_file

    try:
        if os.path.getsize(path) > MAX_BYTES:
            return SidecarFacts(path, "unreadable", f"longer than {MAX_BYTES >> 20} MiB")
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return SidecarFacts(path, "missing", "there is no such file")
    except (OSError, ValueError) as error:
        return SidecarFacts(path, "unreadable", str(error))
    try:
        polygons = load_polygon_file(data)
    except PolygonFileError as error:
        if error.kind == "not-json":
            problem: SidecarProblem = "not-json"
        else:
            problem = "no-polygons" if error.kind in ("no-polygons", "not-object") else "nesting"
        return SidecarFacts(path, problem, str(error))
    return _facts(path, polygons)


def _facts(path: str, polygons: PolygonFile) -> SidecarFacts:
    from mmdata.masks.inner_rings import inner_rings
    from mmdata.masks.rings import (
        bounds,
        empty_rings,
        has_fraction,
        objects_without_rings,
        short_rings,
        zero_area,
    )

    def places(rings: Any) -> tuple[Ring, ...]:
        return tuple(polygons.place(int(ring)) for ring in rings[:LISTED])

    short = short_rings(polygons)
    known = {int(ring) for ring in short}
    flat = [int(ring) for ring in zero_area(polygons) if int(ring) not in known]
    inner = inner_rings(polygons).pairs if polygons.n_rings > polygons.n_objects else ()
    box = bounds(polygons.points)
    return SidecarFacts(
        path=path,
        n_objects=polygons.n_objects,
        empty_rings=places(empty_rings(polygons)),
        short=places(short),
        n_short=len(short),
        flat=places(flat),
        n_flat=len(flat),
        fractions=int(has_fraction(polygons.points)),
        empty_objects=tuple(int(k) for k in objects_without_rings(polygons)[:LISTED]),
        holes=tuple((polygons.place(int(a)), polygons.place(int(b))) for a, b in inner[:LISTED]),
        n_holes=len(inner),
        bounds=None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        img=polygons.extras.get("img"),
        description=polygons.extras.get("gcg_description"),
    )
