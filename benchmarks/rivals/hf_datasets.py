"""Hugging Face `datasets` loading the same file, without its cache."""

import tempfile

import datasets

LABEL = "datasets"


def run(path: str) -> int:
    """Load into Arrow, check nothing."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        return len(datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache))
