"""InternVL's pictures: dynamic tiles of 448 pixels, 256 tokens each, bit for bit as ``dynamic_preprocess`` cuts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmdata.tiling import INTERNVL_MAX_TILES, Grid, internvl_grid, internvl_tile_tokens
from mmtrain.data.encode import Tiles, media_path
from mmtrain.data.pictures import header_size, load_rgb
from mmtrain.data.video import FrameRule, FrameSource

if TYPE_CHECKING:
    from mmtrain.data.regions_canvas import Canvas, Canvases
    from schemas.sample import Media

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
"""ImageNet's mean and standard deviation of each channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternVLMedia:
    """How InternVL takes pictures.

    Attributes:
        tile: side of a tile in pixels (``force_image_size``).
        patch: side of a patch of the vision encoder in pixels.
        tokens: tokens of a tile; None: by InternVL's formula, 256 for 448 pixels.
        min_tiles: ``min_dynamic_patch``.
        max_tiles: ``max_dynamic_patch``; several pictures of a sample share it.
        thumbnail: ``use_thumbnail``: a picture of more than one tile gets one more, of the whole.
        dynamic: ``dynamic_image_size``; without it every picture is one tile.
        frames: which frames of a video are taken; each is one tile.
    """

    tile: int = 448
    patch: int = 14
    tokens: int | None = None
    min_tiles: int = 1
    max_tiles: int = INTERNVL_MAX_TILES
    thumbnail: bool = True
    dynamic: bool = True
    frames: FrameSource = field(default_factory=FrameRule)

    @property
    def tile_tokens(self) -> int:
        """Tokens of one tile."""
        return internvl_tile_tokens(self.tile) if self.tokens is None else self.tokens

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """Tiles of each picture; one a frame for videos. Reads headers only.

        Raises:
            DataError: a file is no picture that can be opened.
        """
        return [[self.tiles_of(grid) for grid in own] for own in self.grids(media, root, max_tiles)]

    def grids(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Grid]]:
        """How each picture is cut; a frame of a video is one tile. Reads headers only.

        Raises:
            DataError: a file is no picture that can be opened.
        """
        share = self._share(media, max_tiles)
        found = []
        for one in media:
            if one.kind == "image":
                found.append([self._grid(header_size(media_path(one.paths[0], root)), share)])
            else:
                found.append([Grid(1, 1)] * self.frames.count(one, root))
        return found

    def canvases(self, media: list[Media], root: str | None, max_tiles: int | None) -> Canvases:
        """Patches of the vision encoder before any are merged, on the tiles that show a part of a picture.

        A tile's patches lie in rows; the class token is not counted. The thumbnail's lie on no canvas.
        """
        from mmtrain.data.regions_canvas import Canvas, Canvases, even, tiled

        side, first = self.tile // self.patch, 0
        found: list[list[Canvas]] = []
        for one, grids in zip(media, self.grids(media, root, max_tiles), strict=True):
            height, width = self._size(one, root)
            found.append([])
            for grid in grids:
                cells = tiled(grid.rows, grid.columns, side, first * side * side)
                found[-1].append(Canvas(even(height, len(cells)), even(width, cells.shape[1]), cells))
                first += self.tiles_of(grid).tiles
        return Canvases(found, first * side * side)

    def features(self, inputs: Mapping[str, npt.NDArray[Any]]) -> int:
        """How many patches the tiles have."""
        return len(inputs["pixel_values"]) * (self.tile // self.patch) ** 2

    def _size(self, one: Media, root: str | None) -> tuple[int, int]:
        """(height, width) of a picture or of a video's frames."""
        if one.kind == "image":
            width, height = header_size(media_path(one.paths[0], root))
        else:
            width, height = self.frames.size(one, root)
        return height, width

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """Tiles and ``pixel_values`` (tiles, 3, S, S) float32, pictures in order.

        Raises:
            DataError: a picture or video cannot be read to its end.
        """
        share = self._share(media, max_tiles)
        counts: list[list[Tiles]] = []
        arrays: list[npt.NDArray[np.float32]] = []
        for one in media:
            if one.kind == "image":
                picture = load_rgb(media_path(one.paths[0], root))
                grid = self._grid(picture.size, share)
                arrays.append(self.cut(picture, grid))
                counts.append([self.tiles_of(grid)])
            else:
                frames = self.frames.take(one, root).pictures
                arrays += [self.cut(frame, Grid(1, 1)) for frame in frames]
                counts.append([Tiles(self.tile_tokens, 1)] * len(frames))
        return counts, {"pixel_values": arrays[0] if len(arrays) == 1 else np.concatenate(arrays)}

    def cut(self, picture: Image.Image, grid: Grid) -> npt.NDArray[np.float32]:
        """Tiles of a picture in rows from the top left, then the thumbnail: (tiles, 3, S, S) float32, normalised."""
        side = self.tile
        whole = np.asarray(picture.resize((side * grid.columns, side * grid.rows)))
        tiles = whole.reshape(grid.rows, side, grid.columns, side, 3).transpose(0, 2, 4, 1, 3)
        tiles = tiles.reshape(grid.tiles, 3, side, side)
        if self.thumbnail and grid.tiles != 1:
            small = np.asarray(picture.resize((side, side))).transpose(2, 0, 1)[None]
            tiles = np.concatenate([tiles, small])
        scaled = tiles.astype(np.float32)
        scaled /= np.float32(255)
        scaled -= MEAN
        scaled /= STD
        return scaled

    def dummy(self) -> tuple[Tiles, dict[str, npt.NDArray[Any]]]:
        """One tile of zeros."""
        return Tiles(self.tile_tokens, 1), {
            "pixel_values": np.zeros((1, 3, self.tile, self.tile), np.float32)
        }

    def positions(self, ids: npt.NDArray[np.int64], inputs: dict[str, npt.NDArray[Any]]) -> None:
        """Tokens are counted on by one."""
        del ids, inputs

    def _share(self, media: list[Media], max_tiles: int | None) -> int:
        most = self.max_tiles if max_tiles is None else max_tiles
        return max(1, most // len(media)) if len(media) > 1 else most

    def _grid(self, size: tuple[int, int], most: int) -> Grid:
        if not self.dynamic:
            return Grid(1, 1)
        return internvl_grid(*size, min_tiles=self.min_tiles, max_tiles=most, tile=self.tile)

    def tiles_of(self, grid: Grid) -> Tiles:
        """What a picture cut like this costs, the thumbnail included."""
        count = grid.tiles + int(self.thumbnail and grid.tiles != 1)
        return Tiles(count * self.tile_tokens, count)
