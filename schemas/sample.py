"""`Sample`: the one canonical form that every format decodes to and encodes from.

Slots dataclasses, not pydantic models: decoding millions of records must not pay for validation twice. `SampleAdapter`
checks one and gives its JSON Schema.

Nothing of a record is thrown away: text between placeholders is kept to the character, role words and keys without a
place here go to `extras` of the turn, object, media or sample that had them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from schemas.types import Speaker

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RasterRule: TypeAlias = Literal["opencv", "coco"]
"""Which pixels a mask covers: ``opencv`` as GeoPixel fills rings, ``coco`` as pycocotools does."""


@dataclass(slots=True)
class TextPart:
    """Text as it stands, white space included."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(slots=True)
class MediaPart:
    """The place of a picture or video.

    Attributes:
        media: index into `Sample.media`.
        implied: the record has no placeholder here; the trainer puts the media in front of its first turn.
    """

    media: int
    implied: bool = False
    kind: Literal["media"] = "media"


@dataclass(slots=True)
class RegionPart:
    """A region prompt: an object as input.

    Attributes:
        object: index into `Sample.objects`.
        frame: the frame meant where each mask has a placeholder of its own (VideoLLaMA3 dialect), else None.
    """

    object: int
    frame: str | None = None
    kind: Literal["region"] = "region"


@dataclass(slots=True)
class PhrasePart:
    """A grounded phrase: objects as target.

    Attributes:
        text: the phrase with the white space around it as written; None for a mask without a phrase.
        objects: indices into `Sample.objects`.
        gap: the text between the phrase and its mask token.
    """

    text: str | None
    objects: list[int]
    gap: str = " "
    kind: Literal["phrase"] = "phrase"


Part: TypeAlias = TextPart | MediaPart | RegionPart | PhrasePart


@dataclass(slots=True)
class SampleTurn:
    """Who speaks and what is said, in parts.

    Attributes:
        role: who the trainer takes the speaker for.
        parts: the text and the placeholders, in order.
        word: the role word as written.
        extras: keys of the turn that have no other place.
    """

    role: Speaker
    parts: list[Part]
    word: str = ""
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Media:
    """A picture, or a video as one file, a folder or a list of frames.

    Attributes:
        kind: ``"image"``, ``"video"`` (a file, gif or folder of frames) or ``"frames"`` (a list of pictures).
        paths: as written: one, or the frames in order.
        width: pixels, where the record says so.
        height: pixels, where the record says so.
        clip: (start, end) in seconds, for a part of a video.
        timestamps: seconds of the frames of a frame list.
    """

    kind: Literal["image", "video", "frames"]
    paths: list[str]
    width: int | None = None
    height: int | None = None
    clip: tuple[float, float] | None = None
    timestamps: list[float] | None = None


@dataclass(slots=True)
class PolygonMask:
    """A mask as rings of [x, y] in pixels, y down, or as a reference into a polygon file.

    Attributes:
        rings: the rings, or None where they lie in `file`.
        rule: which pixels they cover.
        file: path of the polygon file as written, or None.
        index: the object's place in that file.
    """

    rings: list[list[list[float]]] | None
    rule: RasterRule
    file: str | None = None
    index: int | None = None
    kind: Literal["polygon"] = "polygon"


@dataclass(slots=True)
class RLEMask:
    """A mask as COCO run lengths, column by column.

    Attributes:
        size: (height, width) in pixels.
        counts: COCO's text coding, or a plain list that starts with zeros.
    """

    size: tuple[int, int]
    counts: str | list[int]
    kind: Literal["rle"] = "rle"


@dataclass(slots=True)
class BoxMask:
    """An object of which only the box is known.

    Attributes:
        box: left, top, right, bottom; right and bottom are one past the object.
        scale: what the full width and the full height count: 1000 for InternVL's boxes; None: the box is in pixels.
    """

    box: tuple[float, float, float, float]
    scale: int | None = 1000
    kind: Literal["box"] = "box"


Mask: TypeAlias = PolygonMask | RLEMask | BoxMask


@dataclass(slots=True)
class SampleObject:
    """A thing with masks.

    Attributes:
        masks: frame key as written -> mask, in the record's order; ``""`` is the key of a picture. None is an empty mask.
        media: index into `Sample.media`.
        extras: keys of the object that have no other place; by frame where they lie with a mask.
    """

    masks: dict[str, Mask | None]
    media: int | None = 0
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Origin:
    """Where a sample comes from: file, format, 0-based record, first byte in the file, 1-based line."""

    path: str
    format: str
    record: int
    byte: int | None = None
    line: int | None = None


@dataclass(slots=True)
class Sample:
    """One training sample, whatever format it came from.

    Attributes:
        turns: the conversation.
        media: pictures and videos.
        objects: things with masks, in the trainer's order.
        id: the record's id, as written.
        width: declared width of the masks in pixels, where the record says so.
        height: declared height of the masks in pixels.
        extras: keys of the record that have no other place, in order.
        origin: where it comes from.
    """

    turns: list[SampleTurn]
    media: list[Media] = field(default_factory=list)
    objects: list[SampleObject] = field(default_factory=list)
    id: Any = None
    width: int | None = None
    height: int | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    origin: Origin | None = None

    def __str__(self) -> str:
        """A few readable lines: the media, then each turn."""
        lines = [f"[{m.kind}] {', '.join(m.paths[:3])}{' …' if len(m.paths) > 3 else ''}" for m in self.media]
        return "\n".join(
            [*lines, *(f"{turn.role}: {''.join(map(_shown, turn.parts))}" for turn in self.turns)]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def _shown(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, MediaPart):
        return f"⟨media {part.media}⟩"
    if isinstance(part, RegionPart):
        return f"⟨object {part.object}⟩"
    return f"⟨{part.text or ''}→{', '.join(map(str, part.objects))}⟩"


@cache
def sample_adapter() -> TypeAdapter[Sample]:
    """Checks a sample and gives its JSON Schema; built on first use."""
    from pydantic import TypeAdapter

    return TypeAdapter(Sample)
