"""Frames of a video for training: which ones (InternVL's rule), and their pixels, from a file, a gif or pictures.

InternVL (``internvl/train/dataset.py``: ``get_frame_indices``, ``read_frames_*``) draws a number of frames between a least
and a most, cuts the video into so many intervals and takes a frame of each: its middle, or any (``rand``, but never an
interval's last). A file or gif with fewer frames repeats its last one up to the number; of pictures all are taken.

Here the draw depends on the seed and the path alone: a sample costs the same tokens whenever it is measured, in every
process and after a resume, and has the same frames in every epoch.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from PIL import Image

from mmdata.errors import DataError, MissingExtra
from mmdata.media.frames import MAX_ENTRIES, list_frames
from mmdata.media.pixels import read_frames
from mmdata.media.videos import VideoFacts, probe
from mmtrain.data.encode import media_path
from mmtrain.data.pictures import header_size, load_rgb

if TYPE_CHECKING:
    from schemas.sample import Media

Sampling = Literal["middle", "rand"]


class FrameSource(Protocol):
    """Anything that takes frames of a video."""

    def count(self, media: Media, root: str | None) -> int:
        """How many frames `take` gives; decodes nothing."""
        ...

    def size(self, media: Media, root: str | None) -> tuple[int, int]:
        """(width, height) of the frames in pixels."""
        ...

    def take(self, media: Media, root: str | None) -> Frames:
        """The frames, decoded."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRule:
    """Which frames of a video are taken.

    Attributes:
        most: ``max_num_frame``.
        least: ``min_num_frame``; the number is drawn evenly between the two. None: always `most`.
        sampling: ``sampling_method``.
        seed: of the draws.
        multiple: the number of frames is rounded up to a multiple of it.
    """

    most: int = 8
    least: int | None = None
    sampling: Sampling = "middle"
    seed: int = 0
    multiple: int = 1

    def draw(self, media: Media) -> tuple[int, random.Random]:
        """The number of frames wanted of a video, and what draws them."""
        own = random.Random(f"{self.seed}:{media.paths[0] if media.paths else ''}:{media.clip}")  # noqa: S311
        least = self.most if self.least is None else min(self.least, self.most)
        wanted = own.randint(least, self.most)
        return -(-wanted // self.multiple) * self.multiple, own

    def count(self, media: Media, root: str | None) -> int:
        """See `frame_count`."""
        return frame_count(media, root, self)

    def size(self, media: Media, root: str | None) -> tuple[int, int]:
        """See `frame_size`."""
        return frame_size(media, root)

    def take(self, media: Media, root: str | None) -> Frames:
        """See `frames_of`."""
        return frames_of(media, root, self)


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a video.

    Attributes:
        pictures: in RGB, in order.
        seconds: from one to the next, on average; None where nothing tells.
    """

    pictures: list[Image.Image]
    seconds: float | None


def frame_indices(wanted: int, there: int, sampling: Sampling, draw: random.Random) -> list[int]:
    """Numbers of the frames taken of `there`, ascending, each from an interval of its own; at most `wanted`.

    Raises:
        ValueError: nothing is wanted, or nothing there.
    """
    if wanted < 1 or there < 1:
        raise ValueError(f"{wanted} of {there} frames")
    edges = np.linspace(0, there, min(wanted, there) + 1).astype(int).tolist()
    ranges = [(a, b - 1) for a, b in pairwise(edges)]
    if sampling == "middle":
        return [(a + b) // 2 for a, b in ranges]
    if all(a < b for a, b in ranges):
        return [draw.randrange(a, b) for a, b in ranges]
    return sorted(draw.sample(range(there), len(ranges)))  # as upstream, where an interval has a single frame


def frame_count(media: Media, root: str | None, rule: FrameRule) -> int:
    """How many frames `frames_of` gives; decodes nothing.

    Raises:
        DataError: there is no such video, or its folder cannot be used.
    """
    wanted, _ = rule.draw(media)
    pictures = _pictures(media, root)
    return wanted if pictures is None else _rounded(min(wanted, len(pictures)), rule)


def frame_size(media: Media, root: str | None) -> tuple[int, int]:
    """(width, height) of the frames in pixels, from the header of the file or of the first picture.

    Raises:
        DataError: it cannot be opened.
    """
    pictures = _pictures(media, root)
    path = media_path(media.paths[0], root)
    if pictures is not None:
        return header_size(pictures[0])
    if path.lower().endswith(".gif"):
        return header_size(path)
    facts = _probed(path)
    assert facts.width is not None
    assert facts.height is not None
    return facts.width, facts.height


def frames_of(media: Media, root: str | None, rule: FrameRule) -> Frames:
    """The frames that the rule takes, decoded; frame-exact: files are decoded from their beginning, never sought.

    Args:
        media: a video file or gif, a folder of frames, or a list of pictures; `clip` counts for files.
        root: what relative paths start from.
        rule: which frames.

    Raises:
        DataError: the video is missing, damaged, shorter than its clip, or of another size halfway.
    """
    wanted, draw = rule.draw(media)
    pictures = _pictures(media, root)
    if pictures is not None:
        taken = list(range(len(pictures)))
        if len(pictures) > wanted:
            taken = frame_indices(wanted, len(pictures), rule.sampling, draw)
        made = [load_rgb(pictures[k]) for k in taken]
        made += made[-1:] * (_rounded(len(made), rule) - len(made))
        return Frames(made, _between(media.timestamps, taken))
    path = media_path(media.paths[0], root)
    facts = _probed(path)
    there, first = facts.frames or 0, 0
    if media.clip is not None and not path.lower().endswith(".gif"):
        there, first = _clip(path, facts, media.clip)
    numbers = [first + k for k in frame_indices(wanted, there, rule.sampling, draw)]
    try:
        found = [Image.fromarray(one) for one in read_frames(path, numbers)]
    except MissingExtra as error:
        raise DataError(f"{path}: {error}") from None
    found += found[-1:] * (wanted - len(found))
    seconds = there / facts.fps / min(wanted, there) if facts.fps else None
    return Frames(found, seconds)


def _clip(path: str, facts: VideoFacts, clip: tuple[float, float]) -> tuple[int, int]:
    """Number of frames of a part of a video, and the first."""
    start, end = clip
    total = facts.frames or 0
    if not facts.fps or start < 0 or end <= start:
        raise DataError(
            f"{path}: clip [{start}, {end}]: expected 0 <= start < end in seconds of a video file"
        )
    there, first = int((end - start) * facts.fps), int(start * facts.fps)
    if there < 1 or first + there > total:
        raise DataError(
            f"{path}: clip [{start}, {end}] is frames {first} to {first + there - 1} at {facts.fps:.6g} a second, "
            f"the video has {total}"
        )
    return there, first


def _rounded(count: int, rule: FrameRule) -> int:
    return -(-count // rule.multiple) * rule.multiple


def _between(timestamps: Sequence[float] | None, taken: list[int]) -> float | None:
    if timestamps is None or len(taken) < 2 or len(timestamps) <= taken[-1]:
        return None
    return (timestamps[taken[-1]] - timestamps[taken[0]]) / (len(taken) - 1)


def _pictures(media: Media, root: str | None) -> list[str] | None:
    """Paths of a video's pictures in order; None for a file or gif.

    Raises:
        DataError: there is no such video, no frame in it, or something beside pictures.
    """
    if media.kind == "frames":
        if not media.paths:
            raise DataError("a video without frames")
        return [media_path(path, root) for path in media.paths]
    path = media_path(media.paths[0], root)
    if os.path.isdir(path):
        return list(_listed(path))
    if not os.path.exists(path):
        raise DataError(f"{path}: no such video")
    return None


_NUMBER = re.compile(r"_(\d+)\.\w+$")


@lru_cache(maxsize=1024)
def _listed(folder: str) -> tuple[str, ...]:
    """Pictures of a folder by the number in ``…_<n>.jpg``; names without one first, by name."""
    try:
        facts, names = list_frames(folder)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}") from None
    if facts.stray_count:
        raise DataError(f"{folder}: {facts.strays[0]} is no picture; every entry counts as a frame upstream")
    if not names:
        raise DataError(f"{folder}: no frames")
    if facts.entries >= MAX_ENTRIES:
        raise DataError(f"{folder}: {MAX_ENTRIES} frames or more")
    names.sort(key=lambda name: (int(m[1]) if (m := _NUMBER.search(name)) else -1, name))
    return tuple(os.path.join(folder, name) for name in names)


@lru_cache(maxsize=4096)
def _probed(path: str) -> VideoFacts:
    """What is known of a file without decoding; its frames are counted.

    Raises:
        DataError: it cannot be used.
    """
    facts = probe(path, "decode" if path.lower().endswith(".gif") else "header")
    if facts.problem is not None:
        raise DataError(f"{path}: {facts.problem}: {facts.detail}")
    if not facts.frames or not facts.width or not facts.height:
        raise DataError(f"{path}: no frames")
    return facts


__all__ = [
    "FrameRule",
    "FrameSource",
    "Frames",
    "Sampling",
    "frame_count",
    "frame_indices",
    "frame_size",
    "frames_of",
]
