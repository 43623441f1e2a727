"""Contents of parts for the fast path: the ordinary parts as msgspec types, and what follows from them.

Narrower than what `mmdata.checks.openai_messages` takes: parts of sound, lists of frames and keys that nobody is known to
write take the slow way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from mmdata.checks.markers import PLACEHOLDERS

_Path = Annotated[str, Meta(min_length=1)]
_Pixels = Annotated[int, Meta(ge=0, le=1 << 40)] | UnsetType


class _Address(Struct, forbid_unknown_fields=True, gc=False):
    url: _Path
    detail: str | UnsetType = UNSET


class _Part(Struct, tag_field="type", forbid_unknown_fields=True, gc=False):
    pass


class _Text(_Part, tag="text"):
    text: str


class _ImageURL(_Part, tag="image_url"):
    image_url: _Address | _Path


class _Image(_Part, tag="image"):
    image: _Address | _Path
    min_pixels: _Pixels = UNSET
    max_pixels: _Pixels = UNSET


class _VideoURL(_Part, tag="video_url"):
    video_url: _Address | _Path


class _Video(_Part, tag="video"):
    video: _Address | _Path
    min_pixels: _Pixels = UNSET
    max_pixels: _Pixels = UNSET


class Contents(NamedTuple):
    """What the contents of a record show.

    Attributes:
        texts: one a turn: its content where that is a text, else nothing.
        shown: kinds of the media that the record names, in order.
        plain: the fact `plain_parts`.
        strings: keys and strings of all contents.
    """

    texts: list[str]
    shown: tuple[str, ...]
    plain: bool
    strings: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a turn may hold where others hold a text.

    Attributes:
        type: of the decoder.
        look: (turns, their speakers, one letter each) -> what they show.
        media: type of a part -> the key of its file.
    """

    type: Any
    look: Callable[[list[Any], str], Contents]
    media: frozenset[str]


def look(turns: list[Any], order: str) -> Contents:
    """What the contents of a record's turns show.

    Args:
        turns: structs with `value`: a text, or a list of parts.
        order: the speakers, one letter each.
    """
    texts: list[str] = []
    shown: list[str] = []
    plain = True
    strings = 0
    for who, turn in zip(order, turns, strict=True):
        value = turn.value
        if type(value) is str:
            strings += 1
            texts.append(value)
            continue
        texts.append("")
        plain = plain and bool(value)
        for part in value:
            if type(part) is _Text:
                strings += 4
                text = part.text
                if ("<" in text or "[" in text) and any(tag in text for tag in PLACEHOLDERS):
                    plain = False
                continue
            place = getattr(part, part.__struct_fields__[0])
            strings += 3
            if type(place) is _Address:
                strings += 2 if place.detail is UNSET else 4
                place = place.url
            else:
                strings += 1
            if type(part) is _Image or type(part) is _Video:
                strings += (part.min_pixels is not UNSET) + (part.max_pixels is not UNSET)
            if not place.startswith("data:"):
                shown.append("image" if type(part) is _Image or type(part) is _ImageURL else "video")
            plain = plain and who == "u"
    return Contents(texts, tuple(shown), plain, strings)


CONTENT = Content(
    str | list[_Text | _ImageURL | _Image | _VideoURL | _Video],
    look,
    frozenset({"image_url", "image", "video_url", "video"}),
)
