"""From a canonical sample to the turns of a record: what the encoders of all formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from mmdata.encoding import CannotEncode, Encoding
from mmdata.format import Speaker
from schemas.sample import MediaPart, PhrasePart, RegionPart, Sample, SampleTurn, TextPart

Write = Callable[[MediaPart | RegionPart | PhrasePart, SampleTurn], str]
"""A placeholder and its turn -> the text that the target has for it."""

RESERVED = frozenset(
    [
        "id",
        "conversations",
        "conversation",
        "messages",
        "image",
        "images",
        "video",
        "videos",
        "polygons",
        "polygon",
        "segmentation",
        "mask",
        "masks",
        "annotation",
        "height",
        "width",
        "clip",
        "timestamps",
        "masked_video",
        "text",
    ]
)
"""Keys that some trainer gives a meaning to: an unknown key of this name cannot ride along as it is."""

COLUMNS = frozenset({"objects", "audios", "system", "tools"})
"""Keys that mean something in formats of messages alone: known there, never unknown keys to be put back."""


def markers(*literals: str) -> re.Pattern[str]:
    """The placeholders of a format that must not stand in its plain text."""
    return re.compile("|".join(map(re.escape, literals)))


def escaped(text: str, pattern: re.Pattern[str], enc: Encoding) -> str:
    """Plain text without the target's placeholders: their brackets become HTML entities, which is reported."""
    if not pattern.search(text):
        return text
    enc.approximated("text", "a literal placeholder of the target was escaped")
    table = str.maketrans({"<": "&lt;", ">": "&gt;", "[": "&#91;", "]": "&#93;"})
    return pattern.sub(lambda match: match[0].translate(table), text)


def is_system(turn: SampleTurn) -> bool:
    """Whether a turn instructs, whatever the source's trainer takes the word for."""
    return turn.role == "system" or turn.word.lower() == "system"


def speeches(
    sample: Sample,
    enc: Encoding,
    *,
    pattern: re.Pattern[str],
    write: Callable[[MediaPart | RegionPart | PhrasePart, SampleTurn], Any],
    system: bool = False,
) -> list[tuple[Speaker, list[Any]]]:
    """Who speaks and what is said, in pieces: texts, and what `write` makes of everything that is no plain text.

    Args:
        sample: the sample.
        enc: told what became of text, roles and system turns.
        pattern: the target's own placeholders, escaped in plain text.
        write: a placeholder and its turn -> what stands for it in the target.
        system: the target takes a system turn in front; elsewhere it is folded into the first user turn.
    """
    result: list[tuple[Speaker, list[Any]]] = []
    folded: list[Any] = []
    for number, turn in enumerate(sample.turns):
        pieces = [
            escaped(part.text, pattern, enc) if isinstance(part, TextPart) else write(part, turn)
            for part in turn.parts
        ]
        if turn.extras:
            enc.lost("turn keys", "unknown keys of a turn: " + ", ".join(turn.extras))
        if is_system(turn):
            if system and number == 0:
                result.append(("system", pieces))
                enc.kept("system")
            else:
                folded += [*pieces, "\n"]
                enc.approximated("system", "folded into the next user turn")
            continue
        if folded and turn.role == "user":
            pieces = [*folded, *pieces]
            folded = []
        result.append((turn.role, pieces))
    if folded:
        raise CannotEncode("system", "a system turn with no user turn after it that could take its text")
    enc.kept("turns")
    return result


def conversations(
    sample: Sample,
    enc: Encoding,
    *,
    answer: str,
    pattern: re.Pattern[str],
    write: Write,
    system: bool = False,
) -> list[dict[str, Any]]:
    """The turns in the target's words, as `from` and `value`; arguments as for `speeches`.

    Args:
        sample: the sample.
        enc: told what became of text, roles and system turns.
        answer: the target's word for the assistant; the user is ``human`` everywhere.
        pattern: the target's own placeholders, escaped in plain text.
        write: the text of everything that is no plain text.
        system: the target takes a system turn in front.
    """
    words = {"user": "human", "assistant": answer, "system": "system"}
    return [
        {"from": words[speaker], "value": "".join(pieces)}
        for speaker, pieces in speeches(sample, enc, pattern=pattern, write=write, system=system)
    ]


def with_extras(
    sample: Sample, enc: Encoding, body: dict[str, Any], reserved: frozenset[str] = RESERVED
) -> dict[str, Any]:
    """The record: id in front, the body, then unknown keys under their own names."""
    record: dict[str, Any] = {} if sample.id is None else {"id": sample.id}
    record |= body
    for key, value in sample.extras.items():
        if key in reserved or key in record or key.startswith("mmdata_"):
            enc.lost("unknown keys", f"`{key}` would mean something else to the target")
        else:
            record[key] = value
            enc.kept("unknown keys")
    if any(one.extras for one in sample.objects):
        enc.lost("object keys", "unknown keys of a region")
    for one in sample.media:
        if one.clip is not None and enc.target != "internvl":
            enc.lost("clip", "the target reads whole videos")
        if one.timestamps is not None and enc.target != "videorefer-vl3":
            enc.lost("timestamps", "the target has no times of frames")
    return record


def pictures(sample: Sample, enc: Encoding) -> list[str]:
    """The paths of a sample that has pictures only, as the target spells them.

    Raises:
        CannotEncode: it has a video.
    """
    if any(one.kind != "image" for one in sample.media):
        raise CannotEncode("no-video", "the target's loader reads pictures only")
    if sample.media:
        enc.kept("media")
    return [enc.path(one.paths[0]) for one in sample.media]


def in_order(sample: Sample) -> None:
    """Make sure that placeholders name the media in order, each once.

    Raises:
        CannotEncode: they do not.
    """
    found = [p.media for turn in sample.turns for p in turn.parts if isinstance(p, MediaPart)]
    if found != list(range(len(sample.media))):
        raise CannotEncode("placeholders", f"placeholders name the media {found} of {len(sample.media)}")


def declared(sample: Sample, enc: Encoding, target_reads: bool) -> dict[str, int]:
    """``height`` and ``width`` as the record declares them, where the target reads them."""
    size = {"height": sample.height, "width": sample.width}
    given = {key: value for key, value in size.items() if value is not None}
    if given and not target_reads:
        enc.lost("size", "the target takes the size from the picture")
    return given if target_reads else {}


def coordinates(object: int, frames: Iterable[str], enc: Encoding) -> str:
    """A region as plain text, for a target without region prompts: its box in 0-1000."""
    found = []
    for frame in frames:
        box, _ = enc.permille(object, frame)
        if box is None:
            raise CannotEncode(
                "empty-region", f"object {object} has an empty mask, so there is no box to name"
            )
        found.append(
            f"frame {frame} {box}" if enc.sample.media and enc.sample.media[0].kind != "image" else f"{box}"
        )
    enc.approximated("regions", "region prompt written as a box of 0-1000 in plain text")
    return ", ".join(found)


def phrase_alone(part: PhrasePart, enc: Encoding) -> str:
    """A grounded phrase for a target without grounding: the phrase; without one, its boxes as plain text."""
    enc.lost("masks", "the target has no masks in answers")
    if part.text is not None:
        return part.text.strip()
    boxes = [enc.permille(k, frame)[0] for k in part.objects for frame in enc.sample.objects[k].masks]
    return ", ".join(str(box) for box in boxes if box is not None)
