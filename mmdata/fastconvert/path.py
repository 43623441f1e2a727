"""`FastConvert`: the skeletons and templates of one source, learned as its records come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from mmdata.encoding import CannotEncode, Note
from mmdata.errors import DataError
from mmdata.fastconvert.skeleton import NotPlain, skeleton, turns_mark
from mmdata.fastconvert.spelling import Speller
from mmdata.fastconvert.template import Write, awkward, constants_of, marked, spelled, write_source
from mmdata.fastpattern.blocks import look_at

if TYPE_CHECKING:
    from mmdata.io.record import RawRecord
    from mmdata.recordconvert import Outcome, RecordConverter

MOST_KNOWN = 256
MOST_TRIES = 512
TRIES_EACH = 6
"""Records of one outline (see `FastConvert`) that are learned from, at most."""


class Known(NamedTuple):
    """A skeleton with its template.

    Attributes:
        quick: for records without escaped backslashes.
        careful: for records as `orjson` writes them.
        kind: of the output.
        notes: what becomes of the fields of each record.
        quotes: quotation marks around its keys and strings.
        lines: line breaks between its tokens.
    """

    quick: Write
    careful: Write
    kind: str
    notes: list[Note]
    quotes: int
    lines: int


class Look(NamedTuple):
    """What is known of a block of records.

    Attributes:
        usable: skeletons may be matched against its bytes: UTF-8, and no control characters but line breaks.
        odd: some escape is one that `orjson` would not write, or of a backslash.
        broken: line breaks may stand inside records.
    """

    usable: bool
    odd: bool
    broken: bool


class FastConvert:
    """The fast path of one source to one target.

    Records are told apart by their outline: the number of turns, of ``<`` and of ``[``.

    Attributes:
        able: there is one for this conversion at all.
    """

    def __init__(self, converter: RecordConverter) -> None:
        task = converter.task
        self.converter = converter
        self.able = converter.checks_have_guards and not task.options.invert and task.media_files == "keep"
        self.tags = tuple(
            tag for tag in (converter.source.image_tag, converter.source.video_tag) if tag is not None
        )
        self.spell = Speller(converter.media)
        self.mark: bytes | None = None
        self.known: dict[tuple[int, int, int], list[Known]] = {}
        self.tried: dict[tuple[int, int, int], int] = {}
        self.tries = 0

    @staticmethod
    def look(data: bytes, *, one_line: bool, lines: int | None) -> Look:
        """What must be known of a block before its records are matched; arguments as for `look_at`."""
        facts = look_at(data, one_line=one_line, lines=lines)
        return Look(facts.matchable, facts.odd_escapes or b"\\/" in data, facts.broken_lines)

    def convert(self, data: bytes, start: int, end: int, look: Look) -> tuple[Known, bytes] | None:
        """The translation of the record ``data[start:end]``; None where only the ordinary way can tell."""
        mark = self.mark
        if mark is None:
            return None
        if look.usable:
            outline = (
                data.count(mark, start, end),
                data.count(b"<", start, end),
                data.count(b"[", start, end),
            )
            for known in self.known.get(outline, ()):
                found = (known.careful if look.odd else known.quick)(data, start, end)
                if found is not None and (not look.broken or data.count(b"\n", start, end) == known.lines):
                    return known, found
            if not look.odd and self.tried.get(outline, 0) >= TRIES_EACH:
                return None
        piece = data[start:end]
        try:
            text = orjson.dumps(orjson.loads(piece))
        except (orjson.JSONDecodeError, TypeError):
            return None
        for known in self.known.get(self._outline(text, mark), ()):
            found = known.careful(text, 0, len(text))
            # Of two equal keys the parser keeps the last: more quotation marks than the record has.
            if found is not None and _quotes(piece) == known.quotes:
                return known, found
        return None

    def learn(self, raw: RawRecord, outcome: Outcome, look: Look) -> None:
        """Take a record that went the ordinary way as the example of a skeleton, if it is plain."""
        if not self.able or outcome.code or outcome.warnings or self.tries >= MOST_TRIES:
            return
        for data in (raw.data, None) if look.usable else (None,):
            try:
                if data is None:
                    data = orjson.dumps(orjson.loads(raw.data))
                mark = self.mark or turns_mark(orjson.loads(data))
                outline = self._outline(data, mark)
                tried = self.tried.get(outline, 0)
                if tried >= TRIES_EACH:
                    return
                known = self._learned(data, raw, outcome)
            except (NotPlain, DataError, LookupError, TypeError, ValueError, AttributeError):
                continue
            finally:
                self.tries += 1
            self.mark = mark
            self.tried[outline] = tried + 1
            if sum(map(len, self.known.values())) < MOST_KNOWN:
                self.known.setdefault(outline, []).insert(0, known)
            return
        if self.mark is not None:
            outline = self._outline(raw.data, self.mark)
            self.tried[outline] = self.tried.get(outline, 0) + 1

    def _outline(self, data: bytes, mark: bytes) -> tuple[int, int, int]:
        return data.count(mark), data.count(b"<"), data.count(b"[")

    def _learned(self, data: bytes, raw: RawRecord, outcome: Outcome) -> Known:
        """The skeleton and template of an example.

        Raises:
            NotPlain: it is not plain, or the template would not always give what the ordinary way gives.
            DataError: the record with markers cannot be converted.
        """
        converter = self.converter
        refs = converter.source.media(orjson.loads(data))
        if any(ref.kind == "sidecar" for ref in refs) or not converter.surely_clean(outcome.data):
            raise NotPlain
        found = skeleton(data, self.tags, {ref.pointer for ref in refs}.__contains__)
        if any(name in found.literal for name in (b"\\u", b'\\"', b"\\\\")):
            raise NotPlain
        value = orjson.loads(found.filled(marked(found)))
        record, notes = converter.translated(value, raw, spell=spelled)
        if notes != outcome.notes:
            raise NotPlain
        source, constants = write_source(found, record, "MATCH")
        code = compile(source, f"<{converter.source.name} to {converter.task.to}>", "exec")
        patterns = [found.pattern(careful=False), found.pattern(careful=True)]

        def build(pattern: re.Pattern[bytes], spell: Any) -> Write:
            namespace = {**constants_of(constants), "MATCH": pattern.fullmatch, "SPELL": spell}
            exec(code, namespace)  # noqa: S102 - own source
            write: Write = namespace["write"]
            return write

        trial = build(patterns[1], lambda path: b"up/" + path)
        for which in (0, 1):
            text = found.filled(awkward(found, which))
            record, notes = converter.translated(orjson.loads(text), raw, spell=lambda path: f"up/{path}")
            if notes != outcome.notes or trial(text, 0, len(text)) != orjson.dumps(record):
                raise NotPlain
        quick, careful = (build(pattern, self._spelled) for pattern in patterns)
        if careful(data, 0, len(data)) != outcome.data:
            raise NotPlain
        literal = found.literal
        return Known(quick, careful, outcome.kind, outcome.notes, literal.count(b'"'), literal.count(b"\n"))

    def _spelled(self, path: bytes) -> bytes | None:
        """A media path as the output has it; None where the ordinary way must say what is wrong."""
        try:
            return self.spell(path)
        except (CannotEncode, TypeError, ValueError, OSError):
            return None


def _quotes(data: bytes) -> int:
    """Quotation marks that are not escaped."""
    if b"\\" not in data:
        return data.count(b'"')
    if b"\\\\" not in data:
        return data.count(b'"') - data.count(b'\\"')
    return data.count(b'"') - _ESCAPE.findall(data).count(b'\\"')


_ESCAPE = re.compile(rb"\\.", re.DOTALL)

__all__ = ["FastConvert", "Known", "Look"]
