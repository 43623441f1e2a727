"""A report and a context that the tests of all reporters share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmdata.finding import Edit, Finding
from mmdata.report import Collector, Report
from mmdata.reporters import RenderContext, get_reporter

Rendered = Callable[..., str]


def make_report(findings: list[Finding]) -> Report:
    run = Collector()
    run.extend(findings)
    return run.report(
        [run.source(path, "geopixel", 1000) for path in dict.fromkeys(f.path for f in findings)]
    )


@pytest.fixture
def small() -> Report:
    """Two findings in one file."""
    return make_report(
        [
            Finding(
                "G05",
                "error",
                "2 [SEG] in the answers, 1 mask",
                "data/train.json",
                "the shorter list wins: a mask is never trained",
                fix="give each [SEG] one mask",
                record=12,
                pointer="/conversations/1/value",
                line=17,
                byte=4711,
                edits=(Edit("set", "/conversations/1/value", "[SEG]"),),
            ),
            Finding(
                "C13",
                "warning",
                "50% of a, b: empty",
                "data/train.json",
                "nothing to learn",
                related_path="b.json",
            ),
        ]
    )


@pytest.fixture
def rendered() -> Rendered:
    """``rendered(name, report, **context)``: what a reporter writes."""

    def render(name: str, report: Report, **context: object) -> str:
        out: list[str] = []
        get_reporter(name).render(report, out.append, context=RenderContext(**context))  # type: ignore[arg-type]
        return "".join(out)

    return render
