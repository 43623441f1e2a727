"""DeepSpeed's engine: its process group, its JSON filled in, its model and optimizer, and what it does not tell itself."""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from typing import Any

from mmdata.errors import UsageError
from mmtrain.settings import Settings


def prepare() -> None:
    """Environment and process group; one process alone becomes a group of one."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for key, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}.items():
        os.environ.setdefault(key, value)
    if "MASTER_PORT" not in os.environ:
        os.environ["MASTER_PORT"] = str(_free_port())
    import torch

    # torch reads the variable when it is imported, which may be long ago. More threads than that spin as they wait for
    # each other: on a busy machine they cost many times what they save.
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    cpu = not torch.cuda.is_available()
    if cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import logging

    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if cpu:  # otherwise DeepSpeed compiles a helper at start, which needs a compiler and 40 seconds
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    else:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed("gloo" if cpu else "nccl", verbose=False)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def deepspeed_config(settings: Settings, world: int) -> dict[str, Any]:
    """DeepSpeed's JSON with batch sizes, clipping and precision filled in where it is silent.

    Raises:
        UsageError: the JSON says something else than the settings.
    """
    s = settings
    config: dict[str, Any] = json.loads(json.dumps(s.deepspeed))
    config.setdefault("zero_optimization", {}).setdefault("stage", 0)
    ours = {
        "train_micro_batch_size_per_gpu": s.per_device_train_batch_size,
        "gradient_accumulation_steps": s.gradient_accumulation_steps,
        "train_batch_size": s.per_device_train_batch_size * s.gradient_accumulation_steps * world,
        "gradient_clipping": s.max_grad_norm,
    }
    for key, value in ours.items():
        if config.get(key, "auto") not in ("auto", value):
            raise UsageError(
                f'deepspeed: {key} is {config[key]}, the settings say {value}; leave it out or write "auto"'
            )
        config[key] = value
    config["bf16"] = {"enabled": s.dtype == "bf16"}
    config["fp16"] = {**config.get("fp16", {}), "enabled": s.dtype == "fp16"}
    config.setdefault("zero_allow_untested_optimizer", True)
    config.setdefault("zero_force_ds_cpu_optimizer", False)
    config.setdefault("steps_per_print", 10**9)
    if config["zero_optimization"]["stage"] == 3:
        config["zero_optimization"].setdefault("stage3_gather_16bit_weights_on_model_save", True)
    return config


def check_engine(config: dict[str, Any]) -> None:
    """Whether DeepSpeed takes a JSON and the device its precision; told before a model is loaded.

    Args:
        config: of `deepspeed_config`.

    Raises:
        UsageError: it does not.
    """
    from deepspeed.accelerator import get_accelerator
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
    from pydantic import ValidationError

    try:
        DeepSpeedZeroConfig(**config["zero_optimization"])
    except ValidationError as error:
        wrong = []
        for one in error.errors():
            key = ".".join(str(part) for part in one["loc"])
            near = get_close_matches(key, DeepSpeedZeroConfig.model_fields, n=1)
            if one["type"] == "extra_forbidden":
                wrong.append(f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else ""))
            else:
                wrong.append(f"{key}: {one['msg']}, got {json.dumps(one['input'], default=str)}")
        raise UsageError(f"deepspeed: zero_optimization: {'; '.join(wrong)}") from None
    device = get_accelerator()
    for name, fits in (("fp16", device.is_fp16_supported), ("bf16", device.is_bf16_supported)):
        if config[name]["enabled"] and not fits():
            raise UsageError(
                f"{name}: this machine's {device.device_name()} does not compute in it; write `{name}: false`"
                + (" and `bf16: false` for float32" if name == "fp16" else " for float32")
            )


def make_engine(settings: Settings, recipe: Any, tokenizer: Any, config: dict[str, Any]) -> tuple[Any, Any]:
    """(engine, model): the recipe's model with AdamW, in DeepSpeed's engine.

    Args:
        settings: of the run.
        recipe: module that makes the model and says which weights are trained.
        tokenizer: the model's.
        config: of `deepspeed_config`.
    """
    import deepspeed
    import torch

    stage = config["zero_optimization"]["stage"]
    keep = None
    if stage == 3:  # from_pretrained then loads straight into shards, as long as this object lives
        from transformers.integrations.deepspeed import HfDeepSpeedConfig

        keep = HfDeepSpeedConfig(config)  # type: ignore[no-untyped-call]
    model = recipe.make_model(settings, tokenizer)
    s = settings
    optimizer = torch.optim.AdamW(
        recipe.groups(model, s), betas=(s.adam_beta1, s.adam_beta2), eps=s.adam_epsilon
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    if stage == 0:
        # In half precision DeepSpeed takes a step of zeros to allocate the state: it would decay the weights, and Adam
        # would count it, which shortens the first real steps.
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    del keep
    if stage == 0:
        optimizer.state.clear()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
    return engine, model


def gradient_norm(engine: Any) -> float:
    """2-norm of all gradients between the last backward pass and the step, before clipping, without the loss scale.

    For ZeRO stage 0 alone: DeepSpeed computes no norm there, and from stage 1 on no rank holds all gradients.
    """
    import torch

    norms = [
        torch.linalg.vector_norm(p.grad, dtype=torch.float32)
        for p in engine.module.parameters()
        if p.grad is not None
    ]
    scale = float(getattr(engine.optimizer, "cur_scale", 1.0))
    return float(torch.stack(norms).norm()) / scale if norms else 0.0
