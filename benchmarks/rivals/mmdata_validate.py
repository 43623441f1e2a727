"""mmdata with every structural and semantic check, media off, one process."""

from mmdata.checks.registry import all_checks
from mmdata.format import all_formats
from mmdata.validating.validation import validate

LABEL = "mmdata"
JOBS = 1

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Validate; the files are clean, so anything else than no finding is a bug."""
    name = "internvl" if path.endswith(".jsonl") else "geopixel"
    report = validate(path, format=name, media="none", jobs=JOBS)
    assert not report.findings, report.findings[:3]
    return report.summary.records
