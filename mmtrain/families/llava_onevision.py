"""LLaVA-OneVision: a picture alone as the whole and tiles of the best grid, padding cut off again; several as one tile each.

A video is a tile a frame, whose tokens are pooled 2 x 2, and one line break token after the last. Its frames go with the
pictures' tiles and stand at ``<image>``: `take_videos` has the model pool them out of the one pass of its encoder, so the
logits are those of its own ``pixel_values_videos`` at ``<video>``, which would be a second pass; but every batch is one
pass, on every rank, whatever it holds, and ZeRO-3 never waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmdata.errors import UsageError
from mmtrain.data.encode import Tiles, media_path
from mmtrain.data.pictures import header_size, image_processor, load_rgb
from mmtrain.data.video import FrameRule, FrameSource
from mmtrain.families import LANGUAGE_TARGETS, Family, frame_rule, no_pixel_limits, not_tiled
from mmtrain.families._frames import one_size, scaled, video_config

if TYPE_CHECKING:
    from mmtrain.data.regions_canvas import Canvas, Canvases
    from mmtrain.settings import Settings
    from schemas.sample import Media

_PREFIX = "anyres_max_"
GRIDS = "the model's image_grid_pinpoints bound a picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What is made of a frame's values; as a video processor has it.

    Attributes:
        mean: of each channel.
        std: of each channel.
        factor: what values of 0 to 255 are multiplied by before.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    factor: float = 1 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LlavaMedia:
    """How LLaVA-OneVision takes pictures and videos.

    Attributes:
        processor: the model's own image processor (Pillow).
        tile: side of a tile in pixels.
        side: tokens along a side of a tile.
        grids: (height, width) in pixels that a picture may be padded to.
        most: the picture is shrunk to the tokens of so many tiles, the whole not counted (``anyres_max_<n>``).
        scale: of frames.
        frames: which frames of a video are taken.
    """

    processor: Any
    tile: int
    side: int
    grids: tuple[tuple[int, int], ...]
    most: int
    scale: Scale
    frames: FrameSource = field(default_factory=FrameRule)

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """Tokens and tiles of each picture or video, from its header.

        Raises:
            DataError: a file is no picture or video.
        """
        del max_tiles  # the grids are the model's
        alone = _alone(media)
        return [
            [
                self._tiles(*header_size(media_path(one.paths[0], root)), alone)
                if one.kind == "image"
                else self._video(self.frames.count(one, root))
            ]
            for one in media
        ]

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """The processors' tensors without the zeros that pad every picture to the most tiles of a batch.

        ``pixel_values`` (tiles, 3, S, S) float32; ``image_sizes`` (entries, 2) int64, as (height, width) for each picture
        and as `take_videos` reads it for each tile of a video; ``batch_num_images`` int64: runs of entries, where a run of
        one is a picture that is tiled.

        Raises:
            DataError: a picture or video cannot be read to its end, or its frames differ in size.
        """
        del max_tiles
        pictures = {
            k: load_rgb(media_path(one.paths[0], root)) for k, one in enumerate(media) if one.kind == "image"
        }
        alone = len(pictures) == 1
        made = self.processor.preprocess([list(pictures.values())], return_tensors="np") if pictures else {}
        tiles = dict(zip(pictures, made.get("pixel_values", ()), strict=True))
        counts: list[list[Tiles]] = []
        values: list[npt.NDArray[np.float32]] = []
        sizes: list[tuple[int, int]] = []
        tiled: list[bool] = []
        for k, one in enumerate(media):
            if k in pictures:
                own = self._tiles(*pictures[k].size, alone)
                values.append(tiles[k][: own.tiles])
                sizes.append((pictures[k].height, pictures[k].width))
                tiled.append(alone)
            else:
                frames = self._frames(one, root)
                own = self._video(len(frames))
                values += [frames, *[frames[-1:]] * (own.tiles - len(frames))]
                sizes += [(-len(frames), -own.tiles)] * own.tiles
                tiled += [False] * own.tiles
            counts.append([own])
        runs = [(key, len(list(run))) for key, run in groupby(tiled)]
        return counts, {
            "pixel_values": np.concatenate(values),
            "image_sizes": np.array(sizes, np.int64),
            "batch_num_images": np.array([1 if key else n for key, n in runs], np.int64),
        }

    def canvases(self, media: list[Media], root: str | None, max_tiles: int | None) -> Canvases:
        """Patches of the vision encoder: of a picture alone those of the tiles, not of the whole; else each one's own.

        The processor shrinks or enlarges a picture alone into the grid and pads it to it, the same on both sides; of several
        each is padded to a square; frames of videos are stretched.
        """
        from mmtrain.data.regions_canvas import Canvas, Canvases, even, tiled

        del max_tiles
        alone, found, first = _alone(media), list[list[Canvas]](), 0
        for one in media:
            if one.kind != "image":
                width, height = self.frames.size(one, root)
                rows, columns = even(height, self.side), even(width, self.side)
                count = self.frames.count(one, root)
                numbers = [tiled(1, 1, self.side, first + k * self.side**2) for k in range(count)]
                found.append([Canvas(rows, columns, cells) for cells in numbers])
                first += self._video(count).tiles * self.side**2
                continue
            width, height = header_size(media_path(one.paths[0], root))
            if alone:
                found.append([self._over_grid(width, height, first)])
                first += self._grid(width, height).tiles * self.side**2
            else:
                longest = max(width, height)
                top, left = (longest - height) // 2, (longest - width) // 2
                edges = even(longest, self.side)
                found.append([Canvas(edges - top, edges - left, tiled(1, 1, self.side, first))])
                first += self.side**2
        return Canvases(found, first)

    def _over_grid(self, width: int, height: int, first: int) -> Canvas:
        """The tiles of a picture alone; the whole comes before them."""
        from transformers.image_processing_utils import select_best_resolution

        from mmtrain.data.regions_canvas import Canvas, even, tiled

        best_h, best_w = select_best_resolution((height, width), [list(g) for g in self.grids])
        new_h, new_w = _fitted(height, width, best_h, best_w)
        cells = tiled(best_h // self.tile, best_w // self.tile, self.side, first + self.side**2)
        return Canvas(
            (even(best_h, len(cells)) - (best_h - new_h) // 2) * (height / new_h),
            (even(best_w, cells.shape[1]) - (best_w - new_w) // 2) * (width / new_w),
            cells,
        )

    def features(self, inputs: Mapping[str, npt.NDArray[Any]]) -> int:
        """How many patches the tiles have."""
        return len(inputs["pixel_values"]) * self.side**2

    def dummy(self) -> tuple[Tiles, dict[str, npt.NDArray[Any]]]:
        """A picture of the size of the smallest grid."""
        height, width = min(self.grids, key=lambda grid: grid[0] * grid[1])
        one = self._grid(width, height)
        return one, {
            "pixel_values": np.zeros((one.tiles, 3, self.tile, self.tile), np.float32),
            "image_sizes": np.array([[height, width]], np.int64),
            "batch_num_images": np.array([1], np.int64),
        }

    def positions(self, ids: npt.NDArray[np.int64], inputs: dict[str, npt.NDArray[Any]]) -> None:
        """Tokens are counted on by one."""
        del ids, inputs

    def _frames(self, one: Media, root: str | None) -> npt.NDArray[np.float32]:
        """(frames, 3, S, S), as the video processor makes them."""
        taken = self.frames.take(one, root)
        one_size(taken, one.paths[0])
        scale = self.scale
        made = scaled(taken, self.tile, self.tile, scale.mean, scale.std, scale.factor)
        found: npt.NDArray[np.float32] = made.contiguous().numpy()
        return found

    def _video(self, frames: int) -> Tiles:
        # A run of one entry would be a picture that is tiled: a single frame goes in twice and is pooled once.
        return Tiles(frames * math.ceil(self.side / 2) ** 2 + 1, max(2, frames))

    def _tiles(self, width: int, height: int, alone: bool) -> Tiles:
        if not alone:
            return Tiles(self.side**2 + 1, 1)
        return self._grid(width, height)

    def _grid(self, width: int, height: int) -> Tiles:
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


def _alone(media: list[Media]) -> bool:
    """Whether there is a single picture, which then is tiled; videos do not count."""
    return sum(one.kind == "image" for one in media) == 1


def take_videos(model: Any) -> None:
    """Have a model pool the frames of videos out of its pictures.

    Among ``image_sizes``, a video of f frames is a run of n entries (-f, -n): the first f tiles are its frames.
    """
    inner = model.model
    pictures = inner.pack_image_features

    def pack(
        self: Any, image_features: Any, image_sizes: Any, image_newline: Any = None, **more: Any
    ) -> tuple[list[Any], Any]:
        import torch

        packed: list[Any] = []
        at = 0
        rows = image_sizes.tolist()
        while at < len(rows):
            frames, entries = -rows[at][0], -rows[at][1]
            if frames > 0:
                pooled = self.apply_pooling(torch.cat(list(image_features[at : at + frames])))
                packed.append(torch.cat([pooled.flatten(0, 1), image_newline[None].to(pooled)]))
                at += entries
            else:
                one = slice(at, at + 1)
                packed += pictures(image_features[one], image_sizes[one], image_newline, **more)[0]
                at += 1
        return packed, torch.tensor([len(one) for one in packed], device=packed[0].device)

    inner.pack_image_features = MethodType(pack, inner)


def _fitted(height: int, width: int, most_high: int, most_wide: int) -> tuple[int, int]:
    """(height, width) of a picture made to touch a frame from within, as ``get_patch_output_size`` of transformers."""
    high, wide = most_high / height, most_wide / width
    if wide < high:
        return min(math.ceil(height * wide), most_high), most_wide
    return most_high, min(math.ceil(width * high), most_wide)


def media(settings: Settings, config: dict[str, Any]) -> LlavaMedia:
    """The model's own image processor, its video processor's numbers, and those of its config.

    Raises:
        UsageError: the model directory has none, its tiles are cut otherwise than by ``anyres_max_<n>``, or its frames have
            another size.
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
    processor = image_processor(settings.model, "LlavaOnevisionImageProcessor")
    tile = int(vision["image_size"])
    video = video_config(Path(settings.model))
    size = video.get("size") or {"height": tile, "width": tile}
    if (size.get("height"), size.get("width")) != (tile, tile) or video.get("do_center_crop"):
        raise UsageError(
            f"model: {settings.model}: video_preprocessor_config.json: size {size}, expected height and width {tile} "
            "without do_center_crop: a frame is one tile"
        )
    return LlavaMedia(
        processor=processor,
        scale=Scale(
            mean=tuple(video.get("image_mean", processor.image_mean)),
            std=tuple(video.get("image_std", processor.image_std)),
            factor=float(video.get("rescale_factor", processor.rescale_factor)),
        ),
        frames=frame_rule(settings),
        tile=tile,
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
    prepare=take_videos,
)
