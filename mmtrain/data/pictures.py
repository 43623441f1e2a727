"""Pictures for training: their size from the header, and their pixels; no EXIF rotation, as in every trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from mmdata.errors import DataError, UsageError


@lru_cache(maxsize=65536)
def header_size(path: str) -> tuple[int, int]:
    """(width, height) in pixels as stored.

    Raises:
        DataError: there is no such picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.size
    except Exception as error:  # Pillow's readers raise whatever they stumble over; all of it means: unusable
        raise DataError(f"{path}: cannot be opened as a picture: {error}") from None


_KEPT: ContextVar[dict[str, Image.Image] | None] = ContextVar("_KEPT", default=None)


@contextmanager
def decoded_once() -> Iterator[None]:
    """Within it `load_rgb` decodes each file once: for samples whose pictures go into two encoders.

    A picture that is given out twice is one object: nobody may change it.
    """
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def load_rgb(path: str) -> Image.Image:
    """A picture in RGB, EXIF rotation not applied, as the trainers load it.

    Raises:
        DataError: it cannot be decoded to its end.
    """
    kept = _KEPT.get()
    if kept is not None and path in kept:
        return kept[path]
    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
    except Exception as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from None
    if kept is not None:
        kept[path] = rgb
    return rgb


def image_processor(model: str | Path, kind: str) -> Any:
    """A model directory's own image processor, computed with Pillow: the same pixels with and without torchvision.

    Args:
        model: the directory.
        kind: the class that the family needs, without its suffix.

    Raises:
        UsageError: there is none, or it is of another class.
    """
    auto: Any = import_module("transformers").AutoImageProcessor
    try:
        made = auto.from_pretrained(str(model), backend="pil", local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"model: {model}: no usable image processor: {error}") from None
    found = type(made).__name__
    if found != f"{kind}Pil":
        raise UsageError(f"model: {model}: image processor {found}, expected {kind}Pil")
    return made
