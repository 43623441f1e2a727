"""The check registry: `@check`, the parsed docstring of a check, and the lookup by code.

A check is one function. Its docstring is its documentation: `mmdata explain`, ``docs/checks.md`` and the test that runs
every example read the same text::

    @check("C09", severity="warning", guard="not empty_answer")
    def empty_answer(record: RecordView) -> Iterator[Hit]:
        \"\"\"An assistant turn has no text.

        A sentence or two more about what is wrong.

        Upstream: what the trainer does with it.
        Fix: what to do about it.
        Source: whose code, which file.
        Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": ""}]}
        Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
        \"\"\"

What a check needs, it says by its parameters:

- ``record: RecordView``: one parsed record. Runs on a record that its `guard` (or the shape check) flags.
- ``record, sidecar: SidecarFacts``: a GeoPixel record together with its polygon file.
- ``record, media: MediaView``: a record together with probed pictures and videos; off under ``--media none``.
- ``record, masks: MaskView``: a record together with all its masks; on under ``--masks full`` alone.
- ``file: FileView``: once per file, after its last record.
- ``problem: Problem``: something wrong with the container or the JSON of a record; `kinds` says which.
- ``entry: EntryView``: one data set of a mixture file (``data.txt`` or InternVL's meta).
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal

from mmdata.errors import UnknownName
from mmdata.finding import Edit, Severity, Splice
from mmdata.format import get_format

Stage = Literal["record", "sidecar", "media", "masks", "file", "problem", "entry"]

SHAPE = "True"
"""Guard of a check whose every finding is a record that the record type refuses: the shape check is its guard."""


@dataclass(slots=True)
class Hit:
    """What a check yields; the engine makes a `Finding` of it.

    Attributes:
        message: what is wrong here, one sentence, with the values that matter.
        pointer: JSON pointer inside the record; ``""`` is the record itself.
        upstream: overrides the docstring's Upstream line, where trainers differ.
        fix: overrides the docstring's Fix line.
        edits: the repair of the record, where one needs no guessing.
        splices: the repair of the file's bytes (containers that are not JSON).
        unsafe: the repair may change what the author meant.
        severity: overrides the check's severity, where the effect differs.
        record: record index, for file checks.
        byte: byte offset in the file, for problems and file checks.
        related_path: the other file the hit is about.
    """

    message: str
    pointer: str | None = None
    upstream: str | None = None
    fix: str | None = None
    edits: tuple[Edit, ...] = ()
    splices: tuple[Splice, ...] = ()
    unsafe: bool = False
    severity: Severity | None = None
    record: int | None = None
    byte: int | None = None
    related_path: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A ``Bad``/``Good`` example of a docstring: data of `format` under `settings` (``media=exists``, ``assume …``)."""

    bad: bool
    format: str
    settings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class CheckDoc:
    """The parsed docstring of a check."""

    title: str
    details: str
    upstream: str
    fix: str | None
    source: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a function and what is known about it."""

    code: str
    severity: Severity
    formats: frozenset[str] | None
    guard: str | None
    keys: frozenset[str]
    kinds: frozenset[str]
    from_value: bool
    besides: frozenset[str]
    stage: Stage
    fixable: Literal["always", "sometimes", "never"]
    function: Callable[..., Iterable[Hit]]
    doc: CheckDoc

    @property
    def name(self) -> str:
        """The function's name with dashes, as shown beside the code."""
        return self.function.__name__.replace("_", "-")

    def applies_to(self, format_name: str) -> bool:
        """Whether the check is about data of this format."""
        if self.formats is not None:
            return format_name in self.formats
        if format_name in self.besides:
            return False
        return not self.from_value or get_format(format_name).turns is None


_CHECKS: dict[str, Check] = {}
_PARTS: list[Check] = []

_STAGES: dict[tuple[str, ...], Stage] = {
    ("record",): "record",
    ("record", "sidecar"): "sidecar",
    ("record", "media"): "media",
    ("record", "masks"): "masks",
    ("file",): "file",
    ("problem",): "problem",
    ("entry",): "entry",
}


def check(
    code: str,
    *,
    severity: Severity,
    formats: Iterable[str] | None = None,
    guard: str | None = None,
    keys: Iterable[str] = (),
    kinds: Iterable[str] = (),
    from_value: bool = False,
    besides: Iterable[str] = (),
    fixable: Literal["always", "sometimes", "never"] = "never",
) -> Callable[[Callable[..., Iterable[Hit]]], Callable[..., Iterable[Hit]]]:
    """Register a check.

    Args:
        code: stable code, letter family and two digits; never reused.
        severity: by effect: error = crash, swap, drop or training on the wrong tokens.
        formats: names of the formats it is about; None for all.
        guard: a Python expression over the facts of `mmdata.checks.facts` that is true only if the check cannot fire
            on the record. None: the body runs on every record (right, but slow). Record checks only.
        keys: keys which the record type does not name and at which the check looks: a record that has one never takes
            the fast path. (Keys of the record type need no mention.)
        kinds: problem kinds that the check is about. Problem checks only.
        from_value: about turns in `conversations` of `from` and `value`: formats that keep theirs elsewhere are left out.
        besides: formats that a check of every format leaves to a code of their own.
        fixable: whether the check attaches repairs.
    """

    def register(function: Callable[..., Iterable[Hit]]) -> Callable[..., Iterable[Hit]]:
        parameters = tuple(inspect.signature(function).parameters)
        if parameters not in _STAGES:
            raise TypeError(f"check {code}: parameters {parameters} name no stage; known: {sorted(_STAGES)}")
        if code in _CHECKS and _CHECKS[code].function.__qualname__ != function.__qualname__:
            raise ValueError(f"check code {code} is registered twice")
        _CHECKS[code] = Check(
            code=code,
            severity=severity,
            formats=None if formats is None else frozenset(formats),
            guard=guard,
            keys=frozenset(keys),
            kinds=frozenset(kinds),
            from_value=from_value,
            besides=frozenset(besides),
            stage=_STAGES[parameters],
            fixable=fixable,
            function=function,
            doc=parse_doc(code, function.__doc__ or ""),
        )
        return function

    return register


def part(
    code: str, *, guard: str | None = None
) -> Callable[[Callable[..., Iterable[Hit]]], Callable[..., Iterable[Hit]]]:
    """Register a further function of a check that needs something else than its first one (a sidecar, say).

    The check itself must be registered before; severity, formats and documentation are its.
    """

    def register(function: Callable[..., Iterable[Hit]]) -> Callable[..., Iterable[Hit]]:
        stage = _STAGES[tuple(inspect.signature(function).parameters)]
        _PARTS.append(replace(_CHECKS[code], function=function, stage=stage, guard=guard))
        return function

    return register


_SECTION = re.compile(r"^(Upstream|Fix|Source|Bad|Good)(?: \(([^)]*)\))?:[ \n]?", re.MULTILINE)


def parse_doc(code: str, docstring: str) -> CheckDoc:
    """The sections of a check's docstring.

    Raises:
        ValueError: the title, ``Upstream`` or a ``Bad``/``Good`` example is missing.
    """
    text = inspect.cleandoc(docstring)
    marks = list(_SECTION.finditer(text))
    opening = text[: marks[0].start()] if marks else text
    title, _, details = opening.strip().partition("\n")
    sections: dict[str, str] = {}
    examples: list[Example] = []
    for mark, following in zip(marks, [*marks, None][1:], strict=True):
        body = text[mark.end() : following.start() if following else len(text)].rstrip()
        word = mark[1]
        if word in ("Bad", "Good"):
            name, *settings = [part.strip() for part in (mark[2] or "").split(";")]
            examples.append(Example(word == "Bad", name, tuple(settings), textwrap.dedent(body).strip("\n")))
        else:
            sections[word] = " ".join(body.split())
    missing = [w for w in ("Upstream",) if w not in sections]
    missing += [w for w, bad in (("Bad", True), ("Good", False)) if all(e.bad != bad for e in examples)]
    if not title or missing:
        raise ValueError(f"check {code}: docstring lacks {', '.join(missing) or 'a title'}")
    return CheckDoc(
        title=title.rstrip("."),
        details=details.strip(),
        upstream=sections["Upstream"],
        fix=sections.get("Fix"),
        source=sections.get("Source", ""),
        examples=tuple(examples),
    )


@cache
def _load() -> None:
    package = import_module("mmdata.checks")
    for module in iter_modules(package.__path__):
        import_module(f"mmdata.checks.{module.name}")
    from mmdata.plugins import owner_of, points_of, tell

    for point in sorted(points_of("mmdata.checks"), key=lambda p: (p.name, p.value)):
        codes, parts = set(_CHECKS), len(_PARTS)
        try:
            point.load()
        except (Exception, SystemExit) as error:
            # Code of others may fail in any way; none of what it had registered so far is kept.
            for code in _CHECKS.keys() - codes:
                del _CHECKS[code]
            del _PARTS[parts:]
            tell(
                f"checks {point.name!r} of {owner_of(point)} cannot be used: {type(error).__name__}: {error}"
            )
            continue
        for code in _CHECKS.keys() - codes:
            _CHECKS[code] = replace(
                _CHECKS[code], function=_Foreign(_CHECKS[code].function, code, owner_of(point))
            )
        _PARTS[parts:] = [
            replace(one, function=_Foreign(one.function, one.code, owner_of(point))) for one in _PARTS[parts:]
        ]


class _Foreign:
    """A check of another distribution: where it fails it is named once and finds nothing from then on."""

    def __init__(self, function: Callable[..., Iterable[Hit]], code: str, owner: str) -> None:
        self.function, self.code, self.owner = function, code, owner
        self.__name__ = function.__name__
        self.failed = False

    def __call__(self, *arguments: Any) -> list[Hit]:
        if self.failed:
            return []
        try:
            return list(self.function(*arguments))
        except Exception as error:
            from mmdata.plugins import tell

            self.failed = True
            tell(f"check {self.code} of {self.owner} fails and is left out: {type(error).__name__}: {error}")
            return []


def all_checks() -> Mapping[str, Check]:
    """Every check by code, in order of code."""
    _load()
    return dict(sorted(_CHECKS.items()))


def get_check(code: str) -> Check:
    """The check with that code.

    Raises:
        UnknownName: no such code; names the nearest.
    """
    checks = all_checks()
    if code.upper() not in checks:
        raise UnknownName("check", code, checks)
    return checks[code.upper()]


def selected(format_name: str, *, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> Iterator[Check]:
    """The checks that run on a format: those whose code starts with a prefix of `select` and none of `ignore`.

    The longer prefix wins where both match, so that ``--ignore G --select G05`` runs G05.

    Raises:
        UnknownName: a prefix that matches no code.
    """
    checks = all_checks()
    select, ignore = tuple(p.upper() for p in select), tuple(p.upper() for p in ignore)
    for prefix in (*select, *ignore):
        if not any(code.startswith(prefix) for code in checks):
            raise UnknownName("check", prefix, checks)
    for item in (*checks.values(), *_PARTS):
        if item.applies_to(format_name) and _wanted(item.code, select, ignore):
            yield item


def _wanted(code: str, select: tuple[str, ...], ignore: tuple[str, ...]) -> bool:
    wanted = max((len(p) for p in select if code.startswith(p)), default=-1 if select else 0)
    unwanted = max((len(p) for p in ignore if code.startswith(p)), default=-1)
    return wanted > unwanted and wanted >= 0


__all__ = [
    "SHAPE",
    "Check",
    "CheckDoc",
    "Example",
    "Hit",
    "all_checks",
    "check",
    "get_check",
    "parse_doc",
    "part",
    "selected",
]
