"""Frames of a video as VideoRefer takes them, and with them every frame that carries a mask.

VideoRefer (``videorefer/mm_utils.py``: ``process_video``, ``frame_sample``) takes the middles of so many equal segments of
[0, frames - 1], or one frame of each so many a second; a folder's every entry counts, in the order of the names, at 3 frames
a second, a gif at 25. Where a video is shorter than the number wanted upstream repeats frames; here each is taken once.

Numbers count in the order of presentation, as the keys of masks do; files are decoded from their beginning, never sought.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmdata.errors import DataError, MissingExtra
from mmdata.media.pixels import read_frames, read_image
from mmdata.media.videos import probe
from mmtrain.data.encode import media_path
from mmtrain.data.pictures import header_size
from mmtrain.data.video import Frames

if TYPE_CHECKING:
    from schemas.sample import Media

FOLDER_FPS, GIF_FPS = 3.0, 25.0
"""Frames a second that VideoRefer takes folders and gifs to have."""

CACHE_BYTES = 256 << 20
"""Decoded frames that a process keeps."""


class Facts(NamedTuple):
    """What is known of a video without decoding it.

    Attributes:
        frames: how many.
        size: (height, width) in pixels.
        fps: frames a second; None where nothing tells.
    """

    frames: int
    size: tuple[int, int]
    fps: float | None


def uniform(wanted: int, there: int) -> list[int]:
    """Middles of `wanted` equal segments of [0, there - 1], ascending, each once."""
    segment = (there - 1) / wanted
    return sorted({round((2 * k + 1) / 2 * segment + 1e-6) for k in range(wanted)})


def per_second(rate: float, there: int, fps: float) -> list[int]:
    """The middle frame of every segment of ``fps // rate`` frames, the segments end to end."""
    each = max(1, min(int(fps // rate), there))
    return list(range(each // 2, there, each))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferFrames:
    """Which frames of a video are taken.

    Attributes:
        most: how many (``num_frames``), frames with masks not counted.
        sampling: ``uniform``; ``fps``: `fps` a second, or `most` evenly where that would be more.
        fps: see `sampling`.
        must: first path of a video -> numbers of frames that are always taken.
        multiple: `count` and `take` repeat the last frame up to a multiple of it, for models that merge frames in time.
    """

    most: int = 8
    sampling: Literal["uniform", "fps"] = "uniform"
    fps: float = 1.0
    must: Mapping[str, Sequence[int]] = field(default_factory=dict)
    multiple: int = 1

    def numbers(self, media: Media, root: str | None) -> list[int]:
        """Numbers of the frames taken, ascending.

        Raises:
            DataError: the video cannot be used, or lacks a frame that must be taken.
        """
        facts = facts_of(media, root)
        first, there = _part(media, facts)
        found: list[int] = []
        if self.sampling == "fps" and facts.fps:
            found = per_second(self.fps, there, facts.fps)
        if not found or len(found) > self.most:
            found = uniform(self.most, there)
        must = self.must.get(media.paths[0], ())
        missing = [number for number in must if not 0 <= number < facts.frames]
        if missing:
            raise DataError(f"{media.paths[0]}: no frame {missing[0]}: the video has {facts.frames}")
        return sorted({first + number for number in found} | set(must))

    def count(self, media: Media, root: str | None) -> int:
        """How many frames `take` gives; decodes nothing."""
        count = len(self.numbers(media, root))
        return count + self._repeats(count)

    def size(self, media: Media, root: str | None) -> tuple[int, int]:
        """(width, height) of the frames in pixels."""
        height, width = facts_of(media, root).size
        return width, height

    def take(self, media: Media, root: str | None) -> Frames:
        """The frames, decoded.

        Raises:
            DataError: the video is missing, damaged, or lacks a frame.
        """
        taken = self.numbers(media, root)
        pictures = [Image.fromarray(frame) for frame in _decoded(media, root, taken)]
        pictures += pictures[-1:] * self._repeats(len(pictures))
        fps = facts_of(media, root).fps
        apart = (taken[-1] - taken[0]) / (len(taken) - 1) / fps if fps and len(taken) > 1 else None
        return Frames(pictures, apart)

    def _repeats(self, count: int) -> int:
        return -count % self.multiple


def facts_of(media: Media, root: str | None) -> Facts:
    """Number and size of a video's frames, from headers alone.

    Raises:
        DataError: there is no such video, or it cannot be used.
    """
    if not media.paths:
        raise DataError("a video without frames")
    paths = [media_path(path, root) for path in media.paths]
    if media.kind == "frames":
        width, height = header_size(paths[0])
        return Facts(len(paths), (height, width), _rate(media.timestamps))
    return _probed(paths[0])


@lru_cache(maxsize=4096)
def _probed(path: str) -> Facts:
    if os.path.isdir(path):
        names = sorted(os.listdir(path))
        if not names:
            raise DataError(f"{path}: no frames")
        width, height = header_size(os.path.join(path, names[0]))
        return Facts(len(names), (height, width), FOLDER_FPS)
    found = probe(path, "header")
    if found.problem is not None:
        raise DataError(f"{path}: {found.problem}: {found.detail}")
    if not found.frames or not found.width or not found.height:
        raise DataError(f"{path}: no frames")
    fps = GIF_FPS if path.lower().endswith(".gif") else found.fps
    return Facts(found.frames, (found.height, found.width), fps)


def _rate(timestamps: Sequence[float] | None) -> float | None:
    if not timestamps or len(timestamps) < 2 or timestamps[-1] <= timestamps[0]:
        return None
    return (len(timestamps) - 1) / (timestamps[-1] - timestamps[0])


def _part(media: Media, facts: Facts) -> tuple[int, int]:
    """First frame and number of frames of what is sampled: all, or the clip."""
    if media.clip is None:
        return 0, facts.frames
    start, end = media.clip
    if not facts.fps or not 0 <= start < end:
        raise DataError(f"{media.paths[0]}: clip [{start}, {end}]: expected 0 <= start < end in seconds")
    first, last = math.floor(start * facts.fps), math.floor(end * facts.fps)
    if first >= last or last > facts.frames:
        raise DataError(
            f"{media.paths[0]}: clip [{start}, {end}] ends at frame {last}, the video has {facts.frames}"
        )
    return first, last - first


def frames_at(media: Media, root: str | None, numbers: Sequence[int]) -> list[Image.Image]:
    """Frames of a video by number.

    Raises:
        DataError: the video cannot be used, or lacks one of them.
    """
    there = facts_of(media, root).frames
    missing = [number for number in numbers if not 0 <= number < there]
    if missing:
        raise DataError(f"{media.paths[0]}: no frame {missing[0]}: the video has {there}")
    return [Image.fromarray(frame) for frame in _decoded(media, root, numbers)]


_CACHE: OrderedDict[tuple[str, int], npt.NDArray[np.uint8]] = OrderedDict()


def _decoded(media: Media, root: str | None, numbers: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """Frames by number; those decoded lately are remembered by file and number, up to `CACHE_BYTES`."""
    if media.kind == "frames":
        return [read_image(media_path(media.paths[number], root)) for number in numbers]
    path = media_path(media.paths[0], root)
    left = [number for number in numbers if (path, number) not in _CACHE]
    found = {number: _CACHE[path, number] for number in numbers if (path, number) in _CACHE}
    if left:
        try:
            found |= dict(zip(left, read_frames(path, left), strict=True))
        except MissingExtra as error:
            raise DataError(f"{path}: {error}") from None
    for number in numbers:
        _CACHE[path, number] = found[number]
        _CACHE.move_to_end((path, number))
    held = sum(frame.nbytes for frame in _CACHE.values())
    while held > CACHE_BYTES and len(_CACHE) > 1:
        held -= _CACHE.popitem(last=False)[1].nbytes
    return [found[number] for number in numbers]
