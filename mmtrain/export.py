"""A run's checkpoint as a model directory that anyone loads: ZeRO shards gathered, adapters merged or on their own.

The directory is written beside its name, loaded again with transformers, and its logits are compared with those of the
trained model; only then it gets its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmdata.errors import DataError, UsageError

if TYPE_CHECKING:
    from mmtrain.settings import Settings

COPIED = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
"""Files of the base model that are taken over as they are."""

DESCRIPTION = "mmtrain.json"
"""File of an exported directory that says which recipe it is of."""

ENCODING = (
    "min_tiles",
    "max_tiles",
    "thumbnail",
    "dynamic_tiles",
    "min_pixels",
    "max_pixels",
    "video_frames",
    "min_video_frames",
    "video_sampling",
)
"""Settings that pictures and videos are encoded by."""

TOLERANCE = 1e-3
"""Largest difference of fp32 logits that merging adapters may cause, relative to the largest logit."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        directory: the model.
        step: optimizer steps of its checkpoint.
        kind: ``model`` or ``adapter``.
        weights: number of weights in it.
        difference: largest difference of logits, trained against loaded again, relative to the largest logit.
    """

    directory: Path
    step: int
    kind: Literal["model", "adapter"]
    weights: int
    difference: float


def checkpoint_of(run: str | Path, step: int | None = None) -> Path:
    """The checkpoint that a run directory, or a checkpoint directory itself, stands for.

    Raises:
        UsageError: there is none.
    """
    from mmtrain.checkpoint import checkpoints

    path = Path(run)
    if not path.is_dir():
        raise UsageError(f"{path}: no such directory; expected the output_dir of a run, or a checkpoint")
    if (path / "trainer.json").exists():
        return path
    found = checkpoints(path)
    if step is not None:
        found = [one for one in found if one.name == f"checkpoint-{step}"]
    if not found:
        wanted = f"checkpoint-{step}" if step is not None else "complete checkpoint"
        raise UsageError(f"{path}: no {wanted} there")
    return found[-1]


def export(
    run: str | Path,
    output: str | Path,
    *,
    step: int | None = None,
    adapter: bool = False,
    dtype: Literal["fp32", "bf16", "fp16"] | None = None,
    force: bool = False,
) -> Exported:
    """Write a checkpoint as a Hugging Face model directory.

    Args:
        run: output directory of a run, or one of its checkpoints.
        output: the directory to write.
        step: which checkpoint; the newest if None.
        adapter: write the adapters alone, for ``PeftModel.from_pretrained``; otherwise they are merged.
        dtype: of the weights; None: as trained.
        force: replace what is there.

    Raises:
        UsageError: no checkpoint, something is there already, or no adapters to write.
        DataError: the checkpoint lacks weights, or what was written does not give the trained model's logits.
    """
    final = Path(output)
    if final.exists() and not force:
        raise UsageError(f"{final}: is there already; --force replaces it")
    from mmtrain.checkpoint import check_whole, read_state, settings_of

    path = checkpoint_of(run, step)
    check_whole(path)
    saved, settings = read_state(path), settings_of(path)
    import torch

    adapted = "lora" in (settings.vision.tuning, settings.projector.tuning, settings.language.tuning)
    if adapter and settings.recipe != "chat":
        raise UsageError(
            f"{path}: a model of the recipe {settings.recipe} is more than its language model, which an adapter would go to; "
            "leave out --adapter"
        )
    if adapter and not adapted:
        raise UsageError(f"{path}: no part was tuned with adapters; leave out --adapter")
    recipe: Any = import_module(f"mmtrain.recipes.{settings.recipe}")
    encoder = recipe.make_encoder(settings)
    model = recipe.make_model(dataclasses.replace(settings, dtype="fp32"), encoder.tokenizer)
    load_weights(model, path)
    model.eval()
    inputs = probe(encoder)
    partial = final.with_name(final.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype or settings.dtype]
    try:
        with torch.no_grad():
            truth = model(**inputs).logits
            if adapter:
                _all_in_adapter(model, path)
                model.save_pretrained(partial)
                weights = sum(p.numel() for n, p in model.named_parameters() if p.requires_grad)
                difference = _differs(_adapted(settings.model, partial), inputs, truth)
            else:
                if adapted:
                    model = recipe.merged(model)
                    _close(_relative(model(**inputs).logits, truth), "merging the adapters")
                model.to(wanted)
                recipe.save(model, partial)
                weights = sum(p.numel() for p in model.parameters())
                for name in COPIED:
                    if (Path(settings.model) / name).exists():
                        shutil.copy2(Path(settings.model) / name, partial / name)
                encoder.tokenizer.save_pretrained(partial)
                describe(settings, encoder.template.name, partial)
                difference = _same(model, recipe.load(partial, wanted), partial, inputs)
        if final.is_dir():
            shutil.rmtree(final)
        os.replace(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(final, int(saved["step"]), "adapter" if adapter else "model", weights, difference)


def describe(settings: Settings, template: str, directory: Path) -> None:
    """Write what `mmtrain.load` needs besides the model: the recipe, and how pictures and turns become inputs."""
    told = {
        "recipe": settings.recipe,
        "template": template,
        **{key: getattr(settings, key) for key in ENCODING},
        "section": {k: v for k, v in settings.section.items() if k != "decoder_name_or_path"},
    }
    (directory / DESCRIPTION).write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def load_weights(model: Any, path: Path) -> None:
    """Load a checkpoint's weights into a model that was built as for training, in float32.

    Args:
        model: as the recipe makes it.
        path: the checkpoint.

    Raises:
        DataError: a trained weight is missing in it, or it holds weights that the model has not.
    """
    import torch

    from mmtrain.checkpoint import TAG

    shards = sorted((path / TAG).glob("*optim_states.pt"))
    if shards:
        from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

        with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress there
            weights = get_fp32_state_dict_from_zero_checkpoint(str(path), tag=TAG)
    else:
        file = path / TAG / "mp_rank_00_model_states.pt"
        if not file.exists():
            raise DataError(f"{path}: holds no weights that are known here")
        # A checkpoint of our own trainer: it holds pickled DeepSpeed state besides tensors.
        weights = torch.load(file, map_location="cpu", weights_only=False)["module"]
    found = model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    lost = sorted(set(found.missing_keys) & trained)
    if lost:
        raise DataError(f"{path}: {len(lost)} trained weights are missing, for example {lost[0]}")
    if found.unexpected_keys:
        raise DataError(
            f"{path}: {len(found.unexpected_keys)} weights that the model has not, for example {found.unexpected_keys[0]}"
        )


def probe(encoder: Any) -> dict[str, Any]:
    """Inputs that run through every part of a model: a picture of noise and some tokens."""
    import numpy as np

    from mmtrain.data.collate import padded

    one = encoder.dummy()
    rng = np.random.default_rng(0)
    text = "Where is the white tank? Describe the image."
    ids = encoder.tokenizer.encode(text, add_special_tokens=False)
    one.input_ids = np.concatenate([one.input_ids, np.array(ids, np.int64)])
    one.labels = np.full_like(one.input_ids, -100)
    for key, value in one.media.items():
        if value.dtype.kind == "f":
            one.media[key] = rng.standard_normal(value.shape).astype(value.dtype)
    inputs: dict[str, Any] = {**padded([one], None, "token", 0).inputs, "use_cache": False}
    return inputs


def _adapted(base: str, adapter: Path) -> Any:
    import torch
    from peft import PeftModel

    from mmtrain.recipes import chat

    return PeftModel.from_pretrained(chat.load(base, torch.float32), str(adapter)).eval()


def _differs(model: Any, inputs: dict[str, Any], truth: Any) -> float:
    return _close(_relative(model(**inputs).logits, truth), "loading the adapter again")


def _same(model: Any, again: Any, directory: Path, inputs: dict[str, Any]) -> float:
    """Loaded again, every weight must be the same bit for bit; sums are compared in float32, in which rounding is small."""
    import torch

    ours, theirs = model.state_dict(), again.state_dict()
    changed = [k for k in ours if k not in theirs or not torch.equal(ours[k], theirs[k])]
    if changed or len(ours) != len(theirs):
        raise DataError(
            f"{directory}: loaded again, {len(changed)} weights differ, for example {changed[:1]}"
        )
    difference = _relative(again.float()(**inputs).logits, model.float()(**inputs).logits)
    return _close(difference, "loading the model again")


def _all_in_adapter(model: Any, path: Path) -> None:
    own = ("lora_", "modules_to_save", "trainable_tokens")
    outside = [
        name for name, p in model.named_parameters() if p.requires_grad and not any(w in name for w in own)
    ]
    if outside:
        raise UsageError(
            f"{path}: {len(outside)} weights outside the adapters were trained too, for example {outside[0]}; an adapter "
            "would lack them: leave out --adapter to write the whole model"
        )


def _relative(logits: Any, truth: Any) -> float:
    return float((logits.float() - truth.float()).abs().max() / truth.float().abs().max().clamp_min(1e-6))


def _close(difference: float, what: str) -> float:
    # NaN is close to nothing.
    if not difference <= TOLERANCE:
        raise DataError(f"{what} changes the logits by {difference:.1e} of the largest; nothing was exported")
    return difference
