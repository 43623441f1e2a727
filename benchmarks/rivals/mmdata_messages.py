"""mmdata's validation of messages: the format is in the file's name, every check of records on, media off."""

from pathlib import Path

from mmdata.checks.registry import all_checks
from mmdata.format import all_formats
from mmdata.validating.validation import validate

LABEL = "mmdata"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Validate in one process."""
    report = validate(path, format=Path(path).name.split(".")[0], media="none", jobs=1)
    assert not report.findings
    return sum(one.records for one in report.sources)
