"""The facts of a GeoPixel polygon file, as far as checks need them: small, so that thousands can be remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mmdata.masks.rings import Indices, PolygonFile

SidecarProblem = Literal["missing", "unreadable", "too-large", "not-json", "no-polygons", "nesting"]
"""Why a polygon file is not looked at: it cannot be read, is longer than `MAX_BYTES`, is no JSON, is JSON without the key
``polygons``, or the lists under that key are not nested object, ring, point."""

MAX_BYTES = 64 << 20
"""A polygon file is read whole; a longer one is refused rather than held in memory."""

LISTED = 8
"""Rings or objects of a fault that are named one by one; the numbers are complete."""

SEG = "[SEG]"
MAX_PATH = 4096

Ring = tuple[int, int]
"""(object, ring within the object), both 0-based."""

Box = tuple[float, float, float, float]
"""(least x, least y, greatest x, greatest y) in pixels, all four inclusive."""


@dataclass(slots=True)
class SidecarFacts:
    """What is known of a polygon file.

    Attributes:
        path: where it was looked for.
        problem: why it cannot be used, or None.
        detail: the same in words.
        n_objects: number of objects.
        empty_objects: first objects without a ring, and `n_empty_objects` how many.
        empty_rings: first rings without a point, and `n_empty_rings` how many.
        short: first rings of one or two points, and `n_short` how many.
        flat: first rings of three or more points that enclose no area, and `n_flat` how many.
        holes: first (inner, outer) rings of one object, and `n_holes` how many inner ones.
        fractions: number of points with a fraction, which int32 cuts off.
        beyond_int32: number of points with a coordinate that int32 cannot hold.
        bounds: extent of the points once their fractions are cut off, or None without points.
        img: its ``img``, if that is a string of at most `MAX_PATH` characters.
        picture: the file name in `img`, without directories, or None.
        described: number of ``[SEG]`` in its ``gcg_description``, or None without that text.
        settled: the number of objects if no check has anything to say about the file besides its `picture`,
            else -1.
    """

    path: str
    problem: SidecarProblem | None = None
    detail: str = ""
    n_objects: int = 0
    empty_objects: tuple[int, ...] = ()
    n_empty_objects: int = 0
    empty_rings: tuple[Ring, ...] = ()
    n_empty_rings: int = 0
    short: tuple[Ring, ...] = ()
    n_short: int = 0
    flat: tuple[Ring, ...] = ()
    n_flat: int = 0
    holes: tuple[tuple[Ring, Ring], ...] = ()
    n_holes: int = 0
    fractions: int = 0
    beyond_int32: int = 0
    bounds: Box | None = None
    img: str | None = None
    picture: str | None = field(default=None, init=False)
    described: int | None = None
    settled: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        """Settle what guards ask for in every record."""
        self.settle()

    def settle(self) -> None:
        """Work `settled` out again, after a change."""
        # A description whose [SEG] are as many as the objects agrees with every record that has as many [SEG].
        says_more = self.described not in (None, 0, self.n_objects)
        self.picture = None if self.img is None else file_name(self.img)
        self.settled = self.n_objects if self.ordinary and not says_more and self.n_objects else -1

    @property
    def ordinary(self) -> bool:
        """Whether nothing in the polygons themselves can be a finding."""
        faults = self.n_empty_objects + self.n_empty_rings + self.n_short + self.n_flat + self.n_holes
        points = self.fractions + self.beyond_int32
        inside = self.bounds is None or min(self.bounds) >= 0
        return self.problem is None and faults == 0 and points == 0 and inside


def load(path: str) -> SidecarFacts:
    """Read a polygon file and keep its facts; never raises.

    Args:
        path: a local file, or a URL where media lie in an object store.
    """
    from mmdata.masks.rings import PolygonFileError, load_polygon_file
    from mmdata.media.source import UnopenableError, open_source

    try:
        file, size = open_source(path)
        with file:
            if size > MAX_BYTES:
                return SidecarFacts(path, "too-large", f"longer than {MAX_BYTES >> 20} MiB")
            data = file.readall()
        polygons = load_polygon_file(data)
    except UnopenableError as error:
        problems: dict[str, SidecarProblem] = {"missing": "missing", "empty": "not-json"}
        return SidecarFacts(path, problems.get(error.problem, "unreadable"), error.detail)
    except OSError as error:
        return SidecarFacts(path, "unreadable", error.strerror or str(error))
    except PolygonFileError as error:
        outer: dict[str, SidecarProblem] = {
            "not-json": "not-json",
            "no-polygons": "no-polygons",
            "not-object": "no-polygons",
        }
        return SidecarFacts(path, outer.get(error.kind, "nesting"), str(error))
    return _facts(path, polygons)


def _facts(path: str, polygons: PolygonFile) -> SidecarFacts:
    """The facts of polygons that could be read; the common case, nothing amiss, takes the fewest passes."""
    import numpy as np

    from mmdata.masks import rings

    facts = SidecarFacts(path, n_objects=polygons.n_objects)
    if not polygons.object_offsets[-1] or (np.diff(polygons.object_offsets) == 0).any():
        empty = rings.objects_without_rings(polygons)
        facts.empty_objects, facts.n_empty_objects = tuple(empty[:LISTED].tolist()), len(empty)
    bounds = rings.sound_bounds(polygons)
    if polygons.n_rings and bounds is None:
        if int(np.diff(polygons.ring_offsets).min()) < 3:
            facts.empty_rings, facts.n_empty_rings = _places(polygons, rings.empty_rings(polygons))
            facts.short, facts.n_short = _places(polygons, rings.short_rings(polygons))
        facts.flat, facts.n_flat = _places(polygons, rings.zero_area(polygons))
    if polygons.n_rings > polygons.n_objects:
        from mmdata.masks.inner_rings import inner_rings

        pairs = inner_rings(polygons).pairs
        facts.holes = tuple((polygons.place(inner), polygons.place(outer)) for inner, outer in pairs[:LISTED])
        facts.n_holes = len(pairs)
    if bounds is not None:
        facts.bounds = tuple(bounds)
    elif polygons.n_points:
        pixels = rings.truncated(polygons.points)
        if (pixels != polygons.points).any():
            facts.fractions = rings.has_fraction(polygons.points)
            facts.beyond_int32 = rings.beyond_int32(polygons.points)
        x, y = pixels[:, 0], pixels[:, 1]
        facts.bounds = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    img, description = polygons.extras.get("img"), polygons.extras.get("gcg_description")
    facts.img = img if isinstance(img, str) and len(img) <= MAX_PATH else None
    facts.described = description.count(SEG) if isinstance(description, str) else None
    facts.settle()
    return facts


def _places(polygons: PolygonFile, rings: Indices) -> tuple[tuple[Ring, ...], int]:
    """Where the first few of some rings are, and how many they are."""
    return tuple(polygons.place(int(ring)) for ring in rings[:LISTED]), len(rings)


def file_name(path: str) -> str:
    """The last part of a path, whichever slash its system writes."""
    return path.replace("\\", "/").rpartition("/")[2]


def named(rings: tuple[Ring, ...], total: int) -> str:
    """Rings for a message: ``object 0, ring 1; object 2, ring 0 and 5 more``."""
    shown: list[Any] = [f"object {obj}, ring {ring}" for obj, ring in rings[:3]]
    return "; ".join(shown) + (f" and {total - 3} more" if total > 3 else "")
