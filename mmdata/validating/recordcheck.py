"""One record under the check bodies: its JSON, its shape, its turns, its masks, its media."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from orjson import JSONDecodeError, loads

from mmdata.checks.registry import Check, Hit, Stage, selected
from mmdata.checks.view import MediaView, RecordView
from mmdata.finding import Finding
from mmdata.io.jsontext import JSONProblem, locate, parse
from mmdata.io.jsontext import oddities as find_oddities
from mmdata.io.record import Problem, RawRecord
from mmdata.options import Options

if TYPE_CHECKING:
    from mmdata.checks.sidecars import SidecarFacts
    from mmdata.media.pool import MediaProber
    from mmdata.plan import DataSet

EXCERPT_BYTES = 300
"""Text kept on either side of the offending value, for the caret."""

SIDECARS_HELD = 256


@dataclass(slots=True)
class RecordResult:
    """What the check bodies say of one record.

    Attributes:
        findings: its findings; an error in them counts as a record on which the loader fails.
        id: its ``id``, or None.
        kind: its kind, or None when it could not be parsed into an object.
    """

    findings: list[Finding] = field(default_factory=list)
    id: Any = None
    kind: str | None = None


class RecordChecker:
    """The check bodies of one data set.

    Args:
        dataset: the file, its format and where its media lie.
        checks: the selected checks of the format.
        options: what the run may assume.
    """

    def __init__(self, dataset: DataSet, checks: Sequence[Check], options: Options) -> None:
        self.dataset = dataset
        self.options = options
        self.by_stage: dict[Stage, list[Check]] = {stage: [] for stage in get_args(Stage)}
        for item in checks:
            self.by_stage[item.stage].append(item)
        self.shape = next((c for c in checks if c.code == "S01"), None)
        # A fault that a deselected check would name must not come back as a shape error.
        chosen = {c.code for c in checks}
        self.deselected = [
            c
            for c in selected(dataset.format.name)
            if c.stage == "record" and c.code not in chosen and c.code != "S01"
        ]
        self.by_problem: dict[str, list[Check]] = {}
        for item in self.by_stage["problem"]:
            for kind in item.kinds:
                self.by_problem.setdefault(kind, []).append(item)
        self._prober: MediaProber | None = None
        self._sidecars: OrderedDict[str, SidecarFacts] = OrderedDict()

    @property
    def looks_at_masks(self) -> bool:
        """Whether every record's masks are looked at closely."""
        return self.options.masks == "full" and bool(self.by_stage["masks"])

    # --- what lies beside the file ---------------------------------------------------------------------------------

    @property
    def prober(self) -> MediaProber:
        """Looks at pictures and videos, each distinct file once."""
        if self._prober is None:
            from mmdata.media.pool import MediaProber

            self._prober = MediaProber(self.options.media, jobs=2)
        return self._prober

    def resolve(self, path: str) -> str:
        """Where the trainer looks for a media file."""
        from mmdata.media.paths import resolve

        return resolve(path, root=self.dataset.root, base=self.options.media_root)

    def present(self, path: str) -> bool:
        """Whether a media file is there and has bytes in it."""
        return self.prober.present(self.resolve(path))

    def prefetch(self, records: Iterable[bytes]) -> None:
        """Look at the pictures and videos of a block of records, several at a time."""
        images: list[str] = []
        videos: list[str] = []
        for data in records:
            try:
                value = loads(data)
            except JSONDecodeError:
                continue  # the record's own finding says why
            for ref in self.dataset.format.media(value) if isinstance(value, dict) else ():
                if ref.kind != "sidecar":
                    (videos if ref.kind == "video" else images).append(self.resolve(ref.path))
        self.prober.prefetch(images, videos)

    def load_sidecar(self, path: str) -> SidecarFacts:
        """The facts of a polygon file, by the path in the record."""
        facts = self._sidecars.get(path)
        if facts is None:
            from mmdata.checks.sidecars import load

            facts = self._sidecars[path] = load(self.resolve(path))
            if len(self._sidecars) > SIDECARS_HELD:
                self._sidecars.popitem(last=False)
        return facts

    # --- a record --------------------------------------------------------------------------------------------------

    def check_accepted(self, raw: RawRecord) -> RecordResult:
        """Every finding of a record that the fast path accepted: those of its media and masks, and of checks without a guard."""
        view = self._view(raw, loads(raw.data))
        hits = [(c, hit) for c in self.by_stage["record"] if c.guard is None for hit in c.function(view)]
        hits += self._sidecar_hits(view, [c for c in self.by_stage["sidecar"] if c.guard is None])
        hits += self._media_hits(view)
        hits += self._mask_hits(view)
        return RecordResult([self.finding(c, hit, raw) for c, hit in hits], view.raw.get("id"), view.kind)

    def check(self, raw: RawRecord) -> RecordResult:
        """Every finding of one record."""
        if raw.problem is not None:
            return RecordResult(self.problem(raw.problem, raw))
        try:
            value = parse(raw.data)
        except JSONProblem as error:
            return RecordResult(self.problem(error.as_problem(raw.start, raw.index), raw))
        findings = self.oddities(raw)
        if not isinstance(value, dict):
            message = f"expected an object, got {_name(value)}"
            problem = Problem("not-a-record", message, raw.start, raw.start + len(raw.data), raw.index)
            return RecordResult(findings + self.problem(problem, raw))
        view = self._view(raw, value)
        hits = [(c, hit) for c in self.by_stage["record"] if c is not self.shape for hit in c.function(view)]
        hits += self._sidecar_hits(view, self.by_stage["sidecar"])
        hits += self._media_hits(view)
        hits += self._mask_hits(view)
        if self.shape is not None:
            hits += [(self.shape, hit) for hit in self._shape_hits(view, hits)]
        findings += [self.finding(c, hit, raw) for c, hit in hits]
        return RecordResult(findings, value.get("id"), view.kind)

    def _shape_hits(self, view: RecordView, hits: list[tuple[Check, Hit]]) -> list[Hit]:
        """Shape errors that no other check explains."""
        assert self.shape is not None
        found = [hit for hit in self.shape.function(view) if not _explained(hit, hits)]
        if found and self.deselected:
            silent = [(c, hit) for c in self.deselected for hit in c.function(view)]
            found = [hit for hit in found if not _explained(hit, silent)]
        return found

    def _view(self, raw: RawRecord, value: dict[str, Any]) -> RecordView:
        return RecordView(
            raw=value,
            format=self.dataset.format,
            options=self.options,
            index=raw.index,
            path=self.dataset.path,
        )

    def _sidecar_hits(self, view: RecordView, checks: list[Check]) -> list[tuple[Check, Hit]]:
        refs = [ref for ref in view.media if ref.kind == "sidecar"] if checks else []
        if not refs or view.kind != "polygons":
            return []
        facts = self.load_sidecar(refs[0].path)
        return [(c, hit) for c in checks for hit in c.function(view, facts)]

    def _media_hits(self, view: RecordView) -> list[tuple[Check, Hit]]:
        if self.options.media == "none" or not self.by_stage["media"]:
            return []
        media = self._media(view)
        return [(c, hit) for c in self.by_stage["media"] for hit in c.function(view, media)]

    def _mask_hits(self, view: RecordView) -> list[tuple[Check, Hit]]:
        if not self.looks_at_masks:
            return []
        import numpy as np

        from mmdata.checks.mask_view import mask_view

        masks = mask_view(view, self._media(view), self.resolve)
        if masks is None:
            return []
        # Coordinates of 1e300 overflow in every product; what comes of them is infinite or no number, and harmless.
        with np.errstate(all="ignore"):
            return [(c, hit) for c in self.by_stage["masks"] for hit in c.function(view, masks)]

    def _media(self, view: RecordView) -> MediaView:
        from mmdata.media.paths import find_elsewhere

        refs = [(ref, self.resolve(ref.path)) for ref in view.media if ref.kind != "sidecar"]
        images = [(ref, path, self.prober.image(path)) for ref, path in refs if ref.kind != "video"]
        videos = [(ref, path, self.prober.video(path)) for ref, path in refs if ref.kind == "video"]
        missing = [(ref, path) for ref, path, image in images if image.problem == "missing"]
        missing += [(ref, path) for ref, path, video in videos if video.problem == "missing"]
        named_in = self.dataset.listed_in or self.dataset.path
        places = {
            path: find_elsewhere(_joined(self.dataset.root, ref.path), named_in) for ref, path in missing
        }
        hints = {path: place for path, place in places.items() if place is not None}
        sidecars = [ref for ref in view.media if ref.kind == "sidecar"]
        sidecar = self.load_sidecar(sidecars[0].path) if sidecars and view.kind == "polygons" else None
        return MediaView(self.options.media, images, videos, hints, sidecar)

    # --- its text --------------------------------------------------------------------------------------------------

    def oddities(self, raw: RawRecord) -> list[Finding]:
        """What the trainer's parser accepts in a record's JSON and a person would still want to know."""
        found = []
        for oddity in find_oddities(raw.data):
            problem = Problem(
                oddity.kind,
                oddity.message,
                raw.start + oddity.start,
                raw.start + oddity.end,
                raw.index,
                pointer=oddity.pointer,
            )
            found += self.problem(problem, raw)
        return found

    def problem(self, problem: Problem, raw: RawRecord | None = None) -> list[Finding]:
        """The findings of something wrong with the text, in a record or between records."""
        found = []
        for item in self.by_problem.get(problem.kind, ()):
            for hit in item.function(problem):
                finding = self.finding(item, hit, None)
                finding.record = problem.record if raw is None else raw.index
                finding.pointer = hit.pointer if hit.pointer is not None else problem.pointer
                finding.byte = problem.start if hit.byte is None else hit.byte
                finding.span = (problem.start, problem.end)
                finding.splices = hit.splices or (problem.splices if item.fixable != "never" else ())
                if raw is not None and raw.data:
                    finding.excerpt = excerpt(raw.data, problem.start - raw.start, problem.end - raw.start)
                found.append(finding)
        return found

    def finding(self, item: Check, hit: Hit, raw: RawRecord | None) -> Finding:
        """A check's hit as a finding, placed in the record's bytes."""
        finding = Finding(
            code=item.code,
            severity=hit.severity or item.severity,
            message=hit.message,
            path=self.dataset.path,
            upstream=hit.upstream or item.doc.upstream,
            fix=hit.fix or item.doc.fix,
            related_path=hit.related_path,
            record=hit.record if raw is None else raw.index,
            pointer=hit.pointer,
            byte=hit.byte,
            edits=hit.edits,
            splices=hit.splices,
            unsafe=hit.unsafe,
        )
        if raw is not None:
            start, end = locate(raw.data, hit.pointer or "") or (0, min(1, len(raw.data)))
            finding.byte = raw.start + start
            finding.span = (raw.start + start, raw.start + end)
            finding.excerpt = excerpt(raw.data, start, end)
        return finding


def excerpt(data: bytes, start: int, end: int) -> tuple[str, int, int]:
    """Text around the bytes ``[start, end)`` of a record: (text, first offending character, one past the last)."""
    start = min(max(start, 0), len(data))
    end = min(max(end, start), len(data), start + EXCERPT_BYTES)
    before = data[max(0, start - EXCERPT_BYTES) : start].decode("utf-8", "replace")
    inside = data[start:end].decode("utf-8", "replace")
    after = data[end : end + EXCERPT_BYTES].decode("utf-8", "replace")
    return before + inside + after, len(before), len(before) + len(inside)


def _explained(hit: Hit, others: Iterable[tuple[Check, Hit]]) -> bool:
    """Whether an error of another check lies at, above or below the place of a shape error."""
    place = f"{hit.pointer or ''}/"
    for item, other in others:
        if (other.severity or item.severity) == "error" and other.pointer is not None:
            there = f"{other.pointer}/"
            if place.startswith(there) or there.startswith(place):
                return True
    return False


def _joined(root: str | None, path: str) -> str:
    return path if not root else f"{root.rstrip('/')}/{path}"


def _name(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


__all__ = ["RecordChecker", "RecordResult", "excerpt"]
