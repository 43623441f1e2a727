"""Which trainer's format a file is in, judged by its content, with a confidence and the reasons for and against."""

from __future__ import annotations

import ast
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmdata.errors import AmbiguousFormat, UsageError
from mmdata.format import Evidence, Format, Guess, all_formats, get_format
from mmdata.neighbours import what_is
from mmdata.plugins import tell

if TYPE_CHECKING:
    from mmdata.io.source import Source

HEAD_BYTES = 1 << 20
"""Bytes that detection looks at, from the start of the file."""

SAMPLE_RECORDS = 64
"""Records that detection looks at, from the start of the file."""

SURE = 0.5
"""A best guess below this is no format."""

MARGIN = 0.1
"""A runner-up closer than this makes the answer ambiguous."""


REPORT = "report.json"
"""What ``mmdata convert`` writes beside its files."""

MOST_REPORT = 1 << 22
"""Bytes of a report; a longer one is not looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One format's claim to a file."""

    format: str
    confidence: float
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For ``mmdata detect --output-format json``."""
        return {"format": self.format, "confidence": round(self.confidence, 3), "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Detection:
    """The answer of `detect`.

    Attributes:
        path: the file.
        container: ``"array"``, ``"jsonl"``, ``"object"``, ``"lines"`` or ``"empty"``.
        candidates: every format's claim, best first.
        otherwise: what the file is instead, where no format fits and that is known.
    """

    path: str
    container: str
    candidates: tuple[Candidate, ...]
    otherwise: str | None = None

    @property
    def best(self) -> Candidate | None:
        """The strongest claim that is at all convincing."""
        return self.candidates[0] if self.candidates and self.candidates[0].confidence >= SURE else None

    @property
    def rivals(self) -> tuple[Candidate, ...]:
        """Every claim about as strong as the best one, itself included; one entry means a clear answer."""
        if self.best is None:
            return ()
        return tuple(
            c
            for c in self.candidates
            if c.confidence > self.best.confidence - MARGIN and c.confidence >= SURE
        )

    @property
    def format(self) -> str | None:
        """The format's name where the answer is clear, else None."""
        return self.rivals[0].format if len(self.rivals) == 1 else None

    @property
    def confidence(self) -> float:
        """Confidence of the best claim, 0 to 1."""
        return self.candidates[0].confidence if self.candidates else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For ``mmdata detect --output-format json``."""
        return {
            "path": self.path,
            "format": self.format,
            "confidence": round(self.confidence, 3),
            "container": self.container,
            "otherwise": self.otherwise if self.best is None else None,
            "candidates": [c.to_dict() for c in self.candidates],
        }


def detect(path: str) -> Detection:
    """Look at the start of a file and say which formats it may be in.

    Raises:
        UsageError: the file cannot be read.
    """
    from mmdata.io.read import open_source

    with open_source(path) as source:
        return detect_source(source)


def detect_source(source: Source) -> Detection:
    """`detect` on an open source; leaves it at its start (what was read is remembered)."""
    head = source.head(HEAD_BYTES)
    kind = getattr(source, "kind", None)
    if kind is not None:
        return _detect_container(source, kind.name)
    evidence = Evidence(
        container=source.container, records=sample(head, source.container), head=head, path=source.path
    )
    claims = []
    formats = all_formats()
    for name, format in formats.items():
        try:
            guess = format.sniff(evidence)
        except Exception as error:
            if not formats.is_foreign(name):
                raise
            tell(f"format {name!r} cannot look at {source.path}: {type(error).__name__}: {error}")
            continue
        claims.append(Candidate(name, guess.confidence, guess.reasons))
    written, best = _written_as(source.path), max(claim.confidence for claim in claims)
    claims = [
        Candidate(c.format, 1.0, (*c.reasons, f"{REPORT} beside it says that `mmdata convert` wrote it so"))
        if c.format == written and 0 < c.confidence > best - 2 * MARGIN  # what the records say comes first
        else c
        for c in claims
    ]
    claims.sort(key=lambda c: -c.confidence)
    return Detection(source.path, source.container, tuple(claims), what_is(evidence))


def _written_as(path: str) -> str | None:
    """The format in which ``mmdata convert`` wrote a file, by the report beside it; None where there is none."""
    folder, name = os.path.split(path)
    try:
        with open(os.path.join(folder, REPORT), "rb") as file:
            report = json.loads(file.read(MOST_REPORT))
        return str(report["format"]) if name in report["outputs"] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _detect_container(source: Source, name: str) -> Detection:
    """A container is of the format of its name; what its records say is for the checks."""
    evidence = Evidence(container=name, records=[], head=b"", path=source.path)
    claims = []
    for other, format in all_formats().items():
        guess = format.sniff(evidence) if format.container == name else Guess(0.0, (f"the file is {name}",))
        claims.append(Candidate(other, guess.confidence, guess.reasons))
    claims.sort(key=lambda c: -c.confidence)
    return Detection(source.path, name, tuple(claims), None)


def sample(head: bytes, container: str) -> list[Any]:
    """The first records of a file, parsed from its first bytes; broken ones are passed over.

    An array is read value by value with Python's own parser, so that one bad record hides only itself.
    """
    if container == "jsonl":
        values = []
        for line in head.split(b"\n")[:SAMPLE_RECORDS]:
            try:
                values.append(json.loads(line.decode("utf-8-sig")))
            except (ValueError, RecursionError):
                continue
        return values or _values(head) or _python_values(head)
    return _values(head) or _python_values(head) if container in ("array", "object") else []


def _values(head: bytes) -> list[Any]:
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    decoder = json.JSONDecoder()
    found: list[Any] = []
    place = text.find("[") + 1 if text.lstrip().startswith("[") else 0
    wasted = 0
    while len(found) < SAMPLE_RECORDS and wasted < MOST_WASTED:
        start = _OPENING.search(text, place)
        if start is None:
            break
        try:
            value, place = decoder.raw_decode(text, start.start())
            found.append(value)
        except (ValueError, RecursionError) as error:
            # Inside a broken record every nested object looks like a start: step to the next one of the same shape.
            # What is nested too deeply is as long at least as the parser went down.
            deep = isinstance(error, RecursionError)
            read = DEEP if deep else max(1, getattr(error, "pos", 0) - start.start())
            wasted += read
            again = text.find(text[start.start() : start.start() + 8], start.start() + (read if deep else 1))
            if again < 0:
                break
            place = again
    return found


def _python_values(head: bytes) -> list[Any]:
    """What a file holds whose every record is broken, if Python itself can read it: single quotes, trailing commas."""
    if len(head) > LENIENT_BYTES:
        return []
    text = head.decode("utf-8-sig", "replace").strip()
    for candidate in (text, text.partition("\n")[0]):
        try:
            value = ast.literal_eval(candidate)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return value[:SAMPLE_RECORDS] if isinstance(value, list) else [value]
    return []


DEEP = 500
"""Nested openings that Python's parser always goes down."""

MOST_WASTED = 1 << 23
"""Characters of broken records that are read again and again; a hostile file would take for ever."""

LENIENT_BYTES = 1 << 16
"""Python's own syntax is tried on short files alone."""

_OPENING = re.compile(r"[{\[]")


def choose(detection: Detection, among: tuple[str, ...] = ()) -> Format:
    """The format of a detection, or an error that says what to do.

    Args:
        detection: what `detect` found.
        among: names that come into question (the data sets of a ``data.txt``); empty means all.

    Raises:
        AmbiguousFormat: several formats fit about equally well.
        UsageError: none fits.
    """
    rivals = [c for c in detection.rivals if not among or c.format in among]
    if not rivals and among:
        rivals = [c for c in detection.candidates if c.format in among and c.confidence > 0][:1]
    if len(rivals) == 1:
        return get_format(rivals[0].format)
    if len(rivals) > 1:
        names = " or ".join(c.format for c in rivals)
        raise AmbiguousFormat(f"{detection.path}: may be {names}; say which with --format")
    why = f" ({detection.otherwise})" if detection.otherwise else ""
    weak = [c.format for c in detection.candidates if 0 < c.confidence == detection.candidates[0].confidence]
    if weak and not why:
        why = f" (its records are too plain to tell: perhaps {', '.join(weak)})"
    raise UsageError(
        f"{detection.path}: no known format{why}; see `mmdata formats`, or say which with --format"
    )
