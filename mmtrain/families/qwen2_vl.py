"""Qwen2-VL and Qwen2.5-VL: pictures at their own resolution as a grid of patches, and rotary positions in three directions.

A video's patches go with the pictures' (``pixel_values``, ``image_grid_thw`` with a time above 1) and stand at
``<|image_pad|>``. The model gives both to the same encoder and puts both in the place of the pad tokens, so the logits are
those of its own ``pixel_values_videos`` at ``<|video_pad|>``; but every batch is one pass of the encoder, on every rank,
whatever it holds, and ZeRO-3 never waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError, UsageError
from mmtrain.data.encode import Tiles, media_path
from mmtrain.data.pictures import header_size, image_processor, load_rgb
from mmtrain.data.video import FrameRule, Frames, FrameSource
from mmtrain.families import LANGUAGE_TARGETS, Family, frame_rule, not_tiled
from mmtrain.families._frames import one_size, scaled, video_config

if TYPE_CHECKING:
    from mmtrain.data.regions_canvas import Canvas, Canvases
    from mmtrain.settings import Settings
    from schemas.sample import Media

PATCHES_OF_A_TILE = 1024
"""A picture counts as a tile for every so many patches: 448 x 448 pixels, so that tiles cost about what InternVL's do."""


SECONDS = "second_per_grid_ts"
"""Key under which `QwenMedia.pixels` hands the seconds of each grid's times on to `QwenMedia.positions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPixels:
    """How large the frames of a video are; names and defaults are ``Qwen2VLVideoProcessor``'s.

    Attributes:
        least: fewest pixels of a frame.
        most: most pixels of a frame.
        budget: most pixels of all frames together, or None: a tenth is kept for text.
    """

    least: int = 128 * 28 * 28
    most: int = 28 * 28 * 768
    budget: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenMedia:
    """How Qwen2-VL takes pictures and videos.

    Attributes:
        processor: the model's own image processor (Pillow).
        image_id: id of ``<|image_pad|>``.
        tick: positions from one second of a video to the next (``tokens_per_second``); None: one a grid time.
        frames: which frames of a video are taken; a multiple of what is merged in time.
        video: how large they are.
    """

    processor: Any
    image_id: int
    tick: float | None = None
    frames: FrameSource = field(default_factory=FrameRule)
    video: VideoPixels = field(default_factory=VideoPixels)

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """Tokens of each picture or video, from its header.

        Raises:
            DataError: a file is no picture or video, or too long and thin.
        """
        del max_tiles  # pictures are not tiled
        found = []
        for one in media:
            if one.kind == "image":
                path = media_path(one.paths[0], root)
                width, height = header_size(path)
                h, w = self._grid(path, height, width, self._edges())
                times = 1
            else:
                count = self.frames.count(one, root)
                width, height = self.frames.size(one, root)
                h, w = self._grid(one.paths[0], height, width, self._video_edges(count))
                times = count // self.processor.temporal_patch_size
            found.append([self._tiles(times * h * w)])
        return found

    def canvases(self, media: list[Media], root: str | None, max_tiles: int | None) -> Canvases:
        """Patches before the merger: a picture is stretched to the grid, so that each lies over its part of it.

        Patches count as they lie in ``pixel_values``: times, then squares of `merge_size` patches in rows, then the
        patches of each. Two frames share a time (`temporal_patch_size`) and with it their patches.
        """
        from mmtrain.data.regions_canvas import Canvas, Canvases, even

        del max_tiles
        merge, deep = self.processor.merge_size, self.processor.temporal_patch_size
        found: list[list[Canvas]] = []
        first = 0
        for one in media:
            if one.kind == "image":
                width, height = header_size(media_path(one.paths[0], root))
                count, edges = 1, self._edges()
            else:
                width, height = self.frames.size(one, root)
                count = self.frames.count(one, root)
                edges = self._video_edges(count)
            h, w = self._grid(one.paths[0], height, width, edges)
            numbers = np.arange(h * w).reshape(h // merge, w // merge, merge, merge)
            cells = numbers.transpose(0, 2, 1, 3).reshape(h, w)
            rows, columns = even(height, h), even(width, w)
            found.append(
                [Canvas(rows, columns, cells + first + frame // deep * h * w) for frame in range(count)]
            )
            first += -(-count // deep) * h * w
        return Canvases(found, first)

    def features(self, inputs: Mapping[str, npt.NDArray[Any]]) -> int:
        """How many patches there are."""
        return len(inputs["pixel_values"])

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """``pixel_values`` (patches, 3 * 2 * patch * patch) float32 and ``image_grid_thw`` (media, 3) int64 in patches.

        Raises:
            DataError: a picture or video cannot be read to its end, or is too long and thin.
        """
        del max_tiles
        patches: list[npt.NDArray[np.float32]] = []
        grids: list[npt.NDArray[np.int64]] = []
        seconds: list[float] = []
        for one in media:
            if one.kind == "image":
                path = media_path(one.paths[0], root)
                picture = load_rgb(path)
                self._grid(path, picture.height, picture.width, self._edges())
                made = self.processor.preprocess([picture], return_tensors="np")
                patches.append(made["pixel_values"])
                grids.append(made["image_grid_thw"])
                seconds.append(0.0)
            else:
                taken = self.frames.take(one, root)
                flat, grid = self._frames(taken, one.paths[0])
                patches.append(flat)
                grids.append(np.array([grid], np.int64))
                # Where nothing tells, frames are a second apart.
                each = 1.0 if taken.seconds is None else taken.seconds
                seconds.append(each * self.processor.temporal_patch_size)
        counts = [[self._tiles(int(grid.prod()))] for grid in grids]
        return counts, {
            "pixel_values": np.concatenate(patches),
            "image_grid_thw": np.concatenate(grids),
            SECONDS: np.array(seconds),
        }

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
        begins after the longer side. A video's times are as far apart as its seconds say.

        Takes the seconds out of the inputs: the model does not need them.
        """
        seconds = iter(inputs.pop(SECONDS, np.zeros(len(inputs.get("image_grid_thw", ())))).tolist())
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
                places = np.indices((t, h, w)).reshape(3, -1)
                each = next(seconds)
                if t > 1 and self.tick is not None:
                    # In float32, as the model multiplies.
                    places[0] = (places[0].astype(np.float32) * np.float32(self.tick * each)).astype(np.int64)
                found[:, start:end] = following + places
                following += max(h, w)
            else:
                found[:, start:end] = following + np.arange(end - start)
                following += end - start
        return found

    def _edges(self) -> tuple[int, int]:
        return int(self.processor.size["shortest_edge"]), int(self.processor.size["longest_edge"])

    def _video_edges(self, count: int) -> tuple[int, int]:
        """Fewest and most pixels of a frame where there are so many."""
        least, most = self.video.least, self.video.most
        if self.video.budget is not None:
            share = self.video.budget * self.processor.temporal_patch_size // count
            most = max(min(most, share), int(least * 1.05))
        return least, most

    def _grid(self, path: str, height: int, width: int, edges: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of patches that a picture is resized to."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        p = self.processor
        try:
            h, w = smart_resize(height, width, p.patch_size * p.merge_size, *edges)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None
        return h // p.patch_size, w // p.patch_size

    def _frames(self, taken: Frames, path: str) -> tuple[npt.NDArray[np.float32], tuple[int, int, int]]:
        """Patches (times * rows * columns, 3 * 2 * patch * patch) of a video, and its grid; as the video processor's."""
        p = self.processor
        width, height = one_size(taken, path)
        count = len(taken.pictures)
        h, w = self._grid(path, height, width, self._video_edges(count))
        frames = scaled(
            taken, h * p.patch_size, w * p.patch_size, p.image_mean, p.image_std, p.rescale_factor
        )
        times, merge, patch, deep = (
            count // p.temporal_patch_size,
            p.merge_size,
            p.patch_size,
            p.temporal_patch_size,
        )
        cut = frames.reshape(times, deep, 3, h // merge, merge, patch, w // merge, merge, patch)
        flat = cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(times * h * w, 3 * deep * patch**2)
        return flat.contiguous().numpy(), (times, h, w)

    def _tiles(self, patches: int) -> Tiles:
        return Tiles(patches // self.processor.merge_size**2, math.ceil(patches / PATCHES_OF_A_TILE))


def media(settings: Settings, config: dict[str, Any]) -> QwenMedia:
    """The model's own image processor, and its video processor's numbers.

    Raises:
        UsageError: the model directory has none, or its config does not name the image token.
    """
    processor = image_processor(settings.model, "Qwen2VLImageProcessor")
    size = processor.size
    least = settings.min_pixels or size["shortest_edge"]
    most = settings.max_pixels or size["longest_edge"]
    if least > most:
        raise UsageError(
            f"min_pixels {least} is more than max_pixels {most}; the model directory's stands for one left out"
        )
    processor.size = type(size)(shortest_edge=least, longest_edge=most)
    if "image_token_id" not in config:
        raise UsageError(f"model: {settings.model}: config.json has no image_token_id")
    tick = config.get("vision_config", {}).get("tokens_per_second", 4)
    return QwenMedia(
        processor=processor,
        image_id=int(config["image_token_id"]),
        tick=float(tick) if config["model_type"] == "qwen2_5_vl" else None,
        frames=frame_rule(settings, multiple=processor.temporal_patch_size),
        video=video_pixels(Path(settings.model), (processor.patch_size * processor.merge_size) ** 2),
    )


def video_pixels(model: Path, token: int) -> VideoPixels:
    """What the model directory says of its video processor (see `video_config`).

    Args:
        model: the directory.
        token: pixels that become a token.
    """
    found = video_config(model)
    size = found.get("size") or {}
    budget = int(found.get("max_video_tokens", 128_000) * token * 0.9)
    return VideoPixels(
        least=found.get("min_pixels") or size.get("shortest_edge") or VideoPixels().least,
        most=found.get("max_pixels") or size.get("longest_edge") or VideoPixels().most,
        budget=budget if found.get("cap_pixels_per_frame") else None,
    )


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
    unused=not_tiled("max_pixels bounds a picture"),
)
