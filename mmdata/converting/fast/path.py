"""`FastConvert`: the skeletons and templates of one source, learned as its records come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from mmdata.converting.fast.known import Begin, Known
from mmdata.converting.fast.look import Look, Outline, View, outline_of
from mmdata.converting.fast.skeleton import NotPlain, skeleton
from mmdata.converting.fast.spelling import Speller
from mmdata.converting.fast.template import (
    Write,
    awkward,
    constants_of,
    marked,
    spelled,
    template,
    write_source,
)
from mmdata.encoding import CannotEncode
from mmdata.errors import DataError

if TYPE_CHECKING:
    from mmdata.converting.fast.compiled import Compiled
    from mmdata.converting.recordconvert import Outcome, RecordConverter
    from mmdata.converting.room import Room
    from mmdata.io.record import RawRecord

MOST_TRIES = 256
"""Records that are learned from, at most."""

TRIES_EACH = 6
"""Records of one outline (see `FastConvert`) from which nothing was learned, before no more are tried."""

KNOWN_EACH = 16
"""Skeletons of one outline, at most."""


MOST_WITH_RUNS = 2048
"""Bytes of a record with RLE from which something is learned, at most: more text has ``<`` and ``[`` in any number."""

SHORT_RUNS = 32
"""Calls of the kernel that came to less than `LONG_RUN` records each, before it rests."""

LONG_RUN = 4
PAUSE = 256
"""Records that are translated without it then."""


class FastConvert:
    """The fast path of one source to one target.

    Records are told apart by their outline: the number of objects, of ``<`` and of ``[``.

    Attributes:
        able: there is one for this conversion at all.
        compiled: the kernel's tables, where it is used.
    """

    def __init__(self, converter: RecordConverter) -> None:
        task = converter.task
        self.converter = converter
        # What goes into a container must be there: the ordinary way looks.
        keeps = task.media_files == converter.media.mode == "keep"
        self.able = converter.check.has_guards and not task.options.invert and keeps
        self.tags = tuple(
            tag for tag in (converter.source.image_tag, converter.source.video_tag) if tag is not None
        )
        self.spell = Speller(converter.media)
        self.known: dict[Outline, list[Known]] = {}
        self.tried: dict[Outline, int] = {}
        self.tries = 0
        self.by_kind = task.by_kind
        self.compiled: Compiled | None = None
        if self.able and task.kernels:
            from mmdata.converting.fast.compiled import Compiled

            self.compiled = Compiled(self.spell, task.between)

    def run(self, view: View, first: int, begin: Begin, room: Room) -> int:
        """Translate the records of a block from slice `first` on, as long as they are known.

        Args:
            view: of the block.
            first: the first slice to translate.
            begin: is called with what has its first record of the batch, and gives it a place to write to.
            room: takes what the kernel writes.

        Returns:
            The first slice whose record only the ordinary way can translate.
        """
        if not self.known:
            return first
        compiled = self.compiled
        if compiled is None or not view.utf8:
            return self._run(view, first, len(view.block.starts), begin)
        while first < len(view.block.starts):
            if view.short_runs >= SHORT_RUNS:
                view.short_runs, view.rest_until = 0, first + PAUSE
            if first < view.rest_until:
                until = min(view.rest_until, len(view.block.starts))
                first = self._run(view, first, until, begin)
                if first < until:
                    return first
                continue
            reached = compiled.run(view, first, begin, room)
            view.short_runs += reached - first < LONG_RUN
            if reached == len(view.block.starts):
                return reached
            first = self._run(view, reached, reached + 1, begin)
            if first == reached:
                return first
        return first

    def _run(self, view: View, first: int, last: int, begin: Begin) -> int:
        """The same without the kernel, up to slice `last`."""
        block, look = view.block, view.look
        data, starts, ends, outlines = block.data, block.starts, block.ends, look.outlines
        known_of = self.known.get
        if look.usable and not look.odd and not look.broken:
            for i in range(first, last):
                for known in known_of(outlines[i], ()):
                    found = known.quick(data, starts[i], ends[i])
                    if found is not None:
                        if known.written is None:
                            begin(known)
                        known.written.append(found)  # type: ignore[union-attr]
                        known.records += 1
                        break
                else:
                    if not self._other(data[starts[i] : ends[i]], begin):
                        return i
            return last
        for i in range(first, last):
            if not self._one(data, starts[i], ends[i], outlines[i] if look.usable else None, look, begin):
                return i
        return last

    def _one(
        self,
        data: bytes,
        start: int,
        end: int,
        outline: Outline | None,
        look: Look,
        begin: Begin,
    ) -> bool:
        """A record of a block that is not quite ordinary."""
        for known in self.known.get(outline, ()) if outline is not None else ():
            found = (known.careful if look.odd else known.quick)(data, start, end)
            if found is not None and (not look.broken or data.count(b"\n", start, end) == known.lines):
                _take(known, found, begin)
                return True
        return self._other(data[start:end], begin)

    def _other(self, data: bytes, begin: Begin) -> bool:
        """A record that may be known once it is spelled as `orjson` does."""
        if not data or self.tried.get(outline_of(data), 0) >= TRIES_EACH:
            return False
        return self.translate(data, begin)

    def translate(self, data: bytes, begin: Begin) -> bool:
        """Translate one record, of which nothing is known beforehand; False where only the ordinary way can."""
        if not self.known:
            return False
        try:
            text = orjson.dumps(orjson.loads(data))
        except (orjson.JSONDecodeError, TypeError):
            return False
        for known in self.known.get(outline_of(text), ()):
            found = known.careful(text, 0, len(text))
            # Of two equal keys the parser keeps the last: more quotation marks than the record has.
            if found is not None and _quotes(data) == known.quotes:
                _take(known, found, begin)
                return True
        return False

    def learn(self, raw: RawRecord, outcome: Outcome, view: View | None) -> None:
        """Take a record that went the ordinary way as the example of a skeleton, if it is plain.

        Args:
            raw: the record.
            outcome: what it became.
            view: of the block that it lies in.
        """
        if not self.able or outcome.code or outcome.warnings or self.tries >= MOST_TRIES:
            return
        # A box that was made of a mask is in no other record; the outlines of records with long RLE hardly ever agree.
        if any(note.error is not None for note in outcome.notes):
            return
        if len(raw.data) > MOST_WITH_RUNS and b'"counts"' in raw.data:
            return
        outline = outline_of(raw.data)
        if self.tried.get(outline, 0) >= TRIES_EACH or len(self.known.get(outline, ())) >= KNOWN_EACH:
            return
        self.tries += 1
        usable = view is not None and view.look.usable
        # The kernel looks for control characters itself; what it leaves of such a block is respelled first.
        both = not usable and view is not None and self.compiled is not None and view.utf8
        learned = False
        for plain in (True, False) if usable or both else (False,):
            try:
                data = raw.data if plain else orjson.dumps(orjson.loads(raw.data))
                known = self._learned(data, raw, outcome)
            except (NotPlain, DataError, LookupError, TypeError, ValueError, AttributeError):
                continue
            self.known.setdefault(outline_of(data), []).insert(0, known)
            learned = True
            if not both:
                break
        if not learned:
            self.tried[outline] = self.tried.get(outline, 0) + 1

    def _learned(self, data: bytes, raw: RawRecord, outcome: Outcome) -> Known:
        """The skeleton and template of an example.

        Raises:
            NotPlain: it is not plain, or the template would not always give what the ordinary way gives.
            DataError: the record with markers cannot be converted.
        """
        converter = self.converter
        refs = converter.source.media(orjson.loads(data))
        if any(ref.kind == "sidecar" for ref in refs) or not converter.check.surely_clean(outcome.data):
            raise NotPlain
        found = skeleton(data, self.tags, {ref.pointer for ref in refs}.__contains__)
        if any(name in found.literal for name in (b"\\u", b'\\"', b"\\\\")):
            raise NotPlain
        value = orjson.loads(found.filled(marked(found)))
        record, notes = converter.translated(value, raw, spell=spelled)
        if notes != outcome.notes:
            raise NotPlain
        form = template(record, found)
        source, constants = write_source(form, found, "MATCH")
        code = compile(source, f"<{converter.source.name} to {converter.task.to}>", "exec")
        patterns = [found.pattern(careful=False), found.pattern(careful=True)]

        def build(pattern: re.Pattern[bytes], spell: Any, folders: dict[bytes, bytes]) -> Write:
            namespace = {
                **constants_of(constants),
                "MATCH": pattern.fullmatch,
                "SPELL": spell,
                "FOLDERS": folders,
            }
            exec(code, namespace)  # noqa: S102 - own source
            write: Write = namespace["write"]
            return write

        trial = build(patterns[1], lambda path: b"up/" + path, {})
        for which in (0, 1):
            text = found.filled(awkward(found, which))
            record, notes = converter.translated(orjson.loads(text), raw, spell=lambda path: f"up/{path}")
            if notes != outcome.notes or trial(text, 0, len(text)) != orjson.dumps(record):
                raise NotPlain
        quick, careful = (build(pattern, self._spelled, self.spell.alike) for pattern in patterns)
        if careful(data, 0, len(data)) != outcome.data:
            raise NotPlain
        literal = found.literal
        known = Known(quick, careful, outcome.kind, outcome.notes, literal.count(b'"'), literal.count(b"\n"))
        if self.compiled is not None:
            self.compiled.add(known, outcome.kind if self.by_kind else "all", found, form)
        return known

    def _spelled(self, path: bytes) -> bytes | None:
        """A media path as the output has it; None where the ordinary way must say what is wrong."""
        try:
            return self.spell(path)
        except (CannotEncode, TypeError, ValueError, OSError):
            return None


def _take(known: Known, found: bytes, begin: Begin) -> None:
    if known.written is None:
        begin(known)
    assert known.written is not None
    known.written.append(found)
    known.records += 1


def _quotes(data: bytes) -> int:
    """Quotation marks that are not escaped."""
    if b"\\" not in data:
        return data.count(b'"')
    if b"\\\\" not in data:
        return data.count(b'"') - data.count(b'\\"')
    return data.count(b'"') - _ESCAPE.findall(data).count(b'\\"')


_ESCAPE = re.compile(rb"\\.", re.DOTALL)

__all__ = ["FastConvert"]
