"""What a check sees: one record, its media, a whole file, or one data set of a mixture, tolerant of any wrong type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mmdata.checks import markers
from mmdata.format import FROM_VALUE, Format, MediaRef, Speaker, TurnKeys
from mmdata.options import Options

if TYPE_CHECKING:
    from mmdata.checks.sidecars import SidecarFacts
    from mmdata.media.images import ImageFacts
    from mmdata.media.videos import VideoFacts


@dataclass(frozen=True)
class TurnView:
    """One entry of the list of turns, however it looks.

    Attributes:
        index: position in the list.
        raw: the entry; any JSON value.
        role: who speaks, or None when absent or not a string.
        text: what is said, or None when absent or not a string.
        speaker: who the trainer takes the role for; None where it does not know the word.
        format_name: the format, for the markers.
        keys: where the record keeps its turns.
    """

    index: int
    raw: Any
    role: str | None
    text: str | None
    speaker: Speaker | None
    format_name: str
    keys: TurnKeys = FROM_VALUE

    @property
    def pointer(self) -> str:
        """JSON pointer of the turn."""
        return f"/{self.keys.turns}/{self.index}"

    @property
    def text_pointer(self) -> str:
        """JSON pointer of the turn's text."""
        return f"{self.pointer}/{self.keys.text}"

    @property
    def role_pointer(self) -> str:
        """JSON pointer of the turn's role."""
        return f"{self.pointer}/{self.keys.role}"

    @cached_property
    def marks(self) -> list[markers.Mark]:
        """The markers in the text, in order."""
        return markers.find(self.text, self.format_name) if self.text else []

    def count(self, marker: str) -> int:
        """How often a marker stands in the text, to the letter."""
        return sum(mark.text == marker for mark in self.marks)


@dataclass(frozen=True)
class RecordView:
    """One parsed record.

    Attributes:
        raw: the record as parsed by the trainer's own JSON rules (for duplicate keys the last wins).
        format: its format.
        options: what the run may assume.
        index: its index in the file.
        path: the data file.
    """

    raw: Mapping[str, Any]
    format: Format
    options: Options
    index: int
    path: str

    @cached_property
    def keys(self) -> TurnKeys:
        """Where the record keeps its turns."""
        return FROM_VALUE if self.format.turns is None else self.format.turns.keys(self.raw)

    @cached_property
    def turns(self) -> list[TurnView]:
        """All entries of the list of turns, also malformed ones; empty when it is no list."""
        entries = self.raw.get(self.keys.turns)
        if not isinstance(entries, list):
            return []
        return [self._turn(i, entry) for i, entry in enumerate(entries)]

    def _turn(self, index: int, entry: Any) -> TurnView:
        role = entry.get(self.keys.role) if isinstance(entry, dict) else None
        text = entry.get(self.keys.text) if isinstance(entry, dict) else None
        role = role if isinstance(role, str) else None
        return TurnView(
            index=index,
            raw=entry,
            role=role,
            text=text if isinstance(text, str) else None,
            speaker=None if role is None or role in self.keys.foreign else self.format.speaker(role),
            format_name=self.format.name,
            keys=self.keys,
        )

    def spoken_by(self, speaker: Speaker) -> list[TurnView]:
        """The turns of one speaker, as the trainer takes the roles."""
        return [turn for turn in self.turns if turn.speaker == speaker]

    def marked(self, marker: str, speaker: Speaker | None = None) -> Iterator[tuple[TurnView, markers.Mark]]:
        """Every occurrence of a marker, with its turn; of one speaker's turns if named."""
        for turn in self.turns:
            if speaker is None or turn.speaker == speaker:
                for mark in turn.marks:
                    if mark.text == marker:
                        yield turn, mark

    def count(self, marker: str, speaker: Speaker | None = None) -> int:
        """How often a marker stands in the texts; in one speaker's turns if named."""
        return sum(1 for _ in self.marked(marker, speaker))

    @cached_property
    def kind(self) -> str:
        """The record's kind, for example ``"polygons"`` (see the format)."""
        return self.format.kind(self.raw)

    @cached_property
    def media(self) -> list[MediaRef]:
        """The files that the record names, well-typed ones only."""
        return self.format.media(self.raw)

    @property
    def images(self) -> list[MediaRef]:
        """The pictures that the record names, in order."""
        return [ref for ref in self.media if ref.kind == "image"]

    @property
    def videos(self) -> list[MediaRef]:
        """The videos that the record names (one file, gif or frame directory each)."""
        return [ref for ref in self.media if ref.kind == "video"]

    def assume(self, key: str) -> Any:
        """The value of ``--assume KEY``, or None when the user stated none."""
        return self.options.assume.get(key)


@dataclass(frozen=True, slots=True)
class MediaView:
    """The probed files of a record, in the record's order.

    Attributes:
        level: how closely they were looked at.
        images: (reference, resolved path, facts) of every picture, frames of a frame list included.
        videos: (reference, resolved path, facts) of every video.
        hints: resolved path -> directory under which a missing file was found.
        sidecar: facts of the polygon file that the record names, or None.
    """

    level: str
    images: list[tuple[MediaRef, str, ImageFacts]]
    videos: list[tuple[MediaRef, str, VideoFacts]]
    hints: Mapping[str, str] = field(default_factory=dict)
    sidecar: SidecarFacts | None = None


@dataclass(slots=True)
class KindFacts:
    """How many records of a kind a file has, and where the first one is."""

    count: int
    first: int


@dataclass(slots=True)
class Duplicate:
    """An ``id`` that several records share: its value and the record indices, ascending."""

    value: Any
    records: list[int]


@dataclass(slots=True)
class FileView:
    """A whole file, after its last record.

    Attributes:
        path: the data file.
        format: its format.
        options: what the run may assume.
        container: what the file really is: ``"array"``, ``"jsonl"``, ``"object"``, ``"lines"`` or ``"empty"``.
        records: number of records, broken ones included.
        broken: number of records that are not JSON.
        kinds: kind -> count and first index (see `Format.kind`), in order of first appearance.
        duplicates: ids that occur more than once, at most a few hundred listed.
        duplicate_total: number of records whose id an earlier record has.
        longest_failing_run: most consecutive records with an error, on which the loader fails one after another.
        listed: a mixture file names the file; otherwise it was given directly.
    """

    path: str
    format: Format
    options: Options
    container: str
    records: int = 0
    broken: int = 0
    kinds: dict[str, KindFacts] = field(default_factory=dict)
    duplicates: list[Duplicate] = field(default_factory=list)
    duplicate_total: int = 0
    longest_failing_run: int = 0
    listed: bool = False

    @property
    def first_kind(self) -> str | None:
        """The kind of the file's first record, which decides for the whole file in GeoPixel and XComposer."""
        return next((kind for kind, facts in self.kinds.items() if facts.first == 0), None)

    def assume(self, key: str) -> Any:
        """The value of ``--assume KEY``, or None when the user stated none."""
        return self.options.assume.get(key)


@dataclass(slots=True)
class EntryView:
    """One data set of a mixture file.

    Attributes:
        path: the mixture file.
        format: ``data-txt`` or ``internvl-meta``.
        options: what the run may assume.
        index: 0-based number of the entry.
        raw: InternVL meta: the entry's value. data.txt: the line as text, newline removed.
        name: InternVL meta: the data set's name; data.txt: the path.
        pointer: InternVL meta: JSON pointer of the entry in the file; data.txt: None.
        start: byte offset of the line or entry in the file; `end` is one past its last byte (newline included).
        target: resolved path of the annotation file, or None when the entry names none.
        exists: whether the target is there.
        hint: directory under which a missing target was found, or None.
        records: records of the target (lines that hold a record for InternVL), or None when not read.
        kind: kind of the target's first record, or None.
        earlier: index of an earlier entry with the same path (data.txt) or name (meta; JSON keeps the last), or None.
        later: index of the next entry with the same path or name, or None.
        entries: number of entries in the mixture.
    """

    path: str
    format: Format
    options: Options
    index: int
    raw: Any
    name: str
    pointer: str | None
    start: int
    end: int
    target: str | None = None
    exists: bool = False
    hint: str | None = None
    records: int | None = None
    kind: str | None = None
    earlier: int | None = None
    later: int | None = None
    entries: int = 1

    def assume(self, key: str) -> Any:
        """The value of ``--assume KEY``, or None when the user stated none."""
        return self.options.assume.get(key)
