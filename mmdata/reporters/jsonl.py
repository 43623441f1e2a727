"""One JSON object a line: each finding, then one line with everything else.

Every line has a ``type``. ``"finding"`` lines hold the keys of a finding as in the JSON report. The last line is
``"summary"`` and holds the other keys of that report: ``version``, ``sources``, ``summary`` and, where findings were
left out, ``not_listed``. Output without it was cut off.
"""

from __future__ import annotations

from collections.abc import Callable

from mmdata.report import Report
from mmdata.reporters._context import RenderContext
from mmdata.reporters._json import dumps

NAME = "jsonl"


def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
    """Write a line for each finding and a last one for the run."""
    del context
    for finding in report:
        write(dumps({"type": "finding", **finding.to_dict()}) + "\n")
    rest = report.to_dict()
    del rest["findings"]
    write(dumps({"type": "summary", **rest}) + "\n")
