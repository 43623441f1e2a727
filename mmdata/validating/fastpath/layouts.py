"""What follows from which media keys a record has, worked out once for each shape of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from mmdata.format import Format, MediaRef


@dataclass(frozen=True, slots=True)
class Layout:
    """What follows from a record's media keys and their types alone: kind, numbers, where the paths are."""

    kind: str
    n_images: int
    n_videos: int
    media: tuple[str, ...]
    empty_media: bool


def shape(value: Any) -> Any:
    """What a `Layout` may depend on: whether a key is there, and where its strings are; None where that is not told.

    Formats read kinds and paths from keys and strings alone, so every number is like any other, and so is every list
    without a string.
    """
    if value is UNSET:
        return 0
    if type(value) is str:
        return 1 if value else 2
    if type(value) is list:
        strings = [type(v) is str for v in value]
        return 10 + len(value) if all(strings) and all(value) else None if any(strings) else 3 + (not value)
    return 5 if type(value) in (int, float, bool) else 6 if value is None else None


LAYOUT_FACTS = ("kind", "n_images", "n_videos", "empty_media")
"""The facts of `mmdata.checks.facts` that a layout gives."""


class Layouts:
    """`Layout` of a record by the shape of its media fields, worked out once a shape by the format's own functions."""

    def __init__(self, format: Format, fields: tuple[str, ...]) -> None:
        self.format = format
        self.fields = fields
        self.known: dict[Any, Layout] = {}

    def of(self, record: Struct) -> Layout:
        """The layout of a decoded record."""
        key = tuple([shape(getattr(record, name)) for name in self.fields])
        layout = self.known.get(key)
        if layout is None:
            layout = self._work_out(record)
            if None not in key and len(self.known) < 4096:
                self.known[key] = layout
        return layout

    def _work_out(self, record: Struct) -> Layout:
        raw = msgspec.to_builtins(record)
        refs: list[MediaRef] = self.format.media(raw)
        fields = dict.fromkeys(ref.pointer.split("/")[1] for ref in refs if ref.kind != "sidecar")
        return Layout(
            kind=self.format.kind(raw),
            n_images=sum(ref.kind == "image" for ref in refs),
            n_videos=sum(ref.kind == "video" for ref in refs),
            media=tuple(fields),
            empty_media=any(getattr(record, name) in ("", []) for name in self.fields),
        )
