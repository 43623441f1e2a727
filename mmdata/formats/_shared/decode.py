"""From a record's turns and masks to the parts and objects of a `Sample`: what the decoders of all formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmdata.errors import DataError
from mmdata.format import Speaker
from schemas.sample import Mask, MediaPart, Origin, Part, PolygonMask, RLEMask, Sample, SampleTurn, TextPart

Take = Callable[[re.Match[str]], Part | None]
"""A placeholder's match -> the part it stands for, or None where it stays text."""


def place(origin: Origin) -> str:
    """Where a record lies, for an error message."""
    line = f", line {origin.line}" if origin.line else ""
    return f"{origin.path}: record {origin.record}{line}"


def turns(
    record: Mapping[str, Any], speaker: Callable[[str], Speaker | None], origin: Origin
) -> Iterator[tuple[SampleTurn, str]]:
    """Each turn, without parts yet, and its text.

    Raises:
        DataError: the turns are not as the trainer reads them.
    """
    entries = record.get("conversations")
    if not isinstance(entries, list):
        raise DataError(f"{place(origin)}: `conversations` is no list")
    for number, entry in enumerate(entries):
        word, text = (entry.get("from"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if not isinstance(word, str) or not isinstance(text, str):
            raise DataError(f"{place(origin)}: turn {number} has no `from` and `value`")
        role = speaker(word)
        if role is None:
            raise DataError(f"{place(origin)}: turn {number}: the trainer does not know the role {word!r}")
        extras = {key: value for key, value in entry.items() if key not in ("from", "value")}
        yield SampleTurn(role, [], word, extras), text


def split(text: str, pattern: re.Pattern[str], take: Take) -> list[Part]:
    """The parts of a text: what `take` makes of each match, and the text between, to the character."""
    parts: list[Part] = []
    at = 0
    for match in pattern.finditer(text):
        part = take(match)
        if part is not None:
            if match.start() > at:
                parts.append(TextPart(text[at : match.start()]))
            parts.append(part)
            at = match.end()
    if at < len(text) or not parts:
        parts.append(TextPart(text[at:]))
    return parts


def fill_turns(
    sample: Sample,
    record: Mapping[str, Any],
    speaker: Callable[[str], Speaker | None],
    pattern: re.Pattern[str],
    media: Take,
    region: Callable[[], Part | None],
) -> None:
    """Give a sample its turns: each `<region>` is what `region` says, every other placeholder what `media` says.

    Raises:
        DataError: the turns are not as the trainer reads them.
    """

    def take(match: re.Match[str]) -> Part | None:
        return region() if match[0] == "<region>" else media(match)

    assert sample.origin is not None
    for turn, text in turns(record, speaker, sample.origin):
        turn.parts = split(text, pattern, take)
        sample.turns.append(turn)


def imply_media(sample: Sample, media: int = 0) -> None:
    """Put a picture without a placeholder where the trainer puts it: in front of the first user turn."""
    for turn in sample.turns:
        if turn.role == "user":
            turn.parts.insert(0, MediaPart(media, implied=True))
            return


def extras(record: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The keys of a record that have no other place."""
    return {key: value for key, value in record.items() if key not in ("id", "conversations", *known)}


def size(record: Mapping[str, Any], key: str) -> int | None:
    """A declared width or height, where it is a positive number."""
    value = record.get(key)
    return value if type(value) is int and value > 0 else None


def mask(segmentation: Any, origin: Origin, where: str) -> Mask | None:
    """A COCO segmentation: RLE, flat polygons (covered by COCO's rule), or null, the empty mask.

    Raises:
        DataError: it is none of these.
    """
    if segmentation is None:
        return None
    if isinstance(segmentation, dict):
        shape, counts = segmentation.get("size"), segmentation.get("counts")
        if isinstance(shape, list) and len(shape) == 2 and isinstance(counts, (str, list)):
            return RLEMask((shape[0], shape[1]), counts)
    elif isinstance(segmentation, list) and all(map(is_flat, segmentation)):
        return PolygonMask(
            [[[flat[i], flat[i + 1]] for i in range(0, len(flat), 2)] for flat in segmentation], "coco"
        )
    raise DataError(f"{place(origin)}: {where} is neither RLE nor flat polygons")


def is_flat(flat: Any) -> bool:
    """Whether a value is a polygon as COCO writes one: at least three x and y in turn."""
    return (
        isinstance(flat, list)
        and len(flat) >= 6
        and len(flat) % 2 == 0
        and _NUMBERS.issuperset(map(type, flat))
    )


_NUMBERS = frozenset((int, float))


def expect(found: int, wanted: int, what: str, origin: Origin) -> None:
    """Refuse a record whose placeholders do not fit what it names.

    Raises:
        DataError: the numbers differ.
    """
    if found != wanted:
        raise DataError(f"{place(origin)}: {found} {what} for {wanted}")
