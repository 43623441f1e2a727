"""What the formats of messages share: LLaMA-Factory, ms-swift and OpenAI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmdata.encoding import Encoding
from mmdata.errors import DataError
from mmdata.format import MediaKind, MediaRef, Speaker, TurnKeys
from mmdata.formats._shared import decode, encode
from schemas.sample import Media, MediaPart, Origin, Sample, SampleTurn, TextPart

TOOLS = frozenset({"tool", "function", "tool_call", "tool_response", "function_call", "observation"})
"""Roles of calls and their results, which the canonical sample has no place for."""


def keys(record: Mapping[str, Any], *lists: str) -> TurnKeys:
    """Where a record keeps its turns: the first of `lists` that it has, and the keys of its first message.

    Args:
        record: any record.
        lists: keys that the list may lie under, the usual one first.
    """
    place = next((key for key in lists if isinstance(record.get(key), list)), None)
    if place is None:
        place = next((key for key in lists if key in record), lists[0])
    entries = record.get(place)
    first = next((e for e in entries if isinstance(e, dict)), {}) if isinstance(entries, list) else {}
    if "role" in first or "content" in first:
        return TurnKeys(place, "role", "content")
    if "from" in first or "value" in first or place != "messages":
        return TurnKeys(place)
    return TurnKeys(place, "role", "content")


def usual(*lists: str) -> tuple[TurnKeys, ...]:
    """All that `keys` may say of these lists, the usual first."""
    places = [TurnKeys(place, "role", "content") for place in lists] + [TurnKeys(place) for place in lists]
    return tuple(sorted(places, key=lambda place: (place.turns == "messages") != (place.role == "role")))


def turns(
    record: Mapping[str, Any], place: TurnKeys, speaker: Callable[[str], Speaker | None], origin: Origin
) -> Iterator[tuple[SampleTurn, Any]]:
    """Each turn, without parts yet, and its content, which is checked by the caller.

    Raises:
        DataError: the turns are not as the loader reads them, or are those of tools.
    """
    entries = record.get(place.turns)
    if not isinstance(entries, list):
        raise DataError(f"{decode.place(origin)}: `{place.turns}` is no list")
    for number, entry in enumerate(entries):
        word = entry.get(place.role) if isinstance(entry, dict) else None
        if not isinstance(word, str) or place.text not in entry:
            raise DataError(f"{decode.place(origin)}: turn {number} has no `{place.role}` and `{place.text}`")
        if word in TOOLS or "tool_calls" in entry:
            raise DataError(
                f"{decode.place(origin)}: turn {number} calls a tool, for which no other format has a place"
            )
        role = speaker(word)
        if role is None:
            raise DataError(
                f"{decode.place(origin)}: turn {number}: the loader does not know the role {word!r}"
            )
        extras = {key: value for key, value in entry.items() if key not in (place.role, place.text)}
        yield SampleTurn(role, [], word, extras), entry[place.text]


def texts(
    record: Mapping[str, Any], place: TurnKeys, speaker: Callable[[str], Speaker | None], origin: Origin
) -> Iterator[tuple[SampleTurn, str]]:
    """`turns` of a format whose content is always a string, a `system` key of the record in front.

    Raises:
        DataError: as `turns`, or a content is no string.
    """
    if isinstance(record.get("system"), str):
        yield SampleTurn("system", [], "system"), record["system"]
    for number, (turn, content) in enumerate(turns(record, place, speaker, origin)):
        if not isinstance(content, str):
            raise DataError(f"{decode.place(origin)}: the content of turn {number} is no string")
        yield turn, content


def column(record: Mapping[str, Any], key: str, kind: MediaKind) -> list[MediaRef]:
    """The files in a column: a path, a list of paths, objects with `path`, or (videos) lists of frames."""
    value = record.get(key)
    found: list[MediaRef] = []
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        place = f"/{key}/{number}" if isinstance(value, list) else f"/{key}"
        if isinstance(item, dict):
            item, place = item.get("path"), f"{place}/path"
        if isinstance(item, str) and item:
            found.append(MediaRef(kind, item, place))
        elif isinstance(item, list):
            found += [
                MediaRef("frames", one, f"{place}/{k}")
                for k, one in enumerate(item)
                if isinstance(one, str) and one
            ]
    return found


def columns(record: Mapping[str, Any]) -> list[MediaRef]:
    """The files in the columns `images` and `videos`."""
    return column(record, "images", "image") + column(record, "videos", "video")


def of_column(record: Mapping[str, Any], key: str, origin: Origin) -> list[Media]:
    """The media of a column, one an entry.

    Raises:
        DataError: an entry names no file: its bytes lie in the record, or it is no path.
    """
    value = record.get(key)
    found = []
    for number, item in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        path = item.get("path") if isinstance(item, dict) else item
        if isinstance(path, str) and path and not path.startswith("data:"):
            found.append(Media("image" if key == "images" else "video", [path]))
        elif isinstance(path, list) and path and all(isinstance(one, str) for one in path):
            found.append(Media("frames", path))
        else:
            raise DataError(f"{decode.place(origin)}: entry {number} of `{key}` names no file")
    return found


def no_audio(record: Mapping[str, Any], origin: Origin) -> None:
    """Refuse sound, which the canonical sample has no place for.

    Raises:
        DataError: the record has some.
    """
    if record.get("audios"):
        raise DataError(f"{decode.place(origin)}: `audios`: no other format has sound")


def media_columns(sample: Sample, enc: Encoding) -> dict[str, list[str]]:
    """The columns `images` and `videos`; the frames of a list become pictures, so that the columns keep one type."""
    body: dict[str, list[str]] = {}
    for one in sample.media:
        if one.kind == "frames":
            enc.approximated("media", "the video's frames as several pictures")
        else:
            enc.kept("media")
        key = "videos" if one.kind == "video" else "images"
        body.setdefault(key, []).extend(enc.path(path) for path in one.paths)
    return body


def tag(part: MediaPart, sample: Sample) -> str:
    """The placeholder of a medium: one for each picture of a list of frames."""
    one = sample.media[part.media]
    if one.kind == "frames":
        return "<image>\n" * len(one.paths)
    return ("<video>" if one.kind == "video" else "<image>") + ("\n" if part.implied else "")


def only_columns(sample: Sample, enc: Encoding) -> None:
    """Say what a loader of typed columns is not given: ids and unknown keys, whose types may differ between records."""
    if sample.id is not None:
        enc.lost("id", "the loader wants columns of one type, and reads no id")
    if sample.extras:
        enc.lost("unknown keys", "the loader wants columns of one type: " + ", ".join(sample.extras))
    bare = Sample(
        sample.turns,
        sample.media,
        sample.objects,
        width=sample.width,
        height=sample.height,
        origin=sample.origin,
    )
    encode.with_extras(bare, enc, {})


def is_plain(turn: SampleTurn) -> bool:
    """Whether a turn is text alone."""
    return all(isinstance(part, TextPart) for part in turn.parts)


def speaks_messages(*lists: str) -> Callable[[Mapping[str, Any]], bool]:
    """A test for detection: whether a record has messages of `role` and `content` under one of these keys."""

    def test(record: Mapping[str, Any]) -> bool:
        entries: list[Any] = next((record[key] for key in lists if isinstance(record.get(key), list)), [])
        return any(isinstance(e, dict) and ("role" in e or "content" in e) for e in entries)

    return test


def contents(record: Mapping[str, Any]) -> Iterator[Any]:
    """The content of every well-formed message, for detection."""
    place = keys(record, "messages", "conversations")
    entries = record.get(place.turns)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and place.text in entry:
            yield entry[place.text]


def roles(record: Mapping[str, Any]) -> set[str]:
    """The role words of a record, for detection."""
    place = keys(record, "messages", "conversations")
    entries = record.get(place.turns)
    found = (
        {e.get(place.role) for e in entries if isinstance(e, dict)} if isinstance(entries, list) else set()
    )
    return {word for word in found if isinstance(word, str)}
