"""What a reporter is told besides the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmdata.finding import Finding, Severity
from mmdata.reporters._excerpt import Excerpt


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What is known of a check.

    Attributes:
        code: its stable code.
        name: its name in words with dashes, for example ``"rle-counts-sum"``.
        title: what it finds, in one line.
        explanation: the full text of ``mmdata explain CODE``.
        severity: its usual severity.
    """

    code: str
    name: str = ""
    title: str = ""
    explanation: str = ""
    severity: Severity = "error"


def no_excerpt(finding: Finding) -> Excerpt | None:
    """For reports whose data is not at hand."""
    del finding
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """How to render.

    Attributes:
        color: whether ANSI colours are wanted. The caller has looked at NO_COLOR and at the terminal.
        width: cells of a line of text.
        statistics: text only: the counts by code, no single findings.
        excerpt: finding -> the text around the offending value, or None where there is none to show.
        rule: code -> what is known of the check; a code that nobody knows gives a bare `RuleInfo`.
    """

    color: bool = False
    width: int = 100
    statistics: bool = False
    excerpt: Callable[[Finding], Excerpt | None] = no_excerpt
    rule: Callable[[str], RuleInfo] = RuleInfo
