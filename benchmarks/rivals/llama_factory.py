"""LLaMA-Factory's own loading and aligning of ShareGPT rows, one process; its tokenising is left out."""

import json
import os
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

LABEL = "LLaMA-Factory"
REQUIRES = ("torch==2.13.0", "llamafactory==0.9.5")
DOES = "keeps rows in Arrow, checks roles and order, asks for each picture's file, empties bad rows; tags only when tokenising"

os.environ |= {"DISABLE_VERSION_CHECK": "1", "LLAMAFACTORY_VERBOSITY": "ERROR"}

# Loading rows needs neither, but both are imported, and builds for CUDA do not load beside torch for CPU.
torchaudio = ModuleType("torchaudio")
torchaudio.__spec__ = ModuleSpec("torchaudio", None)
for name, stand_in in (("torchvision", None), ("torchaudio", torchaudio)):
    try:
        __import__(name)
    except (ImportError, OSError, RuntimeError):
        sys.modules[name] = stand_in  # type: ignore[assignment] - None: not there

import datasets  # noqa: E402
from llamafactory.data.loader import _get_merged_dataset  # noqa: E402
from llamafactory.hparams import DataArguments  # noqa: E402


def run(path: str) -> int:
    """Load the rows as training does, without what an earlier run left in a cache."""
    datasets.disable_progress_bars()
    file = Path(path.replace(".jsonl", ".sharegpt.jsonl"))
    columns = {"messages": "conversations", "images": "images"}
    info = {"mine": {"file_name": file.name, "formatting": "sharegpt", "columns": columns}}
    with tempfile.TemporaryDirectory() as cache:
        # The files' own description, without which it takes no file.
        (Path(cache) / file.name).symlink_to(file)
        (Path(cache) / "dataset_info.json").write_text(json.dumps(info))
        data = DataArguments(dataset="mine", dataset_dir=cache, media_dir=cache, overwrite_cache=True)
        model = SimpleNamespace(cache_dir=cache, hf_hub_token=None, ms_hub_token=None, om_hub_token=None)
        training = SimpleNamespace(seed=1, local_process_index=0, dataloader_num_workers=0)
        return len(_get_merged_dataset(["mine"], model, data, training, stage="sft"))
