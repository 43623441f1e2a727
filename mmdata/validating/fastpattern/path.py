"""The patterns of one data set: learnt from accepted records, tried in order of last success."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from mmdata.checks import markers
from mmdata.checks.facts import FACTS
from mmdata.validating.fastpath.accept import guard_names
from mmdata.validating.fastpath.layouts import Layout
from mmdata.validating.fastpath.path import FastPath
from mmdata.validating.fastpattern.blocks import ODD_ESCAPE, BlockFacts
from mmdata.validating.fastpattern.example import Pattern, pattern_of
from mmdata.validating.fastpattern.phrases import phrases_of
from mmdata.validating.fastpattern.runner import (
    SIDECAR_FACTS,
    Facts,
    Runner,
    Sidecars,
    WithPhrases,
    runner_source,
)

MAX_PATTERNS = 6
"""Patterns held at a time; records of more shapes than that take the ordinary fast path."""

_FACTS = frozenset(FACTS) - {"n", "order"}
"""Facts that a pattern can give; a guard that names another one keeps its format on the ordinary fast path.

``r`` and ``turns`` are those of the example: guards ask them for presence, type and length of fields and for role words
(see `mmdata.checks.facts`), which the pattern fixes.
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
        plain = guard_names(fast.guards) <= _FACTS and guard_names(fast.sidecar_guards) <= SIDECAR_FACTS
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
        facts = Facts(self.fast, layout, example, parts=pattern.parts)
        none, one = facts[(), ()], facts[(tag,), ()]
        namespace: dict[str, Any] = {
            **self.fast.namespace,
            "FULLMATCH": pattern.regex.fullmatch,
            "ANGLED": angled.findall,
            "SQUARE": square.findall,
            "TAG": tag,
            "FACTS": facts,
            "NO_MARKS": none,
            "ONE_TAG": one,
            # Of the records of a block none begins with the tag, some do, all do.
            "UNIFORM": (none.ordinary, none.ordinary and one.ordinary, one.ordinary),
            "ODD_ESCAPE": ODD_ESCAPE.search,
            "BRACKETS": pattern.brackets,
            "LINES": pattern.lines,
            "TURN_LINES": pattern.turn_lines,
            "SIDECARS": Sidecars(self.fast),
            "LOADS": orjson.loads,
            "PHRASES": phrases_of,
            "WITH_PHRASES": WithPhrases(facts),
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
