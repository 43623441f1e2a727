"""mmdata's dedup by content: bounded memory, the ledger kept, the output atomic."""

import os

from mmdata.dataset_ops.deduping import dedup

LABEL = "mmdata dedup"


def run(path: str) -> int:
    """Keep the first of records that are equal but for their id."""
    out = f"{path}.dedup-mmdata.jsonl"
    ledger = dedup(path, out, by="content", force=True)
    os.unlink(out)
    return ledger.read.total()
