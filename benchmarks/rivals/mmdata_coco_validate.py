"""mmdata's validation of a COCO file: every check of records on, media off, one process."""

from mmdata.checks.registry import all_checks
from mmdata.format import all_formats
from mmdata.validating.validation import validate

LABEL = "mmdata validate"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Validate; the file is clean, so anything else than no finding is a bug."""
    report = validate(path, format="coco", media="none", jobs=1)
    assert not report.findings, report.findings[:3]
    return report.summary.records
