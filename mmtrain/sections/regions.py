"""``regions:`` of a run: what stands for a ``<region>``, what of it is trained, which frames of a video are taken."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmtrain.sections.base import NUMBER, Head, Positive, Strict

DEFAULT_TOKENS = {"tokens": 4, "clusters": 10}
"""Most tokens of an object by `Regions.merge`, as VideoRefer has them."""


class Regions(Strict):
    """The region module and how it is trained (`recipe: regions`)."""

    module: Head = Head()
    """From features pooled under a mask to the language model's embeddings."""
    merge: Literal["mean", "tokens", "clusters"] = "mean"
    """An object on several frames: one token, the mean over them; `tokens`: the most alike neighbours in time joined, as
    VideoRefer does; `clusters`: the features under its masks by k-means, as VideoRefer with VideoLLaMA3 does."""
    tokens: Positive | None = None
    """Most tokens of an object; left out: 4 with `merge: tokens` (VideoRefer: ``region_token_num``, 4 whatever its scripts
    say), 10 with `merge: clusters` (``num_clusters``)."""
    sampling: Literal["uniform", "fps"] = "uniform"
    """Which frames of a video are taken besides those with masks: video_frames evenly, or so many a second (at most
    video_frames, then evenly)."""
    fps: Annotated[float, Field(gt=0), NUMBER] = 1.0
    """Frames a second with `sampling: fps` (VideoRefer: ``NUM_FRAMES_PER_SECOND``)."""
