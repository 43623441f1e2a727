"""DeepSpeed's JSON: from a preset's name, a file or the config itself, checked against the rest of the config."""

from __future__ import annotations

import copy
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from mmdata.errors import UnknownName, UsageError

_CPU = {"device": "cpu", "pin_memory": True}

PRESETS: dict[str, dict[str, Any]] = {
    "zero0": {"stage": 0},
    "zero1": {"stage": 1},
    "zero2": {"stage": 2, "overlap_comm": True, "contiguous_gradients": True},
    "zero3": {"stage": 3, "overlap_comm": True, "contiguous_gradients": True},
    "zero1_offload": {"stage": 1, "offload_optimizer": _CPU},
    "zero2_offload": {
        "stage": 2,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "offload_optimizer": _CPU,
    },
    "zero3_offload": {
        "stage": 3,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "offload_optimizer": _CPU,
        "offload_param": _CPU,
    },
}
"""``zero_optimization`` of each preset; what is not said is DeepSpeed's default."""


SECTIONS = (
    "activation_checkpointing",
    "aio",
    "amp",
    "autotuning",
    "bf16",
    "bfloat16",
    "checkpoint",
    "comms_logger",
    "communication_data_type",
    "compression_training",
    "csv_monitor",
    "curriculum_learning",
    "data_efficiency",
    "data_types",
    "dump_state",
    "elasticity",
    "flops_profiler",
    "fp16",
    "gradient_accumulation_steps",
    "gradient_clipping",
    "gradient_predivide_factor",
    "memory_breakdown",
    "optimizer",
    "prescale_gradients",
    "scheduler",
    "sparse_gradients",
    "steps_per_print",
    "tensorboard",
    "torch_autocast",
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "wall_clock_breakdown",
    "wandb",
    "zero_allow_untested_optimizer",
    "zero_force_ds_cpu_optimizer",
    "zero_optimization",
)
"""Keys of DeepSpeed's JSON. Others may be of a newer DeepSpeed; one that is nearly one of these is a slip of the pen."""


class Batching(Protocol):
    """What of a config DeepSpeed's JSON has to agree with."""

    @property
    def deepspeed(self) -> str | dict[str, Any]:
        """A preset's name, a file or the JSON itself."""
        ...

    @property
    def per_device_train_batch_size(self) -> int:
        """Rows of a micro-batch."""
        ...

    @property
    def gradient_accumulation_steps(self) -> int:
        """Micro-batches of a step."""
        ...

    @property
    def max_grad_norm(self) -> float:
        """Gradients are clipped to it."""
        ...

    @property
    def bf16(self) -> bool:
        """Whether weights are bfloat16."""
        ...

    @property
    def fp16(self) -> bool:
        """Whether weights are float16."""
        ...


def deepspeed_json(config: Batching) -> dict[str, Any]:
    """The JSON that `deepspeed` of a config stands for, batch sizes not filled in.

    Raises:
        UsageError: no such preset or file, or it says something else than the config.
    """
    given = config.deepspeed
    if isinstance(given, dict):
        found, where = copy.deepcopy(given), "deepspeed"
    elif given.endswith(".json") or "/" in given:
        found, where = _read(Path(given)), f"deepspeed: {given}"
    elif given.replace("-", "_") in PRESETS:
        return {"zero_optimization": copy.deepcopy(PRESETS[given.replace("-", "_")])}
    else:
        raise UnknownName("deepspeed preset (a file ends in .json)", given, PRESETS)
    check(found, config, where)
    return found


def _read(path: Path) -> dict[str, Any]:
    from mmtrain.config.document import read_bytes
    from mmtrain.config.error import ConfigError

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, _ in pairs:
            if sum(key == other for other, _ in pairs) > 1:
                raise UsageError(f"deepspeed: {path}: {key} stands there twice")
        return dict(pairs)

    try:
        found = json.loads(
            read_bytes(str(path), "DeepSpeed's JSON").decode("utf-8-sig"), object_pairs_hook=once
        )
    except ValueError as error:
        raise UsageError(f"deepspeed: {path}: not JSON: {error}") from None
    except RecursionError:
        raise UsageError(f"deepspeed: {path}: not JSON that can be read: nested without end") from None
    except ConfigError as error:
        raise UsageError(f"deepspeed: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"deepspeed: {path}: expected an object, got {type(found).__name__}")
    return found


def check(found: dict[str, Any], config: Batching, where: str) -> None:
    """Compare a DeepSpeed JSON with the config.

    Raises:
        UsageError: it contradicts the config, or brings a part that the trainer brings itself.
    """
    wrong = []
    ours: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": ("per_device_train_batch_size", config.per_device_train_batch_size),
        "gradient_accumulation_steps": ("gradient_accumulation_steps", config.gradient_accumulation_steps),
        "gradient_clipping": ("max_grad_norm", config.max_grad_norm),
    }
    for key, (name, value) in ours.items():
        if found.get(key, "auto") not in ("auto", value):
            wrong.append(f'{key} is {found[key]}, {name} is {value} (write "auto", or leave it out)')
    for key, wanted in (("bf16", config.bf16), ("fp16", config.fp16)):
        part = found.get(key, {})
        enabled = part.get("enabled", "auto") if isinstance(part, dict) else part
        if enabled not in ("auto", wanted):
            wrong.append(
                f"{key}.enabled is {json.dumps(enabled)}, the config says {key}: {json.dumps(wanted)}"
            )
    wrong += [
        f"{key}: the trainer brings its own (learning_rate, weight_decay, lr_scheduler_type); leave it out"
        for key in ("optimizer", "scheduler")
        if key in found
    ]
    wrong += _unknown(found)
    zero = found.get("zero_optimization", {})
    wrong += _zero_mistakes(zero) if isinstance(zero, dict) else ["zero_optimization: expected an object"]
    if wrong:
        raise UsageError(f"{where}: " + "; ".join(wrong))


def _unknown(found: dict[str, Any]) -> list[str]:
    """Keys that DeepSpeed would pass over in silence, so that the run is another than the one meant."""
    wrong = []
    for key in found:
        if key in ("stage", "overlap_comm", "offload_optimizer", "offload_param"):
            wrong.append(f"{key}: belongs into zero_optimization; DeepSpeed would ignore it")
        elif key not in SECTIONS and (near := get_close_matches(key, SECTIONS, n=1, cutoff=0.8)):
            wrong.append(f"unknown key {key}, which DeepSpeed would ignore; did you mean {near[0]}?")
    return wrong


def _zero_mistakes(zero: dict[str, Any]) -> list[str]:
    stage = zero.get("stage", 0)
    if isinstance(stage, bool) or stage not in (0, 1, 2, 3):
        return [f"zero_optimization.stage: expected 0, 1, 2 or 3, got {json.dumps(stage)}"]
    wrong = []
    for key in ("offload_param", "offload_optimizer"):
        part = zero.get(key)
        if part is None:
            continue
        device = part.get("device", "none") if isinstance(part, dict) else None
        if device not in ("none", "cpu", "nvme"):
            wrong.append(f'zero_optimization.{key}: expected {{"device": "cpu"}}, got {json.dumps(part)}')
        elif device == "nvme" and not part.get("nvme_path"):
            wrong.append(f'zero_optimization.{key}: device "nvme" needs nvme_path, a directory on the disk')
        elif key == "offload_param" and device != "none" and stage != 3:
            wrong.append("zero_optimization.offload_param works with stage 3 alone")
    wrong += [
        f"zero_optimization.{key} is \"auto\", which Hugging Face's Trainer alone fills in; leave it out for DeepSpeed's "
        "own value, or write a number"
        for key, value in zero.items()
        if value == "auto"
    ]
    return wrong


def filled(config: Batching, world: int) -> dict[str, Any]:
    """The JSON as the engine gets it, batch sizes filled in for a number of ranks.

    Raises:
        UsageError: as `deepspeed_json`.
    """
    found = deepspeed_json(config)
    zero = found.setdefault("zero_optimization", {})
    stage = zero.setdefault("stage", 0)
    each, steps = config.per_device_train_batch_size, config.gradient_accumulation_steps
    if found.get("train_batch_size", "auto") not in ("auto", each * steps * world):
        raise UsageError(
            f"deepspeed: train_batch_size is {found['train_batch_size']}, but {each} a device × {steps} steps × "
            f'{world} ranks are {each * steps * world}; leave it out or write "auto"'
        )
    found |= {
        "train_micro_batch_size_per_gpu": each,
        "gradient_accumulation_steps": steps,
        "train_batch_size": each * steps * world,
        "gradient_clipping": config.max_grad_norm,
        "bf16": {"enabled": config.bf16},
        "fp16": {**found.get("fp16", {}), "enabled": config.fp16},
    }
    found.setdefault("zero_allow_untested_optimizer", True)
    found.setdefault("zero_force_ds_cpu_optimizer", False)
    found.setdefault("steps_per_print", 10**9)
    if stage == 3:
        zero.setdefault("stage3_gather_16bit_weights_on_model_save", True)
    return found


def stage(config: Batching) -> int:
    """The ZeRO stage of a config."""
    return int(deepspeed_json(config).get("zero_optimization", {}).get("stage", 0))
