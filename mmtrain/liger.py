"""Liger kernels (``use_liger_kernel``): fused RMSNorm and SwiGLU of the language model, on GPUs.

Liger's rotary and loss kernels are left out: rotary positions of packed samples and the weighted loss are the trainer's own.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from mmdata.errors import UsageError

KEY = "use_liger_kernel"


def check_liger() -> None:
    """Whether the kernels can run here.

    Raises:
        UsageError: they are not installed, or there is no GPU.
    """
    import torch

    try:
        import_module("liger_kernel.transformers")
    except ImportError as error:
        raise UsageError(f"{KEY}: liger-kernel is not usable ({error}): pip install liger-kernel") from None
    if not torch.cuda.is_available():
        raise UsageError(f"{KEY}: the kernels run on GPUs, and there is none here; leave it out on a CPU")


def apply_liger(model: Any) -> None:
    """Put the kernels into a model's language model.

    Raises:
        UsageError: they cannot run here, or know no kernel for it.
    """
    check_liger()
    language = model.model.language_model
    kind = language.config.model_type
    known = import_module("liger_kernel.transformers.monkey_patch").MODEL_TYPE_TO_APPLY_LIGER_FN
    if kind not in known:
        raise UsageError(f"{KEY}: liger-kernel has none for language models of type {kind!r}")
    wanted: dict[str, bool] = {"rms_norm": True, "swiglu": True}
    # Whatever else a function offers stays off: rope, cross_entropy, fused_linear_cross_entropy, layer_norm …
    takes = inspect.signature(known[kind]).parameters
    known[kind](model=language, **{name: wanted.get(name, False) for name in takes if name != "model"})
