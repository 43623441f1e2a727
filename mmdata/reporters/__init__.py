"""Reporters: a file each, known by its `NAME`; they know reports and findings and nothing of formats or checks.

A reporter is a module with::

    NAME = "text"

    def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None: ...

``render`` hands `write` text that ends in a newline. Others add reporters by the entry-point group
``mmdata.reporters``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from mmdata.report import Report
from mmdata.reporters._context import RenderContext, RuleInfo
from mmdata.reporters._excerpt import Excerpt


class Reporter(Protocol):
    """What a module of this package offers."""

    NAME: str

    def render(self, report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
        """Write the report."""
        ...


def get_reporter(name: str) -> Reporter:
    """The reporter of that name.

    Raises:
        UnknownName: no such output format; the message names the nearest.
    """
    from mmdata.plugins import discover

    return cast("Reporter", discover("mmdata.reporters", "mmdata.reporters", kind="output format")[name])


__all__ = ["Excerpt", "RenderContext", "Reporter", "RuleInfo", "get_reporter"]
