"""Hugging Face datasets: load, filter, write JSON Lines."""

import os
import shutil
import tempfile

import datasets

LABEL = "datasets.filter"

datasets.disable_progress_bars()


def run(path: str) -> int:
    """Keep the records with a long text."""
    out, cache = f"{path}.filtered-datasets.jsonl", tempfile.mkdtemp()
    try:
        loaded = datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache)
        kept = loaded.filter(
            lambda r: len(r["conversations"]) >= 2 and sum(len(t["value"]) for t in r["conversations"]) > 300
        )
        kept.to_json(out, force_ascii=False)
        return len(loaded)
    finally:
        shutil.rmtree(cache)
        if os.path.exists(out):
            os.unlink(out)
