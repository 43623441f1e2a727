"""Records decoded no further than an expression asks: the turns' texts and the keys that it names.

What a decoder made for the expression does not take (turns of another shape, a record that is no object) goes the ordinary
way through `mmdata.dataset_ops.record_fields`, and gets the same answer there, or is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mmdata.dataset_ops.expression import Expression
from mmdata.dataset_ops.groups import media_paths
from mmdata.dataset_ops.record_fields import FIELDS
from mmdata.format import FROM_VALUE, Format, TurnKeys
from mmdata.io.jsontext import MAX_DEPTH, has_long_number, too_deep

DECLINED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_LONGEST = 4300
"""Digits of an integer from which on Python refuses to read it."""

_MEDIA = ("image", "images", "video", "videos")
_TEXTS = frozenset({"turns", "text", "text_length"})
_KEYS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "media": _MEDIA,
    "images": _MEDIA,
    "videos": _MEDIA,
    "paths": _MEDIA,
}
"""Field -> the keys of a record that it is found out from."""


class QuickFields(Struct, gc=False):
    """A record with what the expression asks for; subclasses name the fields."""

    @property
    def value(self) -> dict[str, Any]:
        """The keys that were decoded."""
        return {
            key: found
            for name, key in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
            if (found := getattr(self, name)) is not UNSET
        }

    def get(self, name: str) -> Any:
        """The value of a field, or None where the record has none."""
        return _FIELDS[name](self)

    def paths(self, *keys: str) -> list[str]:
        """The paths under some keys."""
        value = self.value
        return [path for key in keys for path in media_paths({key: value.get(key)})]


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "id": lambda r: r.value.get("id"),
    "turns": lambda r: len(r.turns),
    "text": lambda r: "\n".join([turn.text for turn in r.turns]),
    "text_length": lambda r: sum([len(turn.text) for turn in r.turns]),
    "media": lambda r: (
        "image" if r.paths("image", "images") else "video" if r.paths("video", "videos") else "text"
    ),
    "images": lambda r: len(r.paths("image", "images")),
    "videos": lambda r: len(r.paths("video", "videos")),
    "paths": lambda r: r.paths(*_MEDIA),
}


class Quick:
    """A decoder for what an expression asks of records of a format.

    Args:
        test: the expression.
        format: of the records.
        first: a record, by which the keys of the turns are chosen.

    Attributes:
        fits: bytes of a record -> whether the expression is true for it; raises one of `DECLINED`. None where the expression
            asks for more than is found out here.
    """

    def __init__(self, test: Expression, format: Format, first: Any) -> None:
        self.fits: Callable[[bytes], bool] | None = None
        if test.names - _TEXTS - _KEYS.keys() or not isinstance(first, dict):
            return
        keys = FROM_VALUE if format.turns is None else format.turns.keys(first)
        lists = {place.turns for place in format.turns.usual} if format.turns else {keys.turns}
        wanted = {key for name in test.names for key in _KEYS.get(name, ())} | test.keys
        fields: list[Any] = []
        rename: dict[str, str] = {}
        if test.names & _TEXTS:
            if format.turns is not None and keys not in format.turns.usual:
                return
            if wanted & lists:
                return
            fields.append(("turns", list[_turn(keys)]))  # type: ignore[misc]
            rename["turns"] = keys.turns
            # Of several lists another one may be the turns.
            others = lists - {keys.turns}
        else:
            others = set()
        for number, (key, kind) in enumerate(
            [(key, Any) for key in sorted(wanted)] + [(key, UnsetType) for key in sorted(others)]
        ):
            fields.append((f"key_{number}", kind, UNSET))
            rename[f"key_{number}"] = key
        try:
            struct = msgspec.defstruct("Quick", fields, bases=(QuickFields,), rename=rename, gc=False)
        except ValueError:
            return  # a key that msgspec has no name for
        decode, run = msgspec.json.Decoder(struct).decode, Expression(test.text, FIELDS, _FIELDS)

        def fits(data: bytes) -> bool:
            if len(data) > MAX_DEPTH and (too_deep(data) or has_long_number(data, _LONGEST)):
                raise msgspec.DecodeError("left to the trainer's parser")
            record: Any = decode(data)
            return run(record)

        def fits_with_values(data: bytes) -> bool:
            # Numbers beyond 64 bits are not the same for every parser.
            if has_long_number(data):
                raise msgspec.DecodeError("left to the trainer's parser")
            return fits(data)

        self.fits = fits_with_values if wanted else fits


def _turn(keys: TurnKeys) -> Any:
    """A turn with its text; keys by which it would be read otherwise are not taken."""
    fields: list[Any] = [("text", str)]
    rename = {"text": keys.text}
    if keys != FROM_VALUE:
        other = {"role", "content"} - {keys.role, keys.text}
        for number, key in enumerate(sorted(other)):
            fields.append((f"other_{number}", UnsetType, UNSET))
            rename[f"other_{number}"] = key
    return msgspec.defstruct("Turn", fields, rename=rename, gc=False)


__all__ = ["DECLINED", "Quick"]
