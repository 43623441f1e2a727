"""Qwen2-VL and Qwen2.5-VL: pictures at their own resolution as a grid of patches, and rotary positions in three directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError, UsageError
from mmtrain.data.encode import Tiles, media_path
from mmtrain.data.pictures import header_size, image_processor, load_rgb
from mmtrain.families import LANGUAGE_TARGETS, Family

if TYPE_CHECKING:
    from mmtrain.settings import Settings
    from schemas.sample import Media

PATCHES_OF_A_TILE = 1024
"""A picture counts as a tile for every so many patches: 448 x 448 pixels, so that tiles cost about what InternVL's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenMedia:
    """How Qwen2-VL takes pictures.

    Attributes:
        processor: the model's own image processor (Pillow).
        image_id: id of ``<|image_pad|>``.
    """

    processor: Any
    image_id: int

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """Tokens of each picture, from its header.

        Raises:
            DataError: a file is no picture, or too long and thin.
        """
        del max_tiles  # pictures are not tiled
        found = []
        for one in media:
            path = self._path(one, root)
            width, height = header_size(path)
            try:
                patches = self.processor.get_number_of_image_patches(height, width, {})
            except ValueError as error:
                raise DataError(f"{path}: {error}") from None
            found.append([self._tiles(patches)])
        return found

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """``pixel_values`` (patches, 3 * 2 * patch * patch) float32 and ``image_grid_thw`` (pictures, 3) int64 in patches.

        Raises:
            DataError: a picture cannot be read to its end, or is too long and thin.
        """
        del max_tiles
        pictures = [load_rgb(self._path(one, root)) for one in media]
        try:
            made = self.processor.preprocess(pictures, return_tensors="np")
        except ValueError as error:
            raise DataError(f"{', '.join(one.paths[0] for one in media)}: {error}") from None
        grids = made["image_grid_thw"]
        counts = [[self._tiles(int(n))] for n in grids.prod(1)]
        return counts, {"pixel_values": made["pixel_values"], "image_grid_thw": grids}

    def dummy(self) -> tuple[Tiles, dict[str, npt.NDArray[Any]]]:
        """One token: a square of as many patches as are merged."""
        p = self.processor
        each = 3 * p.temporal_patch_size * p.patch_size**2
        return Tiles(1, 1), {
            "pixel_values": np.zeros((p.merge_size**2, each), np.float32),
            "image_grid_thw": np.array([[1, p.merge_size, p.merge_size]], np.int64),
        }

    def positions(
        self, ids: npt.NDArray[np.int64], inputs: dict[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.int64]:
        """Rotary positions (3, L): time, row, column, as the model's own ``get_rope_index`` gives them.

        Text counts on by one in all three. A picture's tokens share a time and have their row and column; what follows
        begins after the longer side.
        """
        merge = self.processor.merge_size
        found = np.empty((3, len(ids)), np.int64)
        grids = iter(inputs.get("image_grid_thw", ()))
        is_image = ids == self.image_id
        # A picture's tokens are one run: the template puts a start and an end token around each.
        edges = [0, *(np.flatnonzero(np.diff(is_image)) + 1).tolist(), len(ids)]
        following = 0
        for start, end in pairwise(edges):
            if end > start and is_image[start]:
                t, h, w = next(grids).tolist()
                h, w = h // merge, w // merge
                found[:, start:end] = following + np.indices((t, h, w)).reshape(3, -1)
                following += max(h, w)
            else:
                found[:, start:end] = following + np.arange(end - start)
                following += end - start
        return found

    def _path(self, one: Media, root: str | None) -> str:
        if one.kind != "image":
            raise DataError(f"{one.paths[0]}: videos are not supported for Qwen2-VL models here")
        return media_path(one.paths[0], root)

    def _tiles(self, patches: int) -> Tiles:
        return Tiles(patches // self.processor.merge_size**2, math.ceil(patches / PATCHES_OF_A_TILE))


def media(settings: Settings, config: dict[str, Any]) -> QwenMedia:
    """The model's own image processor.

    Raises:
        UsageError: the model directory has none, or its config does not name the image token.
    """
    processor = image_processor(settings.model, "Qwen2VLImageProcessor")
    if "image_token_id" not in config:
        raise UsageError(f"model: {settings.model}: config.json has no image_token_id")
    return QwenMedia(processor=processor, image_id=int(config["image_token_id"]))


FAMILY = Family(
    name="Qwen2-VL, Qwen2.5-VL",
    model_types=("qwen2_vl", "qwen2_5_vl"),
    template="qwen2-vl",
    projector=r"visual\.merger",
    vision=r"visual",
    layer=r"visual\.blocks\.(\d+)\.",
    targets={
        "vision": r".*visual\.blocks.*\.(?:qkv|proj|gate_proj|up_proj|down_proj|fc1|fc2)",
        "projector": r".*visual\.merger\.mlp\.\d",
        "language": LANGUAGE_TARGETS,
    },
    media=media,
)
