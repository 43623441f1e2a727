"""A thin trainer on DeepSpeed and transformers, fed by mmdata.

``mmtrain.load(DIR)`` gives an exported model to ask; see `mmtrain.loading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmtrain.loading import load as load

__version__ = "0.1.0"

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module 'mmtrain' has no attribute {name!r}")
    from mmtrain.loading import load

    globals()[name] = load
    return load
