"""What follows from which media keys a record has, worked out once for each shape of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from mmdata.format import Format, MediaRef


@dataclass(frozen=True, slots=True)
class Layout:
    """What follows from a record's media keys and their types alone: kind, numbers, where the paths are.

    Attributes:
        kind: see `Format.kind`.
        n_images: pictures.
        n_videos: videos.
        media: fields of the struct that hold the paths, each a string or a list of strings.
        empty_media: some media key holds an empty string or list.
        inline: the paths lie elsewhere too, where the format alone finds them.
    """

    kind: str
    n_images: int
    n_videos: int
    media: tuple[str, ...]
    empty_media: bool
    inline: bool = False


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


def exact_shape(value: Any) -> Any:
    """`shape` for formats that find paths in objects of a column too: lists of anything but paths are told by none."""
    if type(value) is list:
        if not value:
            return 4
        return 10 + len(value) if all(type(v) is str and v for v in value) else None
    if isinstance(value, Struct):
        shapes = tuple([shape(getattr(value, name)) for name in value.__struct_fields__])
        return None if None in shapes else shapes
    return (
        0 if value is UNSET else (1 if value else 2) if type(value) is str else 6 if value is None else None
    )


LAYOUT_FACTS = ("kind", "n_images", "n_videos", "empty_media")
"""The facts of `mmdata.checks.facts` that a layout gives."""


class Layouts:
    """`Layout` of a record by the shape of its media fields, worked out once a shape by the format's own functions."""

    def __init__(
        self, format: Format, fields: Mapping[str, str], shape_of: Callable[[Any], Any] = shape
    ) -> None:
        """`fields`: field of the struct -> its key in the record."""
        self.format = format
        self.fields = fields
        self.shape = shape_of
        self.known: dict[Any, Layout] = {}

    def of(self, record: Struct, *shown: tuple[str, ...]) -> Layout:
        """The layout of a decoded record; `shown` are the media that its turns name themselves, if they can."""
        key = (*shown, *[self.shape(getattr(record, name)) for name in self.fields])
        layout = self.known.get(key)
        if layout is None:
            layout = self._work_out(record)
            if None not in key and len(self.known) < 4096:
                self.known[key] = layout
        return layout

    def _work_out(self, record: Struct) -> Layout:
        raw = msgspec.to_builtins(record)
        refs: list[MediaRef] = self.format.media(raw)
        names = {key: name for name, key in self.fields.items()}
        keys = dict.fromkeys(ref.pointer.split("/")[1] for ref in refs if ref.kind != "sidecar")
        plain = [names[key] for key in keys if key in names and _is_plain(getattr(record, names[key]))]
        return Layout(
            kind=self.format.kind(raw),
            n_images=sum(ref.kind == "image" for ref in refs),
            n_videos=sum(ref.kind == "video" for ref in refs),
            media=tuple(plain),
            empty_media=any(getattr(record, name) in ("", []) for name in self.fields),
            inline=len(plain) != len(keys),
        )


def _is_plain(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(v) is str for v in value))
