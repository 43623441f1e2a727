"""mmdata's filter: the ledger kept, broken records named, the output atomic."""

import os

from mmdata.checks.registry import all_checks
from mmdata.dataset_ops.filtering import filter_records
from mmdata.format import all_formats

LABEL = "mmdata filter"

all_checks(), list(all_formats())  # imported before the clock starts, like the peers' libraries


def run(path: str) -> int:
    """Keep the records with a long text."""
    out = f"{path}.filtered-mmdata.jsonl"
    ledger = filter_records(path, out, "turns >= 2 and text_length > 300", format="internvl", force=True)
    os.unlink(out)
    return ledger.read.total()
