"""The fields of a record that `mmdata filter` can ask for; each is found out only when asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mmdata.checks.view import RecordView
from mmdata.dataset_ops.groups import media_paths
from mmdata.io.record import RawRecord
from mmdata.options import Options

if TYPE_CHECKING:
    from mmdata.format import Format
    from mmdata.validating.filecheck import FileChecker


class RecordFields:
    """The values of one record.

    Attributes:
        value: the record as parsed.
    """

    def __init__(
        self, raw: RawRecord, value: Any, format: Format, options: Options, checker: FileChecker | None
    ) -> None:
        self.value = value
        self._raw, self._format, self._options, self._checker = raw, format, options, checker

    def get(self, name: str) -> Any:
        """The value of a field, or None where the record has none."""
        return FIELDS[name][0](self)

    @property
    def raw(self) -> dict[str, Any]:
        """The record if it is an object, else one without keys."""
        return self.value if isinstance(self.value, dict) else {}

    @cached_property
    def view(self) -> RecordView:
        """The record as the checks see it."""
        return RecordView(self.raw, self._format, self._options, self._raw.index, "")

    @property
    def turns(self) -> list[Any]:
        """All entries of the list of turns, as `RecordView.turns` counts them, but not looked into."""
        found = self.raw.get(self.view.keys.turns)
        return found if isinstance(found, list) else []

    @property
    def texts(self) -> list[str]:
        """The turns' texts."""
        key = self.view.keys.text
        return [text for t in self.turns if isinstance(t, dict) and isinstance(text := t.get(key), str)]

    @cached_property
    def sizes(self) -> list[tuple[int, int] | None]:
        """(width, height) of the pictures, from their headers; None for one that cannot be read."""
        from mmdata.media.images import probe
        from mmdata.media.paths import resolve

        found: list[tuple[int, int] | None] = []
        for ref in self._format.media(self.view.raw):
            if ref.kind == "image":
                facts = probe(resolve(ref.path, base=self._options.media_root), "header")
                known = facts.width is not None and facts.height is not None
                found.append((facts.width or 0, facts.height or 0) if known else None)
        return found

    def size(self, axis: int) -> int | None:
        """Width (0) or height (1) of the first picture."""
        first = self.sizes[0] if self.sizes else None
        return None if first is None else first[axis]

    def masks(self) -> int:
        """Masks that the record names: [SEG] of a record with a polygon file, else entries of its mask key."""
        raw = self.raw
        if isinstance(raw.get("polygons"), str):
            return sum(text.count("[SEG]") for text in self.texts)
        total = 0
        for key in ("segmentation", "masks", "annotation"):
            value = raw.get(key)
            if isinstance(value, list):
                total += sum(
                    max(1, len(v))
                    if key != "segmentation" and isinstance(v, dict) and "counts" not in v
                    else 1
                    for v in value
                )
        return total

    def codes(self) -> list[str]:
        """Codes of the findings of `mmdata validate` on this record, media not looked for."""
        assert self._checker is not None
        if self._checker.is_ordinary(self._raw):
            return []
        return sorted({f.code for f in self._checker.findings(self._raw)})

    def tokens(self) -> int:
        """Estimated tokens of the record in the trainer's template, pictures included."""
        from mmdata.tokens import sample_tokens

        return sample_tokens(self.view, self.sizes).n

    def text_tokens(self) -> int:
        """Estimated tokens of the texts alone."""
        from mmdata.tokens import text_tokens

        return sum(text_tokens(text, self._options.tokenizer).n for text in self.texts)

    def media(self) -> str:
        """``image``, ``video`` or ``text``, by the keys."""
        return (
            "image" if self.paths("image", "images") else "video" if self.paths("video", "videos") else "text"
        )

    def paths(self, *keys: str) -> list[str]:
        """The paths under some keys."""
        raw = self.raw
        return [p for key in keys for p in media_paths({key: raw.get(key)})]

    def speakers(self, who: str) -> int:
        """Turns of a speaker, as the trainer takes the role."""
        return sum(t.speaker == who for t in self.view.turns)


FIELDS: dict[str, tuple[Callable[[RecordFields], Any], str]] = {
    "id": (lambda r: r.raw.get("id"), "the record's id"),
    "index": (lambda r: r._raw.index, "0-based index in the file"),  # noqa: SLF001 - same module
    "bytes": (lambda r: len(r._raw.data), "length of the record in the file"),  # noqa: SLF001 - same module
    "kind": (lambda r: r.view.kind, "the trainer's kind of record, for example polygons"),
    "turns": (lambda r: len(r.turns), "number of turns"),
    "user_turns": (lambda r: r.speakers("user"), "turns of the user"),
    "assistant_turns": (lambda r: r.speakers("assistant"), "turns of the assistant"),
    "text": (lambda r: "\n".join(r.texts), "the turns' texts, one after another"),
    "text_length": (lambda r: sum(map(len, r.texts)), "characters of the turns' texts"),
    "text_tokens": (RecordFields.text_tokens, "estimated tokens of the texts"),
    "tokens": (RecordFields.tokens, "estimated tokens with template and pictures"),
    "media": (RecordFields.media, "image, video or text"),
    "images": (lambda r: len(r.paths("image", "images")), "number of pictures"),
    "videos": (lambda r: len(r.paths("video", "videos")), "number of videos"),
    "paths": (lambda r: r.paths("image", "images", "video", "videos"), "the media paths, a list"),
    "width": (lambda r: r.size(0), "pixels of the first picture, from its header"),
    "height": (lambda r: r.size(1), "pixels of the first picture, from its header"),
    "masks": (RecordFields.masks, "number of masks"),
    "codes": (RecordFields.codes, "codes of mmdata validate's findings, a list"),
}
"""name -> (how to find it, what it is)."""

__all__ = ["FIELDS", "RecordFields"]
