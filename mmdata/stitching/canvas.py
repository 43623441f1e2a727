"""`Canvas`: a grid of named views, and coordinates between a view and the canvas.

The layout of the Mini-InternVL domain adaptation (InternVL, ``tools/images_stitching.py``) is `DRIVELM`: six cameras,
3 x 2 tiles of 896 x 448 pixels; a view of another aspect is stretched. Coordinates on a canvas are whole numbers from 0
to 1000 over its width and height (``eval/domain_specific/drivelm/evaluate.py``). With cameras of 1600 x 900 pixels a
unit is 4.8 x 1.8 pixels of the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mmdata.errors import UsageError

SCALE = 1000
"""Canvas coordinates run from 0 to this, over the width and over the height."""

NUSCENES_SIZE = (1600, 900)
"""Width and height of a nuScenes camera picture in pixels."""

MAX_SIDE = 65_500
"""Longest side of a canvas, the limit of JPEG."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A grid of equal tiles, filled row by row with named views.

    Attributes:
        columns: tiles side by side.
        rows: tiles one above another.
        views: names in the order of the tiles; at most ``columns * rows``, tiles beyond stay black.
        tile: width and height of a tile in pixels.
    """

    columns: int
    rows: int
    views: tuple[str, ...]
    tile: tuple[int, int]

    def __post_init__(self) -> None:
        if self.columns < 1 or self.rows < 1 or min(self.tile) < 1:
            raise UsageError("a grid needs at least one column, one row and tiles of at least 1x1 pixels")
        if not self.views or len(set(self.views)) != len(self.views) or not all(self.views):
            raise UsageError(f"views: expected different names, got {', '.join(self.views) or 'none'}")
        if len(self.views) > self.columns * self.rows:
            raise UsageError(f"{len(self.views)} views do not fit into a grid of {self.columns}x{self.rows}")
        if max(self.size) > MAX_SIDE:
            raise UsageError(
                f"a canvas of {self.size[0]}x{self.size[1]} pixels is over the limit of {MAX_SIDE} a side"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.columns * self.tile[0], self.rows * self.tile[1]

    def cell(self, view: str) -> tuple[int, int]:
        """Column and row of a view.

        Raises:
            UsageError: there is no such view.
        """
        if view not in self.views:
            raise UsageError(f"no view {view!r} on the canvas; it has {', '.join(self.views)}")
        row, column = divmod(self.views.index(view), self.columns)
        return column, row

    def corner(self, view: str) -> tuple[int, int]:
        """Left and top of a view's tile in pixels of the canvas."""
        column, row = self.cell(view)
        return column * self.tile[0], row * self.tile[1]

    def to_canvas(
        self, view: str, x: Fraction | float, y: Fraction | float, size: tuple[int, int]
    ) -> tuple[int, int]:
        """A point of a view on the canvas, 0 to 1000, rounded to the nearest whole number, halves to even.

        Computed in fractions of whole numbers, so that a half is a half. Points outside the view are not clipped.

        Args:
            view: its name.
            x: in pixels of the view, to the right.
            y: in pixels of the view, down.
            size: width and height of the view's picture in pixels.
        """
        column, row = self.cell(view)
        return (
            round((Fraction(x) / size[0] + column) * SCALE / self.columns),
            round((Fraction(y) / size[1] + row) * SCALE / self.rows),
        )

    def to_view(
        self, view: str, x: Fraction | float, y: Fraction | float, size: tuple[int, int]
    ) -> tuple[float, float]:
        """A point of the canvas (0 to 1000) in pixels of a view, clamped to it and rounded to 0.1 pixel.

        The exact inverse within a unit of the canvas: what `to_canvas` made of a point inside the view comes back at
        most half a unit away, and ``to_canvas(to_view(p)) == p``, as long as a unit is at least 0.2 pixels.
        """
        column, row = self.cell(view)
        found = []
        for value, cells, at, side in ((x, self.columns, column, size[0]), (y, self.rows, row, size[1])):
            inside = (Fraction(value) * cells / SCALE - at) * side
            found.append(float(round(min(max(inside, Fraction(0)), Fraction(side)), 1)))
        return found[0], found[1]


DRIVELM = Canvas(
    columns=3,
    rows=2,
    views=("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"),
    tile=(896, 448),
)
"""The layout of ``tools/images_stitching.py``: 2688 x 896 pixels."""
