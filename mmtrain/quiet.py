"""Silence of libraries that greet on import; a variable that the user set is left as it is."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

_QUIET = {
    "HF_HUB_OFFLINE": "1",  # models are local directories: nothing is ever asked of a hub
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "DS_LOG_LEVEL": "error",
}


def quiet() -> None:
    """Set the environment; to be called before torch or transformers are imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import logging
    import warnings

    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch|transformers|deepspeed|peft")
    try:
        told: Any = import_module("transformers.utils.logging")
    except ImportError:
        return
    told.disable_progress_bar()
