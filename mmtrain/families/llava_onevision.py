"""LLaVA-OneVision: a picture alone as the whole and tiles of the best grid, padding cut off again; several as one tile each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError, UsageError
from mmtrain.data.encode import Tiles, media_path
from mmtrain.data.pictures import header_size, image_processor, load_rgb
from mmtrain.families import LANGUAGE_TARGETS, Family, no_pixel_limits, not_tiled

if TYPE_CHECKING:
    from mmtrain.data.regions_canvas import Canvas, Canvases
    from mmtrain.settings import Settings
    from schemas.sample import Media

_PREFIX = "anyres_max_"
GRIDS = "the model's image_grid_pinpoints bound a picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlavaMedia:
    """How LLaVA-OneVision takes pictures.

    Attributes:
        processor: the model's own image processor (Pillow).
        tile: side of a tile in pixels.
        side: tokens along a side of a tile.
        grids: (height, width) in pixels that a picture may be padded to.
        most: the picture is shrunk to the tokens of so many tiles, the whole not counted (``anyres_max_<n>``).
    """

    processor: Any
    tile: int
    side: int
    grids: tuple[tuple[int, int], ...]
    most: int

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """Tokens and tiles of each picture, from its header.

        Raises:
            DataError: a file is no picture.
        """
        del max_tiles  # the grids are the model's
        return self._counts([header_size(self._path(one, root)) for one in media])

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """The processor's tensors without the zeros that pad every picture to the most tiles of a batch.

        ``pixel_values`` (tiles, 3, S, S) float32, ``image_sizes`` (pictures, 2) int64 as (height, width), and
        ``batch_num_images`` (1,) int64: the pictures of the sample, which decide whether they are tiled.

        Raises:
            DataError: a picture cannot be read to its end.
        """
        del max_tiles
        pictures = [load_rgb(self._path(one, root)) for one in media]
        made = self.processor.preprocess([pictures], return_tensors="np")
        tiles = made["pixel_values"]
        counts = self._counts([picture.size for picture in pictures])
        return counts, {
            "pixel_values": tiles.reshape(-1, *tiles.shape[2:]),
            "image_sizes": made["image_sizes"].astype(np.int64),
            "batch_num_images": made["batch_num_images"].astype(np.int64),
        }

    def canvases(self, media: list[Media], root: str | None, max_tiles: int | None) -> Canvases:
        """Patches of the vision encoder: of a picture alone those of the tiles, not of the whole; of several each one's own.

        The processor shrinks or enlarges a picture alone into the grid and pads it to it, the same on both sides; of several
        each is padded to a square.
        """
        from transformers.image_processing_utils import select_best_resolution

        from mmtrain.data.regions_canvas import Canvas, Canvases, even, tiled

        del max_tiles
        found: list[list[Canvas]] = []
        first = 0
        for one in media:
            width, height = header_size(self._path(one, root))
            if len(media) > 1:
                longest = max(width, height)
                top, left = (longest - height) // 2, (longest - width) // 2
                edges = even(longest, self.side)
                cells = tiled(1, 1, self.side, first)
                found.append([Canvas(edges - top, edges - left, cells)])
                first += self.side**2
                continue
            best_h, best_w = select_best_resolution((height, width), [list(g) for g in self.grids])
            rows, columns = best_h // self.tile, best_w // self.tile
            new_h, new_w = _fitted(height, width, best_h, best_w)
            cells = tiled(rows, columns, self.side, self.side**2)  # the whole comes first
            found.append(
                [
                    Canvas(
                        (even(best_h, len(cells)) - (best_h - new_h) // 2) * (height / new_h),
                        (even(best_w, cells.shape[1]) - (best_w - new_w) // 2) * (width / new_w),
                        cells,
                    )
                ]
            )
            first += (1 + rows * columns) * self.side**2
        return Canvases(found, first)

    def features(self, inputs: Mapping[str, npt.NDArray[Any]]) -> int:
        """How many patches the tiles have."""
        return len(inputs["pixel_values"]) * self.side**2

    def dummy(self) -> tuple[Tiles, dict[str, npt.NDArray[Any]]]:
        """A picture of the size of the smallest grid."""
        height, width = min(self.grids, key=lambda grid: grid[0] * grid[1])
        one = self._tiles(width, height)
        return one, {
            "pixel_values": np.zeros((one.tiles, 3, self.tile, self.tile), np.float32),
            "image_sizes": np.array([[height, width]], np.int64),
            "batch_num_images": np.array([1], np.int64),
        }

    def positions(self, ids: npt.NDArray[np.int64], inputs: dict[str, npt.NDArray[Any]]) -> None:
        """Tokens are counted on by one."""
        del ids, inputs

    def _counts(self, sizes: list[tuple[int, int]]) -> list[list[Tiles]]:
        if len(sizes) > 1:
            return [[Tiles(self.side**2 + 1, 1)] for _ in sizes]
        return [[self._tiles(*size)] for size in sizes]

    def _tiles(self, width: int, height: int) -> Tiles:
        """What a picture alone becomes: the whole, then the rows of the tiles, a line break token after each."""
        from transformers.image_processing_utils import select_best_resolution

        best_height, best_width = select_best_resolution((height, width), [list(g) for g in self.grids])
        rows, columns = best_height // self.tile, best_width // self.tile
        h, w = rows * self.side, columns * self.side
        # Rows or columns of padding are cut off, as many on both sides.
        if width / height > w / h:
            h -= (h - int(round(height * (w / width), 7))) // 2 * 2
        else:
            w -= (w - int(round(width * (h / height), 7))) // 2 * 2
        ratio = math.sqrt(h * w / (self.most * self.side**2))
        if ratio > 1.1:
            h, w = int(h // ratio), int(w // ratio)
        return Tiles(self.side**2 + h * w + h, rows * columns + 1)

    def _path(self, one: Media, root: str | None) -> str:
        if one.kind != "image":
            raise DataError(
                f"{one.paths[0]}: videos are not supported for LLaVA-OneVision: the model takes them in a pass of its own, "
                "for which the other ranks would wait; list frames as pictures"
            )
        return media_path(one.paths[0], root)


def _fitted(height: int, width: int, most_high: int, most_wide: int) -> tuple[int, int]:
    """(height, width) of a picture made to touch a frame from within, as ``get_patch_output_size`` of transformers."""
    high, wide = most_high / height, most_wide / width
    if wide < high:
        return min(math.ceil(height * wide), most_high), most_wide
    return most_high, min(math.ceil(width * high), most_wide)


def media(settings: Settings, config: dict[str, Any]) -> LlavaMedia:
    """The model's own image processor, and the numbers of its config.

    Raises:
        UsageError: the model directory has none, or its tiles are cut otherwise than by ``anyres_max_<n>``.
    """
    vision = config.get("vision_config", {})
    aspect = config.get("vision_aspect_ratio", f"{_PREFIX}9")
    wrong = ""
    if config.get("vision_feature_select_strategy", "full") != "full":
        wrong = (
            f"vision_feature_select_strategy {config['vision_feature_select_strategy']!r}, expected 'full'"
        )
    elif not (aspect.startswith(_PREFIX) and aspect.removeprefix(_PREFIX).isdigit()):
        wrong = f"vision_aspect_ratio {aspect!r}, expected 'anyres_max_<n>'"
    elif not {"image_size", "patch_size"} <= set(vision) or "image_grid_pinpoints" not in config:
        wrong = "no vision_config.image_size, vision_config.patch_size or image_grid_pinpoints"
    if wrong:
        raise UsageError(f"model: {settings.model}: config.json: {wrong}")
    return LlavaMedia(
        processor=image_processor(settings.model, "LlavaOnevisionImageProcessor"),
        tile=int(vision["image_size"]),
        side=int(vision["image_size"]) // int(vision["patch_size"]),
        grids=tuple((h, w) for h, w in config["image_grid_pinpoints"]),
        most=int(aspect.removeprefix(_PREFIX)),
    )


FAMILY = Family(
    name="LLaVA-OneVision",
    model_types=("llava_onevision",),
    template="llava-onevision",
    projector=r"multi_modal_projector|image_newline",
    vision=r"vision_tower",
    layer=r"vision_tower\.(?:vision_model\.)?encoder\.layers\.(\d+)\.",
    targets={
        "vision": r".*vision_tower.*\.(?:q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
        "projector": r".*multi_modal_projector\.linear_\d",
        "language": LANGUAGE_TARGETS,
    },
    media=media,
    unused={**not_tiled(GRIDS), **no_pixel_limits(GRIDS)},
)
