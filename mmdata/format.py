"""`Format`: what mmdata must know of one trainer's data format. One instance lies in each `mmdata/formats/<name>.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mmdata.encoding import Encoding
    from mmdata.plugins import Registry
    from schemas.sample import Sample

Speaker = Literal["user", "assistant", "system"]
Container = str
"""How records lie in a file: `array`, `jsonl`, `array-or-jsonl`, `object`, `lines`, or a name of `mmdata.containers`."""
MediaKind = Literal["image", "video", "frames", "sidecar"]


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A file that a record names.

    Attributes:
        kind: ``"image"``, ``"video"`` (one file, a gif or a directory of frames), ``"frames"`` (one picture of a
            video given as a list of frames) or ``"sidecar"`` (polygon file).
        path: the path as written in the record.
        pointer: JSON pointer of the path inside the record.
    """

    kind: MediaKind
    path: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What detection sees of a file: the container, up to some sixty parsed records, the first bytes."""

    container: str
    records: list[Any]
    head: bytes
    path: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """How well a file fits a format: confidence in [0, 1] and the reasons for and against."""

    confidence: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnKeys:
    """Under which keys a record keeps its turns.

    Attributes:
        turns: of the record: the list of turns.
        role: of a turn: who speaks.
        text: of a turn: what is said.
        foreign: role words that the trainer knows under other keys, and not under these.
    """

    turns: str = "conversations"
    role: str = "from"
    text: str = "value"
    foreign: frozenset[str] = frozenset()


FROM_VALUE = TurnKeys()
"""The keys of the trainers' own formats."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a format that keeps them otherwise than under `FROM_VALUE`.

    Attributes:
        keys: record -> where its turns lie.
        usual: all that `keys` may say; records of these take the fast path.
        content: ``"module:NAME"`` of the `mmdata.formats._shared.parts.Content` of turns that may hold a list of parts
            where others hold a text.
    """

    keys: Callable[[Mapping[str, Any]], TurnKeys]
    usual: tuple[TurnKeys, ...]
    content: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names that columns have in one data file, where these are not the usual ones.

    Attributes:
        names: usual name of a column -> the key of a record, None where it is not read.
        standard: record -> the record under the usual names.
    """

    names: Mapping[str, str | None]
    standard: Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A file beside the data files that says what they hold, as LLaMA-Factory's ``dataset_info.json``.

    Attributes:
        write: (name of a data file -> kind of its records) -> (name of a listing -> its text); the data files of a
            conversion are then split by kind.
        read: path of a data file -> the format under the names that the listing gives; None where it gives none.
    """

    write: Callable[[Mapping[str, str]], dict[str, str]]
    read: Callable[[str], Format | None]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One trainer's data format.

    Attributes:
        name: the word of ``--format``, for example ``"videorefer-vl3"``.
        title: the name for people.
        trainer: whose code defines it.
        container: how records lie in a file.
        record_type: ``"module:Class"`` of the pydantic record; `record` resolves it.
        speaker: role word -> who the trainer takes it for; None for a word it does not know (crash or swap).
        image_tag: placeholder of an image in the text, or None.
        video_tag: placeholder of a video in the text, or None.
        region_tag: placeholder of a region prompt, or None.
        user_markers: markers (see `mmdata.checks.markers`) that are ordinary in a user turn.
        answer_markers: markers that are ordinary in an assistant turn.
        kind: record -> its kind, for example ``"polygons"``; the first record's kind decides for a GeoPixel file.
        media: record -> files it names; tolerant of any wrong type.
        sniff: evidence -> guess, for detection.
        to_sample: record, origin -> canonical sample; None for mixture files.
        from_sample: canonical sample, what the encoder may ask -> record; None where nothing can be converted to it.
        variants: further names of ``mmdata convert --to`` that write this format in another way -> their encoder.
        turns: where the turns lie. None: `conversations` of `from` and `value`, which the checks C02 to C09 are about; a
            format with keys of its own brings checks of its own.
        listing: the file that its trainer wants beside the data files.
        columns: the names of the columns in this data file; None: the usual ones.
        lines: written as JSON Lines although a JSON array is read too.
        paths: how the trainer resolves the paths, for people.
        dialogues: of records without turns: the ways to make a conversation of one, for ``--dialogue``; `to_sample`
            then takes one as its third argument.
        file_type: ``"module:Class"`` of a whole file, where that is no list of records.
        mixture: the file lists data sets instead of records (``data.txt``, InternVL's meta).
    """

    name: str
    title: str
    trainer: str
    container: Container
    record_type: str
    speaker: Callable[[str], Speaker | None]
    image_tag: str | None = None
    video_tag: str | None = None
    region_tag: str | None = None
    user_markers: frozenset[str] = frozenset()
    answer_markers: frozenset[str] = frozenset()
    kind: Callable[[Mapping[str, Any]], str]
    media: Callable[[Mapping[str, Any]], list[MediaRef]]
    sniff: Callable[[Evidence], Guess]
    to_sample: Callable[..., Sample] | None = None
    from_sample: Callable[[Sample, Encoding], dict[str, Any]] | None = None
    variants: Mapping[str, Callable[[Sample, Encoding], dict[str, Any]]] = field(default_factory=dict)
    turns: Turns | None = None
    listing: Listing | None = None
    columns: Columns | None = None
    lines: bool = False
    paths: str = ""
    dialogues: tuple[str, ...] = ()
    file_type: str = ""
    mixture: bool = False
    aliases: tuple[str, ...] = field(default=())

    def of(self, path: str) -> Format:
        """The format as it is in one data file."""
        return (self.listing and self.listing.read(path)) or self

    @cached_property
    def record(self) -> type[BaseModel]:
        """The pydantic model of one record."""
        module, _, name = self.record_type.partition(":")
        model: type[BaseModel] = getattr(import_module(module), name)
        return model


def all_formats() -> Registry[Format]:
    """Every format by name: the modules of `mmdata.formats`, then entry points of the group ``mmdata.formats``."""
    from mmdata.plugins import discover

    return discover("mmdata.formats", "mmdata.formats", attribute="FORMAT", instance="mmdata.format:Format")


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownName: no such format; the message names the nearest.
    """
    return all_formats()[name]


__all__ = [
    "FROM_VALUE",
    "Columns",
    "Container",
    "Evidence",
    "Format",
    "Guess",
    "Listing",
    "MediaKind",
    "MediaRef",
    "Speaker",
    "TurnKeys",
    "Turns",
    "all_formats",
    "get_format",
]
