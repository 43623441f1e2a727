"""Windows over key frames: so many that follow each other, every so many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def windows(frames: Sequence[T], window: int, stride: int) -> list[Sequence[T]]:
    """Every window that lies wholly inside: ``(n - window) // stride + 1`` of them, none if n is below the window.

    Args:
        frames: in order of time.
        window: frames in one.
        stride: frames from the first of one window to the first of the next.
    """
    return [frames[i : i + window] for i in range(0, len(frames) - window + 1, stride)]
