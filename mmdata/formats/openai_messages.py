"""OpenAI-style messages: `content` is a text or a list of parts, and pictures and videos are parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mmdata.errors import DataError
from mmdata.format import Evidence, Format, Guess, MediaKind, MediaRef, Speaker, TurnKeys, Turns
from mmdata.formats._shared import decode, messages
from mmdata.formats._shared.evidence import weigh
from schemas.sample import Media, MediaPart, Origin, PhrasePart, RegionPart, Sample, SampleTurn, TextPart

if TYPE_CHECKING:
    from mmdata.encoding import Encoding

_SPEAKERS: dict[str, Speaker] = {
    "user": "user",
    "tool": "user",
    "function": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}

PLACES: dict[str, tuple[MediaKind, tuple[str, ...]]] = {
    "image_url": ("image", ("image_url",)),
    "image": ("image", ("image", "path", "url")),
    "video_url": ("video", ("video_url",)),
    "video": ("video", ("video", "path", "url")),
}
"""Type of a part -> what it shows, and the keys that its file may lie under (OpenAI, transformers, Qwen-VL)."""

KEYS = TurnKeys("messages", "role", "content")


def turn_keys(record: Mapping[str, Any]) -> TurnKeys:
    """`messages` of `role` and `content`."""
    del record
    return KEYS


def speaker(role: str) -> Speaker | None:
    """The roles of the chat API; `developer` is the newer word for `system`."""
    return _SPEAKERS.get(role)


def kind(record: Mapping[str, Any]) -> str:
    """What the record shows."""
    return "-".join(dict.fromkeys(ref.kind for ref in media(record))) or "text"


def parts(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(JSON pointer, part) of every part that is an object."""
    entries = record.get("messages")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        content = entry.get("content") if isinstance(entry, dict) else None
        for k, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict):
                yield f"/messages/{number}/content/{k}", part


def payload(part: Mapping[str, Any]) -> tuple[str, Any]:
    """Where a part of a known media type keeps its file, relative to the part, and what lies there."""
    for key in PLACES[part["type"]][1]:
        if key in part:
            value = part[key]
            return (f"/{key}/url", value.get("url")) if isinstance(value, dict) else (f"/{key}", value)
    return "", None


def path_of(value: str) -> str:
    """The path in a ``file://`` URL; anything else as it is."""
    return unquote(value.removeprefix("file://")) if value.startswith("file://") else value


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The files that the parts name, in order; pictures inside the record (``data:`` URLs) are none."""
    found: list[MediaRef] = []
    for pointer, part in parts(record):
        if not isinstance(part.get("type"), str) or part["type"] not in PLACES:
            continue
        what = PLACES[part["type"]][0]
        place, value = payload(part)
        if isinstance(value, str) and value and not value.startswith("data:"):
            found.append(MediaRef(what, path_of(value), pointer + place))
        elif isinstance(value, list):
            found += [
                MediaRef("frames", path_of(one), f"{pointer}{place}/{k}")
                for k, one in enumerate(value)
                if isinstance(one, str) and one
            ]
    return found


def sniff(evidence: Evidence) -> Guess:
    """Content in parts speaks for it; messages of plain text alone may be anybody's."""
    return weigh(
        evidence,
        0.5,
        [
            (lambda r: any(isinstance(c, list) for c in messages.contents(r)), 0.4, "content in parts"),
            (lambda r: bool({"developer", "tool"} & messages.roles(r)), 0.1, "`developer` or `tool`"),
            (lambda r: any(k in r for k in ("images", "videos", "objects")), -0.4, "media in columns"),
            (lambda r: "image" in r or "video" in r, -0.3, "`image` or `video`, as other tools have them"),
        ],
        {"jsonl": 0.05},
        speaking=(messages.speaks_messages("messages"), "`messages` of `role` and `content`"),
    )


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: every part of a picture or video is one medium, in order.

    Raises:
        DataError: a message or part is none, its file lies inside the record, or it is a call of a tool or sound.
    """
    sample = Sample(turns=[], id=record.get("id"), extras=decode.extras(record, "messages"), origin=origin)
    for number, (turn, content) in enumerate(messages.turns(record, KEYS, speaker, origin)):
        where = f"{decode.place(origin)}: message {number}"
        if isinstance(content, str):
            turn.parts = [TextPart(content)]
        elif isinstance(content, list) and content:
            for part in content:
                _take(part, turn, sample, where)
        else:
            raise DataError(f"{where} has no content")
        sample.turns.append(turn)
    return sample


def _take(part: Any, turn: SampleTurn, sample: Sample, where: str) -> None:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        turn.parts.append(TextPart(part["text"]))
        return
    if not isinstance(part, dict) or part.get("type") not in PLACES:
        raise DataError(f"{where} has a part that is neither text, picture nor video")
    _, value = payload(part)
    what = PLACES[part["type"]][0]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        one = Media("frames", [path_of(path) for path in value])
    elif not isinstance(value, str) or not value or value.startswith("data:"):
        raise DataError(f"{where} has a {what} that names no file; write it to a file and name that")
    else:
        one = Media("image" if what == "image" else "video", [path_of(value)])
    sample.media.append(one)
    turn.parts.append(MediaPart(len(sample.media) - 1))


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: every content is a list of parts; masks become InternVL's spans of 0-1000 in the text.

    Raises:
        CannotEncode: a picture in an answer, where the API takes none.
    """
    from mmdata.encoding import CannotEncode
    from mmdata.formats._shared import encode, tagged

    encode.in_order(sample)

    def write(part: MediaPart | RegionPart | PhrasePart, turn: SampleTurn) -> Any:
        if not isinstance(part, MediaPart):
            return tagged.in_text(part, sample, enc)
        if turn.role != "user" or encode.is_system(turn):
            raise CannotEncode("N09", "a picture outside the user's messages")
        one = sample.media[part.media]
        enc.kept("media")
        paths = [enc.path(path) for path in one.paths]
        if one.kind == "frames":
            return {"type": "video", "video": paths}
        key = "image_url" if one.kind == "image" else "video_url"
        return {"type": key, key: {"url": paths[0]}}

    spoken = encode.speeches(sample, enc, pattern=_LITERALS, write=write, system=True)
    body = {"messages": [{"role": who, "content": _parts(pieces)} for who, pieces in spoken]}
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body, encode.RESERVED | encode.COLUMNS)


_LITERALS = re.compile("(?!)")


def _parts(pieces: list[Any]) -> list[dict[str, Any]]:
    """Neighbouring texts are one part."""
    found: list[dict[str, Any]] = []
    for piece in pieces:
        if not isinstance(piece, str):
            found.append(piece)
        elif found and found[-1]["type"] == "text":
            found[-1] = {"type": "text", "text": found[-1]["text"] + piece}
        elif piece:
            found.append({"type": "text", "text": piece})
    return found or [{"type": "text", "text": ""}]


FORMAT = Format(
    name="openai-messages",
    title="OpenAI-style messages (content parts)",
    trainer="OpenAI-compatible tools",
    container="array-or-jsonl",
    record_type="schemas.openai_messages:OpenAIMessagesRecord",
    speaker=speaker,
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    turns=Turns(turn_keys, (KEYS,), "mmdata.formats._shared.parts:CONTENT"),
    lines=True,
    paths="from the working directory; file:// and web addresses as they are",
)
