"""What is wrong with a config, in a line for a person: where it stands, what it is, and what was probably meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from mmtrain.config.error import Place
from mmtrain.config.fields import SECTIONS, Data, DataFile, Lora, Vision
from mmtrain.config.run import Config
from mmtrain.sections.base import Head, Part
from mmtrain.sections.grounding import Grounding, Losses
from mmtrain.sections.regions import Regions
from mmtrain.zero import PRESETS


def told(error: Any, lines: Mapping[Place, str]) -> str:
    """One of pydantic's errors, for a person.

    Args:
        error: the error.
        lines: where each value stands.
    """
    place: Place = tuple(error["loc"])
    shown = ".".join(str(key) for key in place)
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), "")
    prefix = f"{line}: " if line else ""
    if error["type"] == "extra_forbidden":
        return f"{prefix}unknown key {shown}{_nearest(place)}"
    if error["type"] == "missing":
        return f"{shown} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    if not place:
        return message
    if error["type"] == "value_error":
        return f"{prefix}{shown}: {message}"
    got = json.dumps(error["input"], default=str, ensure_ascii=False)
    got = got if len(got) <= 80 else got[:77] + "…"
    if place[0] == "deepspeed":  # of a preset's name, a file and a JSON, none fits
        return f"{prefix}deepspeed: expected a preset ({', '.join(PRESETS)}), a .json file or its keys, got {got}"
    if error["type"] in ("model_type", "dict_type"):
        model = _model_at(place)
        keys = f" ({', '.join(model.model_fields)})" if model is not None else ""
        return f"{prefix}{shown}: expected keys and values{keys}, got {got}{_EXAMPLES.get(shown, '')}"
    if error["type"] == "too_short":
        return f"{prefix}{shown}: is empty"
    if error["type"] == "string_too_short":
        return f"{prefix}{shown}: is an empty text"
    return f"{prefix}{shown}: {message[:1].lower()}{message[1:]}, got {got}"


_EXAMPLES = {
    "data": "; for example data: {train: file.jsonl}",
    "vision": "; for example vision: {tuning: frozen}",
    "projector": "; for example projector: {tuning: full}",
    "language": "; for example language: {tuning: lora}",
}


_ALIASES = {
    "model": "model_name_or_path",
    "resume": "resume_from_checkpoint",
    "lr": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    "epochs": "num_train_epochs",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "max_tiles": "max_dynamic_patch",
    "accumulative_counts": "gradient_accumulation_steps",
    "freeze_llm": "language.tuning",
    "freeze_backbone": "vision.tuning",
    "freeze_mlp": "projector.tuning",
    "use_llm_lora": "lora.r",
    "use_backbone_lora": "lora.r",
    "meta_path": "data.train",
    "data_path": "data.train",
    "conv_style": "template",
    "drop_path_rate": "vision.drop_path_rate",
    "max_num_frame": "video_frames",
    "min_num_frame": "min_video_frames",
    "sampling_method": "video_sampling",
}
"""What people of other trainers write, and the key that is meant."""


def _nearest(place: Place) -> str:
    """What was probably meant."""
    model = _model_at(place[:-1])
    name = str(place[-1])
    if model is None:
        return ""
    if model is Config and name in _ALIASES:
        return f"; did you mean {_ALIASES[name]}?"
    own = get_close_matches(name, list(model.model_fields), n=1, cutoff=0.6)
    if own:
        return "; did you mean " + ".".join([*map(str, place[:-1]), own[0]]) + "?"
    for part in ("data", "vision", "projector", "language", "lora"):
        inner = _model_at((part,))
        if model is Config and inner is not None and name in inner.model_fields:
            return f"; did you mean {part}.{name}?"
    return f"; known: {', '.join(sorted(model.model_fields))}" if len(model.model_fields) < 12 else ""


def _model_at(place: Place) -> type[BaseModel] | None:
    model: type[BaseModel] = Config
    for key in place:
        if isinstance(key, int):
            continue
        below = _BELOW.get((model, key))
        if below is None:
            return None
        model = below
    return model


_BELOW: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
    (Config, "data"): Data,
    (Config, "vision"): Vision,
    (Config, "projector"): Part,
    (Config, "language"): Part,
    (Config, "lora"): Lora,
    (Data, "train"): DataFile,
    (Data, "eval"): DataFile,
    **{(Config, name): section for name, section in SECTIONS.items()},
    **{(Grounding, name): Head for name in ("encoder", "decoder", "projection")},
    (Grounding, "losses"): Losses,
    (Regions, "module"): Head,
}
