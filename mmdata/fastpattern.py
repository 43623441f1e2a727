"""The fastest path: records that look like one already accepted are matched as bytes, nothing is parsed.

From an accepted record `pattern_of` writes a regular expression that fixes everything a finding could depend on (keys,
their order, white space, role words, the number and kind of values) and leaves open what none does: the digits of a
number, the characters of a string. A text is left open only to characters that cannot change what it decodes to but
itself: escapes of ASCII characters, which could hide a marker, do not match. What matches is therefore JSON without
repeated keys, of the record type, and its facts follow from the pattern and from the markers in its texts; the guards
are evaluated on those. What does not match goes the way through `mmdata.fastpath`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from mmdata.checks import markers
from mmdata.checks.facts import FACTS
from mmdata.checks.markers import CLOSED
from mmdata.fastpath import LAYOUT_FACTS, SMALLEST_INT, FastPath, Layout, guard_names
from mmdata.fastphrases import phrases_of

MAX_PATTERNS = 6
"""Patterns held at a time; records of more shapes than that take the ordinary fast path."""

_OPEN = rb'[^"]*+(?<!\\)'
"""The inside of a JSON string without an escaped quotation mark; `re` runs through it at memory speed.

What else a string must not hold is looked for in the whole block or record: control characters (`look_at`) and the
escapes of `_ODD_ESCAPE`.
"""

_TEXT = rb'(?=[^"\\\s])' + _OPEN
"""A string that does not begin with white space or an escape, so that it is neither empty nor blank."""

_ODD_ESCAPE = re.compile(rb"\\(?:[^nrtbf/\"u]|u(?:00|[dD][89a-fA-F]|(?![0-9a-fA-F]{4})))")
"""Escapes that are no JSON, that hide an ASCII character (a marker, say), that may be half a character, or a backslash."""

_INTEGER = rb"(?:0|-?[1-9][0-9]{0,17})"
_POSITIVE = rb"[1-9][0-9]{0,17}"

_TOKEN = re.compile(rb'[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^ \t\r\n"{}\[\]:,]+', re.DOTALL)

_MARK_FACTS = {"sidecar", "user_marks", "answer_marks", "other_marks"}
"""Facts that a guard on polygon files may name."""

_FACTS = frozenset(FACTS) - {"n", "order"}
"""Facts that a pattern can give; a guard that names another one keeps its format on the ordinary fast path.

``r`` and ``turns`` are those of the example: guards ask them for presence, type and length of fields and for role words
(see `mmdata.checks.facts`), which the pattern fixes.
"""

"""Facts that a pattern can give; a guard that names another one keeps its format on the ordinary fast path."""


Runner = Callable[[bytes, list[int], list[int], int, "BlockFacts", list[Any], list[bytes]], int]
"""(data, starts, ends, i, facts of the block, ids, media) -> the first slice from `i` on that does not match.

Appends to `ids` the JSON text of each matched record's ``id`` (None where it has none) and to `media` its paths as
JSON strings.
"""


class Known(NamedTuple):
    """A pattern in use: the function that runs through records that match it, and what they all have in common."""

    run: Runner
    layout: Layout


class PatternPath:
    """The patterns of one data set.

    Args:
        fast: the fast path whose guards are evaluated.

    Attributes:
        hungry: whether another example would be welcome.
    """

    def __init__(self, fast: FastPath) -> None:
        self.fast = fast
        self.patterns: list[Known] = []
        plain = guard_names(fast.guards) <= _FACTS and guard_names(fast.sidecar_guards) <= _MARK_FACTS
        self.hungry = not fast.always and plain
        self.tried = 0

    def forget(self) -> None:
        """The decoder has learned another key: start anew with what it accepts now."""
        self.patterns.clear()

    def learn(self, data: bytes, layout: Layout) -> None:
        """Take an accepted record as the example of a new pattern, if it is one that can be generalised."""
        self.tried += 1
        self.hungry = len(self.patterns) + 1 < MAX_PATTERNS and self.tried < 8 * MAX_PATTERNS
        found = pattern_of(self.fast, data, layout)
        if found is not None:
            self.patterns.insert(0, Known(self._runner(found, layout, self.fast.decode(data)), layout))

    def _runner(self, pattern: Pattern, layout: Layout, example: Any) -> Runner:
        """The generated function that matches records and evaluates the guards on their facts."""
        angled, square = (
            re.compile(p.pattern.encode()) for p in markers.quick_patterns(self.fast.format.name)
        )
        tag = (self.fast.format.image_tag or "<image>").encode()
        facts = _Facts(self.fast, layout, example)
        namespace: dict[str, Any] = {
            **self.fast.namespace,
            "FULLMATCH": pattern.regex.fullmatch,
            "ANGLED": angled.findall,
            "SQUARE": square.findall,
            "TAG": tag,
            "FACTS": facts,
            "NO_MARKS": facts[(), ()],
            "ONE_TAG": facts[(tag,), ()],
            "UNIFORM": facts[(), ()].ordinary and facts[(tag,), ()].ordinary,
            "ODD_ESCAPE": _ODD_ESCAPE.search,
            "BRACKETS": pattern.brackets,
            "LINES": pattern.lines,
            "TURN_LINES": pattern.turn_lines,
            "SIDECARS": _Sidecars(self.fast),
            "PHRASES": phrases_of,
            "WITH_PHRASES": _WithPhrases(facts),
            "layout": layout,
        }
        source = runner_source(self.fast, pattern.groups)
        exec(compile(source, f"<pattern of {self.fast.format.name}>", "exec"), namespace)  # noqa: S102 - own source
        runner: Runner = namespace["run"]
        return runner

    def run(
        self,
        data: bytes,
        starts: list[int],
        ends: list[int],
        i: int,
        block: BlockFacts,
        ids: list[Any],
        media: list[bytes],
    ) -> tuple[int, Layout | None]:
        """Run through the records from slice `i` on that match some pattern; see `Runner`.

        Returns:
            The first slice that does not match, and the layout that the ones before it share (None if there are none).
        """
        for number, known in enumerate(self.patterns):
            after = known.run(data, starts, ends, i, block, ids, media)
            if after > i:
                if number:
                    self.patterns.insert(0, self.patterns.pop(number))
                return after, known.layout
        return i, None


class BlockFacts(NamedTuple):
    """What holds for a whole block of records and need not be looked for in each.

    Attributes:
        matchable: it is UTF-8, and its only control characters are line breaks.
        broken_lines: line breaks may stand inside records.
        odd_escapes: some escape may be one of `_ODD_ESCAPE`.
        angles: number of ``<``.
        squares: number of ``[``.
        line_breaks: offsets of the line breaks, if any may stand inside records.
    """

    matchable: bool
    broken_lines: bool
    odd_escapes: bool
    angles: int
    squares: int
    line_breaks: NDArray[np.intp] | None = None

    def lines_of(self, starts: list[int], ends: list[int]) -> list[int]:
        """Number of line breaks in each record."""
        assert self.line_breaks is not None
        low, high = np.searchsorted(self.line_breaks, starts), np.searchsorted(self.line_breaks, ends)
        counts: list[int] = (high - low).tolist()
        return counts


def look_at(data: bytes, *, one_line: bool, lines: int | None = None) -> BlockFacts:
    """The facts of a block.

    Args:
        data: the block.
        one_line: its records hold no line break, as in JSON Lines.
        lines: number of its line breaks, where that is known.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return BlockFacts(False, True, True, 0, 0)
    characters = np.frombuffer(data, np.uint8)
    controls = int(np.count_nonzero(characters < 32))
    line_breaks = np.flatnonzero(characters == 10) if controls and lines is None else None
    breaks = min(controls, lines or 0) if line_breaks is None else len(line_breaks)
    backslashes = np.flatnonzero(characters == 92)
    odd = len(backslashes) > 0 and not (
        backslashes[-1] + 1 < len(data) and bool(_PLAIN_ESCAPE[characters[backslashes + 1]].all())
    )
    angles, squares = (int(np.count_nonzero(characters == c)) for c in b"<[")
    broken = breaks > 0 and not one_line
    return BlockFacts(controls == breaks, broken, odd, angles, squares, line_breaks if broken else None)


_PLAIN_ESCAPE = np.zeros(256, bool)
_PLAIN_ESCAPE[list(b'nrtbf/"')] = True


class _NotGeneral(Exception):
    """The example holds something that a pattern cannot leave open."""


class _Example:
    """An accepted record, read token by token into the source of a regular expression.

    `out` holds the pieces; white space is taken up literally with the token that follows it.
    """

    def __init__(self, fast: FastPath, data: bytes, layout: Layout) -> None:
        self.fast = fast
        self.layout = layout
        self.fields = {f.encode_name: f for f in msgspec.structs.fields(fast.struct)}
        self.tokens = _TOKEN.findall(data)
        self.at = 0
        self.out: list[bytes] = []
        self.groups: list[str] = []
        self.turn_lines: list[int] = []
        self.separator_lines = 0

    def pattern(self) -> re.Pattern[bytes]:
        """The pattern of all records like this one; `groups` names its groups.

        Raises:
            _NotGeneral: this one cannot be generalised.
        """
        self.literal(b"{")
        while True:
            name = orjson.loads(self.literal())
            self.literal(b":")
            self.value(name)
            if self.literal() == b"}":
                break
        if self.at != len(self.tokens) or "rest" not in self.groups:
            raise _NotGeneral
        return re.compile(b"".join(self.out))

    def peek(self) -> bytes:
        """The next token; white space before it becomes part of the pattern."""
        if self.tokens[self.at][:1] in b" \t\r\n":
            self.out.append(re.escape(self.tokens[self.at]))
            self.at += 1
        token: bytes = self.tokens[self.at]
        return token

    def literal(self, wanted: bytes | None = None) -> bytes:
        """Take the next token as it is."""
        token = self.peek()
        if wanted is not None and token != wanted:
            raise _NotGeneral
        self.out.append(re.escape(token))
        self.at += 1
        return token

    def open(self, source: bytes, name: str | None = None) -> None:
        """Take the next token and leave it open; as a group if it is named."""
        self.at += 1
        if name is not None:
            self.groups.append(name)
        self.out.append(source if name is None else b"(" + source + b")")

    def value(self, name: str) -> None:
        """The value of a key of the record."""
        token = self.peek()
        group = name if name == "id" or name in self.layout.media or name == "polygons" else None
        if name == "conversations":
            self.conversations()
        elif token[:1] == b'"':
            if token == b'""':
                self.literal()
            else:
                self.open(b'"' + (_OPEN if group == "id" else _TEXT) + b'"', group)
        elif token == b"[" and group is not None:
            self.paths(name)
        elif re.fullmatch(_INTEGER, token):
            self.open(self.number(name), group)
        elif token in (b"true", b"false", b"null"):
            self.literal()
        else:
            raise _NotGeneral

    def number(self, name: str) -> bytes:
        """The pattern of an integer that the key's type takes."""
        kind = self.fields[name].type
        least = {
            meta.ge
            for part in (kind, *get_args(kind))
            for meta in get_args(part)[1:]
            if isinstance(meta, msgspec.Meta)
        }
        if least <= {SMALLEST_INT}:
            return _INTEGER
        if least == {1}:
            return _POSITIVE
        raise _NotGeneral

    def paths(self, name: str) -> None:
        """A list of paths, as many as here."""
        self.literal(b"[")
        while True:
            if self.peek()[:1] != b'"' or self.peek() == b'""':
                raise _NotGeneral
            self.open(b'"' + _TEXT + b'"', name)
            if self.literal() == b"]":
                return

    def conversations(self) -> None:
        """The first question and answer with their texts as groups, then any number of pairs like them as one group."""
        self.literal(b"[")
        turns: list[list[bytes]] = []
        separators: list[bytes] = []
        while True:
            turns.append(self.turn())
            mark = len(self.out)
            end = self.literal()
            if end == b"]":
                break
            self.peek()
            separators.append(b"".join(self.out[mark:]))
            self.separator_lines = separators[-1].count(b"\n")
            del self.out[mark:]
        closing = b"".join(self.out[mark:])
        del self.out[mark:]
        if (
            len(turns) % 2
            or any(turn != turns[k % 2] for k, turn in enumerate(turns))
            or len(set(separators)) != 1
        ):
            raise _NotGeneral
        ask, answer, between = turns[0], turns[1], separators[0]
        pair = [*ask, between, *answer]
        self.out += [b"(" + piece + b")" if piece is _TEXT else piece for piece in pair]
        self.out += [b"((?:" + between, *pair, b")*+)", closing]
        self.groups += ["question", "answer", "rest"]

    def turn(self) -> list[bytes]:
        """The pieces of one turn, taken out of `out` again; the text is the piece `_TEXT`."""
        self.peek()
        mark, first = len(self.out), self.at
        self.literal(b"{")
        seen = []
        while True:
            key = self.literal()
            if self.tokens[self.at] != b":":
                raise _NotGeneral
            self.literal(b":")
            seen.append(key)
            if key == b'"value"' and self.peek()[:1] == b'"':
                self.at += 1
                self.out += [b'"', _TEXT, b'"']
            elif key == b'"from"':
                self.literal()
            else:
                raise _NotGeneral
            if self.literal() == b"}":
                break
        if sorted(seen) != [b'"from"', b'"value"']:
            raise _NotGeneral
        self.turn_lines.append(sum(token.count(b"\n") for token in self.tokens[first : self.at]))
        turn = self.out[mark:]
        del self.out[mark:]
        return turn


class Pattern(NamedTuple):
    """A regular expression of records, with what is needed to use it.

    Attributes:
        regex: matches whole records; see `_OPEN` for what it leaves unsaid.
        groups: names of its groups: ``question``, ``answer``, ``rest``, ``id``, ``polygons`` and keys of media.
        lines: line breaks between the tokens of a record of one question and answer.
        turn_lines: line breaks that each further turn adds.
        brackets: opening square brackets between the tokens.
    """

    regex: re.Pattern[bytes]
    groups: list[str]
    lines: int
    turn_lines: int
    brackets: int


def pattern_of(fast: FastPath, data: bytes, layout: Layout) -> Pattern | None:
    """The pattern of all records like an accepted one; None if it is too particular."""
    example = _Example(fast, data, layout)
    try:
        regex = example.pattern()
    except (_NotGeneral, KeyError):
        return None
    if not regex.fullmatch(data) or _ODD_ESCAPE.search(data):
        return None
    if len(set(example.turn_lines)) != 1:
        return None
    turn_lines = example.turn_lines[0] + example.separator_lines
    return Pattern(
        regex,
        example.groups,
        data.count(b"\n") - (len(example.turn_lines) - 2) * turn_lines,
        turn_lines,
        example.tokens.count(b"["),
    )


def runner_source(fast: FastPath, groups: list[str]) -> str:
    """Python source of a `Runner` for a pattern with these groups.

    Markers are looked for in the whole block at once where that settles it: no more ``<`` than questions that begin with
    the image tag and no more ``[`` than stand between tokens means that no text holds a marker but those tags; in a
    format of grounded phrases, see `mmdata.fastphrases`. Otherwise each record is looked at for itself.
    """
    at = {name: k for k, name in enumerate(groups, 1)}
    media = [
        k for k, name in enumerate(groups, 1) if name not in ("question", "answer", "rest", "id", "polygons")
    ]
    number = f"found[{at['id']}]" if "id" in at else "None"
    note = [f"ids.append({number})"]
    note += (
        [f"media.append(found[{media[0]}])"]
        if len(media) == 1
        else [f"media.extend(found.group({', '.join(map(str, media))}))"]
        if media
        else []
    )
    plain = [
        "if found is None or block.odd_escapes and ODD_ESCAPE(data, start, end): break",
        "if lines and lines[i] != LINES and "
        f"lines[i] != LINES + TURN_LINES * found[{at['rest']}].count(b'\"value\":'): break",
    ]
    has_sidecar = bool(fast.sidecar_guards) and fast.load_sidecar is not None and "polygons" in groups
    beside = []
    if has_sidecar:
        used = guard_names(fast.sidecar_guards)
        beside += [f"sidecar = SIDECARS[found[{at['polygons']}]]"]
        beside += [f"{name} = known.{name}" for name in sorted(_MARK_FACTS & used - {"sidecar"})]
        beside += [f"if not ({' and '.join(f'({g})' for g in fast.sidecar_guards)}): break"]
    opening = [
        "mark = len(ids), len(media)",
        "lines = block.lines_of(starts, ends) if block.broken_lines else None",
    ]
    uniform = [
        "if UNIFORM and i == 0 and block.squares == BRACKETS * len(starts):",
        "    tags = 0",
        "    for i, (start, end) in enumerate(zip(starts, ends)):",
        "        found = FULLMATCH(data, start, end)",
        *(f"        {line}" for line in plain),
        f"        if data.startswith(TAG, found.start({at['question']})): tags += 1",
        *(f"        {line}" for line in note),
        "    else:",
        "        if tags == block.angles: return len(starts)",
        "    del ids[mark[0]:], media[mark[1]:]",
        "    i = 0",
    ]
    phrased = [
        "if i == 0 and (phrases := PHRASES(data, starts, ends, BRACKETS)) is not None:",
        "    for i, (start, end, count, first, last) in enumerate(zip(starts, ends, *phrases)):",
        "        found = FULLMATCH(data, start, end)",
        *(f"        {line}" for line in plain),
        f"        if count and not found.start({at['answer']}) <= first < last < found.end({at['answer']}): break",
        "        known = WITH_PHRASES[count]",
        "        if not known.ordinary: break",
        *(f"        {line}" for line in [*beside, *note]),
        "    else:",
        "        return len(starts)",
        "    del ids[mark[0]:], media[mark[1]:]",
        "    i = 0",
    ]
    each = [
        "q, a = found.start(%d), found.start(%d)" % (at["question"], at["answer"]),  # noqa: UP031 - braces would be doubled
        "angled, square = data.find(b'<', q, end), data.find(b'[', q, end)",
        "if angled < 0 and square < 0:",
        "    known = NO_MARKS",
        "elif angled == q and square < 0 and data.startswith(TAG, q) and data.find(b'<', q + 1, end) < 0:",
        "    known = ONE_TAG",
        "else:",
        f"    answer, rest = found.group({at['answer']}, {at['rest']})",
        "    if rest and (b'<' in rest or b'[' in rest): break",
        "    asked = ()",
        "    if -1 < angled < a or -1 < square < a:",
        f"        asked = (*ANGLED(found[{at['question']}]), *SQUARE(found[{at['question']}]))",
        "    known = FACTS[asked, (*ANGLED(answer), *SQUARE(answer))]",
        "if not known.ordinary: break",
    ]
    each += beside
    grounded = CLOSED in fast.format.answer_markers
    body = [
        *opening,
        *(phrased if grounded else [] if has_sidecar else uniform),
        "for i in range(i, len(starts)):",
        "    start, end = starts[i], ends[i]",
        "    found = FULLMATCH(data, start, end)",
        *(f"    {line}" for line in [*plain, *each, *note]),
        "else:",
        "    return len(starts)",
        "return i",
    ]
    return "\n    ".join(["def run(data, starts, ends, i, block, ids, media):", *body]) + "\n"


class _WithPhrases(dict[int, Any]):
    """Number of closed phrases in the answer -> `Marks`."""

    def __init__(self, facts: _Facts) -> None:
        super().__init__()
        self.facts = facts

    def __missing__(self, count: int) -> Any:
        marks = (b"<p>", CLOSED.encode()) * count + (b"[SEG]",) * count
        known = self.facts[(), marks]
        if len(self) < 1000:
            self[count] = known
        return known


class _Sidecars(dict[bytes, Any]):
    """A path as JSON string -> facts of the polygon file; some thousands are remembered."""

    def __init__(self, fast: FastPath) -> None:
        super().__init__()
        self.load = fast.load_sidecar

    def __missing__(self, path: bytes) -> Any:
        if len(self) >= 4096:
            self.clear()
        assert self.load is not None
        facts = self[path] = self.load(orjson.loads(path))
        return facts


@dataclass(slots=True)
class Marks:
    """The markers of a matched record, and whether every guard holds for a record of the pattern that has them."""

    user_marks: list[str]
    answer_marks: list[str]
    other_marks: list[str]
    ordinary: bool


class _Facts(dict[tuple[tuple[bytes, ...], tuple[bytes, ...]], Marks]):
    """(markers of the question, of the answer) -> `Marks`; the guards are evaluated once for each pair of them."""

    def __init__(self, fast: FastPath, layout: Layout, example: Any) -> None:
        super().__init__()
        guards = " and ".join(f"({g})" for g in fast.guards) or "True"
        self.guards = compile(guards, "<guards>", "eval")
        self.format = fast.format
        self.tag = fast.format.image_tag or "<image>"
        self.constant = {
            **fast.namespace,
            "r": example,
            "turns": example.conversations,
            **{name: getattr(layout, name) for name in LAYOUT_FACTS},
            "regular": True,
            "empty_answer": False,
            "other_marks": [],
        }

    def __missing__(self, key: tuple[tuple[bytes, ...], tuple[bytes, ...]]) -> Marks:
        user, answer = [m.decode() for m in key[0]], [m.decode() for m in key[1]]
        own = self.format.user_markers.issuperset(user) and self.format.answer_markers.issuperset(answer)
        facts = {
            **self.constant,
            "user_marks": user,
            "answer_marks": answer,
            "own_markers": own,
            "marked_answers": bool(answer),
            "first_marked": self.tag in user,
        }
        marks = Marks(user, answer, [], bool(eval(self.guards, facts)))  # noqa: S307 - guards are source of the checks
        if len(self) < 20_000:
            self[key] = marks
        return marks


__all__ = ["PatternPath", "look_at", "pattern_of"]
