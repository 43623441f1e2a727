"""mmdata with every structural and semantic check, media off, two processes."""

from mmdata.checks.registry import all_checks
from mmdata.format import all_formats
from mmdata.validating.validation import validate

LABEL = "mmdata --jobs 2"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Validate with two processes."""
    name = "internvl" if path.endswith(".jsonl") else "geopixel"
    return validate(path, format=name, media="none", jobs=2).summary.records
