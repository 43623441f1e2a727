"""One record from one format to another: decoded, encoded, given its carry, and checked as the target checks it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from mmdata.containers import media_mode
from mmdata.converting import carry
from mmdata.converting.exactness import inexactness
from mmdata.converting.media import SCRATCH, MediaPaths
from mmdata.converting.outputcheck import OutputCheck
from mmdata.converting.targets import target
from mmdata.converting.task import Task
from mmdata.encoding import CannotEncode, Encoding, Note
from mmdata.errors import DataError
from mmdata.format import Format, all_formats, get_format
from mmdata.formats._shared.decode import place
from mmdata.io.record import RawRecord
from mmdata.masks.kept_runs import runs_kept
from mmdata.media.members import is_member
from schemas.sample import BoxMask, Origin, Sample


def replaced(record: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A record with other texts at some JSON pointers, each of a text that is there."""
    result = dict(record)
    for pointer, text in texts.items():
        *parents, last = pointer.split("/")[1:]
        place: Any = result
        for name in parents:
            key: Any = int(name) if isinstance(place, list) else name
            place[key] = place[key].copy()
            place = place[key]
        place[int(last) if isinstance(place, list) else last] = text
    return result


@dataclass(slots=True)
class Outcome:
    """What became of a record: `data` of a `kind`, or the `code` and `reason` of its rejection.

    `warnings` are codes of the target's checks that do not reject.
    """

    kind: str = ""
    data: bytes = b""
    code: str = ""
    reason: str = ""
    notes: list[Note] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


class RecordConverter:
    """Converts the records of one source.

    Attributes:
        media: where media files lie, and how they are spelled.
        files: what was written beside the records, relative to the growing output; whoever reads it may empty it.
    """

    def __init__(self, task: Task) -> None:
        from mmdata.checks.registry import selected
        from mmdata.options import Options
        from mmdata.plan import DataSet

        self.task = task
        self.source = get_format(task.source).of(task.path)
        self.format, self.encoder = target(task.to)
        checks = list(selected(self.format.name))
        options = Options(media="none", media_root=task.folder, template=task.options.template)  # type: ignore[arg-type]
        if task.base != task.output:
            # Paths start from elsewhere, so the polygon files just written are not where the record says, yet.
            checks = [check for check in checks if check.stage != "sidecar"]
        self.check = OutputCheck(DataSet(task.path, self.format), checks, options)
        self.media = MediaPaths(
            root=task.root,
            named_in=task.listed_in or task.path,
            folder=task.folder,
            output=task.output,
            base=task.base,
            mode=media_mode(task.packed, task.media_files),
            mark_folders=self.format.name == "internvl",
            bring=not task.plan,
            replaces=task.replaces,
        )
        self.files: list[str] = []

    def convert(self, raw: RawRecord) -> Outcome:
        """Convert one record; a rejection is an outcome, never an exception."""
        if raw.problem is not None:
            return Outcome(code=raw.problem.kind, reason=raw.problem.message)
        try:
            value = orjson.loads(raw.data)
        except orjson.JSONDecodeError as error:
            return Outcome(code="json", reason=f"the record cannot be kept exactly: {error}")
        inexact = inexactness(raw.data, value)
        if inexact is not None:
            return Outcome(code=inexact[0], reason=inexact[1])
        if not isinstance(value, dict):
            return Outcome(code="not-a-record", reason="expected an object")
        try:
            with runs_kept():
                return self._convert(value, raw)
        except CannotEncode as error:
            return Outcome(code=error.code, reason=str(error))
        except DataError as error:
            # Where the record lies stands beside the reason.
            here = f"{place(self._origin(raw))}: "
            return Outcome(code="source", reason=str(error).removeprefix(here))
        except RecursionError:
            return Outcome(code="source", reason="nested too deeply")
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            # The decoders take well-formed records; what trips them otherwise is damage that `validate` names.
            return Outcome(
                code="source", reason=f"not as {self.source.trainer} reads it ({error}); see mmdata validate"
            )

    def _convert(self, value: dict[str, Any], raw: RawRecord) -> Outcome:
        carried = carry.unpack(value)
        if carried is not None and carried.intact and self._restores(carried):
            return self._restored(carried, value, raw)
        original, source = {k: v for k, v in value.items() if k != carry.KEY}, self.source
        if source.columns is not None:
            original, source = source.columns.standard(original), get_format(source.name)
        files: dict[str, bytes] = {}
        sample = self._sample(source, original, raw)
        if carried is not None and carried.intact and carried.source in all_formats():
            # What two conversions in a row would lose is taken from the first original, media from where they lie now.
            media = sample.media
            source, original, files = get_format(carried.source), carried.record, dict(carried.files)
            sample = self._sample(source, original, raw)
            if len(media) == len(sample.media) and [len(m.paths) for m in media] == [
                len(m.paths) for m in sample.media
            ]:
                for old, new in zip(sample.media, media, strict=True):
                    old.paths = new.paths
        elif carried is not None:
            carry.graft(sample, carried)
            files = self._untouched_masks(sample, carried, raw)
        record, notes = self._translated(sample, source, original, files, raw, self.media.spell)
        return self._checked(record, notes, raw)

    def translated(
        self, value: dict[str, Any], raw: RawRecord, spell: Callable[[str], str]
    ) -> tuple[dict[str, Any], list[Note]]:
        """The record of the target, its carry included, and what became of the fields, of a record without a carry.

        Args:
            value: the record.
            raw: where it lies.
            spell: how media paths are to be spelled.

        Raises:
            DataError: it cannot be converted.
        """
        return self._translated(self._sample(self.source, value, raw), self.source, value, {}, raw, spell)

    def _translated(
        self,
        sample: Sample,
        source: Format,
        original: dict[str, Any],
        files: dict[str, bytes],
        raw: RawRecord,
        spell: Callable[[str], str],
    ) -> tuple[dict[str, Any], list[Note]]:
        if self.task.options.invert:
            from mmdata.converting.inversion import inverted

            sample = inverted(sample)
        encoding = Encoding(
            sample,
            source.name,
            self.task.to,
            options=self.task.options,
            locate=self.media.locate,
            spell=spell,
            write=lambda content, suffix: self._write(content, suffix, raw.start),
            files=files,
        )
        record = self.encoder(sample, encoding)
        if sample.objects:
            self._unused(sample, encoding)
        notes = encoding.notes
        if self.task.carry:
            notes = [Note(n.field, "carried", n.how, n.error) if n.fate == "lost" else n for n in notes]
            for ref in source.media(original):
                if ref.kind == "sidecar":
                    encoding.file(ref.path)
            record[carry.KEY] = carry.pack(source.name, original, record, encoding.files)
        elif self.task.on_loss == "error":
            gone = sorted({note.field for note in notes if note.fate in ("lost", "approximated")})
            if gone:
                raise CannotEncode("lost", f"would be lost or only approximated: {', '.join(gone)}")
        return record, notes

    def _untouched_masks(self, edited: Sample, carried: carry.Carried, raw: RawRecord) -> dict[str, bytes]:
        """Put the carried masks in the place of boxes that are still theirs; returns the files that they lie in."""
        if carried.source not in all_formats() or not any(
            isinstance(mask, BoxMask) for one in edited.objects for mask in one.masks.values()
        ):
            return {}
        record = dict(carried.record)
        record["conversations"] = [
            {**turn, "value": turn.get("value") or ""} for turn in record.get("conversations") or ()
        ]
        files = dict(carried.files)
        try:
            first = self._sample(get_format(carried.source), record, raw)
            first.media = edited.media
            if len(first.objects) != len(edited.objects):
                return {}
            encoding = Encoding(
                first, carried.source, self.source.name, locate=self.media.locate, files=files
            )
            for number, one in enumerate(edited.objects):
                box = one.masks.get("")
                whole = first.objects[number].masks.get("")
                if (
                    isinstance(box, BoxMask)
                    and whole is not None
                    and encoding.permille(number)[0] == list(box.box)
                ):
                    one.masks[""] = whole
        except DataError:
            return {}
        return files

    def _sample(self, source: Format, record: Mapping[str, Any], raw: RawRecord) -> Sample:
        if source.to_sample is None:
            raise DataError(f"{source.name} has no canonical form")
        options = {"dialogue": self.task.options.dialogue} if source.dialogues else {}
        return source.to_sample(record, self._origin(raw), **options)

    def _origin(self, raw: RawRecord) -> Origin:
        return Origin(self.task.path, self.source.name, raw.index, raw.start)

    def _unused(self, sample: Sample, encoding: Encoding) -> None:
        """Say so where objects have no place in the text, so that no encoder wrote them."""
        named = {
            k
            for turn in sample.turns
            for part in turn.parts
            for k in (getattr(part, "objects", None) or [getattr(part, "object", None)])
        }
        if any(k not in named for k in range(len(sample.objects))):
            encoding.lost("masks", "a mask without a place in the text")

    def _restores(self, carried: carry.Carried) -> bool:
        if carried.source != self.format.name:
            return False
        return self.task.to == self.format.name or self.format.kind(carried.record) != "polygons"

    def _restored(self, carried: carry.Carried, value: dict[str, Any], raw: RawRecord) -> Outcome:
        root = os.path.realpath(self.task.folder)
        renamed: dict[str, str] = {}
        for path, content in carried.files.items():
            place = os.path.realpath(os.path.join(root, path))
            inside = not os.path.isabs(path) and place.startswith(root + os.sep)
            if not inside or self.task.base != self.task.output:
                # Where the record's path leads is not ours to write to; what lies there may have changed.
                if not _holds(os.path.abspath(os.path.join(self.task.base, path)), content):
                    renamed[path] = self._write(content, ".json", raw.start)
                continue
            if os.path.exists(place) and not _holds(place, content):
                raise CannotEncode("sidecar", f"two records carry different files named {path}")
            if not os.path.exists(place):
                _put(place, content, root)
        notes = [Note("record", "kept", "as it was before it was converted")]
        record = self._with_media(carried.record, value)
        if renamed:
            refs = [ref for ref in self.format.media(record) if ref.path in renamed]
            record = replaced(record, {ref.pointer: renamed[ref.path] for ref in refs})
            notes.append(Note("masks", "kept", "in a new file: the one that the record named is not there"))
        return self._checked(record, notes, raw)

    def _with_media(self, record: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        """A carried record whose media go into a container, or lay in one: the files are taken from where they lie now."""
        old = [ref for ref in self.format.media(record) if ref.kind != "sidecar"]
        if self.media.mode != "embed" and not any(is_member(ref.path) for ref in old):
            return record
        now = [ref for ref in self.source.media(value) if ref.kind != "sidecar"]
        if len(now) != len(old):
            raise CannotEncode(
                "media-missing", f"{len(now)} media files for {len(old)} of the carried record"
            )
        return replaced(
            record, {was.pointer: self.media.spell(ref.path) for was, ref in zip(old, now, strict=True)}
        )

    def _checked(self, record: dict[str, Any], notes: list[Note], raw: RawRecord) -> Outcome:
        data = orjson.dumps(record)
        faults = self.check.faults(record, data, raw.index)
        for code, severity, message in faults:
            if severity == "error":
                return Outcome(code=code, reason=message, notes=notes)
        warnings = tuple(code for code, severity, _ in faults if severity == "warning")
        return Outcome(kind=self.format.kind(record), data=data, notes=notes, warnings=warnings)

    def _write(self, content: bytes, suffix: str, start: int) -> str:
        """A file beside the record that begins at byte `start`: the same name, whoever reads whichever part of the source."""
        relative = os.path.join("polygons", f"{self.task.number:03d}", f"{start:012d}{suffix}")
        _put(os.path.join(self.task.folder, relative), content, self.task.folder)
        self.files.append(relative)
        return os.path.relpath(os.path.join(self.task.output, relative), self.task.base)


def _holds(path: str, content: bytes) -> bool:
    """Whether there is a file of this content."""
    try:
        with open(path, "rb") as file:
            return file.read(len(content) + 1) == content
    except (OSError, ValueError):
        return False


def _put(path: str, content: bytes, folder: str) -> None:
    """Write a file that is whole or absent."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(folder, SCRATCH, f"{os.getpid()}.tmp")
    os.makedirs(os.path.dirname(temporary), exist_ok=True)
    with open(temporary, "wb") as file:
        file.write(content)
    os.replace(temporary, path)


__all__ = ["Outcome", "RecordConverter"]
