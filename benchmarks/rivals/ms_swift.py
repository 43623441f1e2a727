"""ms-swift's own loading of `messages` rows: into Arrow, every row through its preprocessor, one process."""

import atexit
import os
import shutil
import tempfile

LABEL = "ms-swift"
REQUIRES = ("torch==2.13.0", "ms-swift==4.6.0")
DOES = "keeps rows in Arrow, checks role words and that content is there, drops bad rows; no tags, no order, no positions"

_cache = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ |= {"MODELSCOPE_CACHE": _cache, "HF_HOME": _cache, "SWIFT_LOG_LEVEL": "ERROR"}

import datasets  # noqa: E402 - the caches are told first
from swift.dataset import load_dataset  # noqa: E402


def run(path: str) -> int:
    """Load the rows as training does, without what an earlier run left in a cache."""
    datasets.disable_progress_bars()
    rows, _ = load_dataset(path.replace(".jsonl", ".messages.jsonl"), num_proc=1, load_from_cache_file=False)
    return len(rows)
