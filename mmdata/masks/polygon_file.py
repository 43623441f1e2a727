"""GeoPixel's polygon sidecar as flat arrays: a hundred thousand points read faster than `orjson.loads` builds lists.

A sidecar is a JSON object whose ``polygons`` nests object -> ring -> point -> number. Four readers, one result:

1. with compiled loops (`mmdata.masks.compiled`): `msgspec` proves that the text is JSON, one pass over its bytes reads it;
2. ordinary large files: `msgspec` proves that the text is JSON, `mmdata.masks.number_scan` takes the numbers and the
   nesting from the bytes;
3. whatever that declines (exponents, very long fractions, empty lists, small files): `msgspec` with the exact type;
4. whatever that declines: Python's own parser, the one that the trainer uses, and a walk that says what is wrong and
   where, or reads what only Python's parser accepts.
"""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, chain
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks import compiled
from mmdata.masks.number_scan import scan
from mmdata.masks.shown import shown

Points: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
PolygonFault = Literal[
    "not-json",
    "not-object",
    "no-polygons",
    "type",
    "flat",
    "no-object-level",
    "too-deep",
    "point-length",
    "number",
]

# Below this many bytes the typed decoder is faster than two dozen numpy calls.
_SMALL = 12_000


class PolygonFileError(DataError):
    """A sidecar that the trainer cannot read as object -> ring -> [x, y].

    Attributes:
        kind: ``not-json``, ``not-object`` (the file is no object), ``no-polygons`` (no such key), ``flat`` (numbers
            in a row where points belong, as COCO writes them), ``no-object-level`` (rings where objects belong, or
            points where rings belong), ``too-deep`` (a list where a coordinate belongs), ``point-length`` (not two
            numbers), ``number`` (a coordinate that is no finite number), ``type`` (no list where one belongs).
        pointer: JSON pointer of the offending value in the sidecar; empty for the whole file.
        expected: what belongs there.
        got: what is there.
    """

    def __init__(self, kind: PolygonFault, pointer: str, expected: str, got: str) -> None:
        place = f"{pointer}: " if pointer else ""
        super().__init__(f"{place}expected {expected}, got {got}")
        self.kind: PolygonFault = kind
        self.pointer = pointer
        self.expected = expected
        self.got = got


@dataclass(slots=True, eq=False)
class PolygonFile:
    """The polygons of one sidecar. Objects and rings may be empty: what that means is a check's business.

    Attributes:
        points: float64 (n, 2), x and y in pixels, x right, y down, all rings one after the other.
        ring_offsets: int64 (rings + 1,); ring ``i`` is ``points[ring_offsets[i]:ring_offsets[i + 1]]``.
        object_offsets: int64 (objects + 1,); object ``k`` has the rings ``object_offsets[k]`` to
            ``object_offsets[k + 1]``, exclusive.
        extras: the other keys of the file (``id``, ``img``, ``gcg_description``), parsed.
    """

    points: Points
    ring_offsets: Indices
    object_offsets: Indices
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def n_objects(self) -> int:
        """Number of objects."""
        return len(self.object_offsets) - 1

    @property
    def n_rings(self) -> int:
        """Number of rings of all objects."""
        return len(self.ring_offsets) - 1

    @property
    def n_points(self) -> int:
        """Number of points of all rings."""
        return len(self.points)

    def ring(self, index: int) -> Points:
        """The points of a ring, float64 (n, 2), a view."""
        return self.points[self.ring_offsets[index] : self.ring_offsets[index + 1]]

    def place(self, ring: int) -> tuple[int, int]:
        """Object of a ring, and the ring's number within the object."""
        owner = int(np.searchsorted(self.object_offsets, ring, side="right")) - 1
        return owner, ring - int(self.object_offsets[owner])


def load_polygon_file(data: bytes) -> PolygonFile:
    """Read a sidecar.

    Args:
        data: the file's bytes.

    Raises:
        PolygonFileError: the trainer cannot read it; the error names the place, what belongs there and what is there.
    """
    with _gc_paused():
        try:
            if compiled.ready():
                return _read_compiled(data)
            return _read_large(data) if len(data) > _SMALL else _read_typed(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # Not only broken files come here: Python reads NaN, lone surrogates and wider integers than msgspec.
            return _read_slowly(data)


def _read_compiled(data: bytes) -> PolygonFile:
    members = _raw_members().decode(data)
    raw = members.pop("polygons", None)
    if raw is None:
        return _read_typed(data)
    read = compiled.kernels("polygon").nested
    ordinary, points, rings, objects = read(np.frombuffer(memoryview(raw), np.uint8))
    if not ordinary:
        return _read_typed(data)
    extras = {key: msgspec.json.decode(value) for key, value in members.items()}
    return PolygonFile(points, rings, objects, extras)


def _read_large(data: bytes) -> PolygonFile:
    members = _raw_members().decode(data)
    raw = members.pop("polygons", None)
    scanned = None if raw is None else scan(bytes(raw))
    if scanned is None:
        return _read_typed(data)
    return PolygonFile(*scanned, {key: msgspec.json.decode(value) for key, value in members.items()})


def _read_typed(data: bytes) -> PolygonFile:
    members = _raw_members().decode(data)
    if "polygons" not in members:
        raise PolygonFileError("no-polygons", "", "an object with the key `polygons`", _keys(members))
    objects = _nested().decode(members.pop("polygons"))
    return _flatten(objects, {key: msgspec.json.decode(value) for key, value in members.items()})


def _read_slowly(data: bytes) -> PolygonFile:
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise PolygonFileError("not-json", "", "JSON", str(error) or type(error).__name__) from error
    if not isinstance(content, dict):
        raise PolygonFileError("not-object", "", "an object with the key `polygons`", _what(content))
    if "polygons" not in content:
        raise PolygonFileError("no-polygons", "", "an object with the key `polygons`", _keys(content))
    polygons = content.pop("polygons")
    _walk(polygons)
    return _flatten(polygons, content)


def _flatten(objects: list[list[list[Any]]], extras: dict[str, Any]) -> PolygonFile:
    rings = list(chain.from_iterable(objects))
    total = sum(map(len, rings))
    numbers = chain.from_iterable(chain.from_iterable(rings))
    points = np.fromiter(numbers, np.float64, 2 * total).reshape(-1, 2)
    return PolygonFile(points, _offsets(map(len, rings)), _offsets(map(len, objects)), extras)


def _offsets(lengths: Iterator[int]) -> Indices:
    return np.fromiter(accumulate(lengths, initial=0), np.int64)


def _walk(polygons: Any) -> None:
    """Raise for the first value, in reading order, that is not what belongs there."""
    top = "/polygons"
    if not isinstance(polygons, list):
        raise PolygonFileError("type", top, "a list of objects", _what(polygons))
    for k, rings in enumerate(polygons):
        here = f"{top}/{k}"
        if not isinstance(rings, list):
            raise PolygonFileError(
                "flat" if _number(rings) else "type", here, "a list of rings", _what(rings)
            )
        for r, ring in enumerate(rings):
            if not isinstance(ring, list):
                raise _misplaced_number(rings, f"{here}/{r}", "a ring (list of points)", ring, here)
            for p, point in enumerate(ring):
                if not isinstance(point, list):
                    raise _misplaced_number(ring, f"{here}/{r}/{p}", "a point [x, y]", point, f"{here}/{r}")
                _walk_point(point, f"{here}/{r}/{p}")


def _walk_point(point: list[Any], here: str) -> None:
    for c, value in enumerate(point):
        if isinstance(value, list):
            raise PolygonFileError("too-deep", f"{here}/{c}", "a coordinate", _what(value))
        if not _number(value) or not _finite(value):
            raise PolygonFileError("number", f"{here}/{c}", "a finite number", _what(value))
    if len(point) != 2:
        raise PolygonFileError("point-length", here, "a point of two numbers [x, y]", _what(point))


def _misplaced_number(
    owner: list[Any], pointer: str, expected: str, value: Any, above: str
) -> PolygonFileError:
    """A non-list among what should be lists: `owner` is either a point one level too high, or a flat list."""
    if not _number(value):
        return PolygonFileError("type", pointer, expected, _what(value))
    if len(owner) == 2:
        return PolygonFileError(
            "no-object-level", above, "one more level of lists", f"the point {shown(owner)}"
        )
    return PolygonFileError("flat", above, "a list of points [x, y]", f"numbers in a row: {shown(owner)}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _what(value: Any) -> str:
    if isinstance(value, dict):
        return _keys(value)
    return f"the list {shown(value)}" if isinstance(value, list) else f"{type(value).__name__} {shown(value)}"


def _keys(members: Mapping[str, Any]) -> str:
    return f"an object with the keys {shown(list(members))}" if members else "an empty object"


@cache
def _raw_members() -> msgspec.json.Decoder[dict[str, msgspec.Raw]]:
    return msgspec.json.Decoder(dict[str, msgspec.Raw])


@cache
def _nested() -> msgspec.json.Decoder[list[list[list[tuple[float, float]]]]]:
    return msgspec.json.Decoder(list[list[list[tuple[float, float]]]])


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Hundreds of thousands of small lists make the cycle collector run again and again, and none is a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
