"""The YAML of a run: flat, in Hugging Face's argument names where there is one, with five nested parts.

`data` says what is trained on; `vision`, `projector` and `language` say how each part of the model is tuned; `lora` holds
the adapters' numbers. Everything else is a flat key: Hugging Face's `TrainingArguments` name where it exists
(`learning_rate`, `per_device_train_batch_size`, `save_steps` …), else InternVL's (`max_dynamic_patch`, `use_thumbnail`,
`num_images_expected`, `loss_reduction` …), else our own.

Nothing here imports torch: a mistake in a config is told before any model is loaded. `Config.settings` gives what the
trainer works with (`mmtrain.settings.Settings`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from mmdata.errors import UsageError
from mmtrain.sections.base import Head, Part, Positive, Rate, Share, Strict
from mmtrain.sections.grounding import Grounding, Losses
from mmtrain.sections.regions import Regions

if TYPE_CHECKING:
    from mmtrain.settings import Settings

Place: TypeAlias = tuple[str | int, ...]
"""Where a value lies: keys and list indices from the top."""


class ConfigError(UsageError):
    """A config that cannot be used; the message is one line, whatever is wrong with it."""


class DataFile(Strict):
    """A data file, ``data.txt`` or InternVL meta file."""

    path: str
    """The file; globs are not expanded."""
    name: str = ""
    """How messages call it."""
    format: str | None = None
    """Its format (`mmdata formats`); told by the content if left out."""
    media_root: str | None = None
    """Directory that relative media paths start from."""
    max_dynamic_patch: Positive | None = None
    """Most tiles of a picture in this file (InternVL meta: ``max_dynamic_patch``)."""
    weight: Annotated[float, Field(gt=0)] = 1
    """Passes over the file in an epoch: 0.25 takes a quarter, 2 takes every record twice. Mixture files have their own."""


def _one_or_more(value: Any) -> Any:
    """A path alone stands for a file, a file alone for a list."""
    many = value if isinstance(value, (list, tuple)) else [value]
    return [{"path": one} if isinstance(one, str) else one for one in many]


Files: TypeAlias = Annotated[tuple[DataFile, ...], BeforeValidator(_one_or_more)]


class Data(Strict):
    """What is trained on."""

    train: Annotated[Files, Field(min_length=1)]
    """Training files: a path, a mapping, or a list of them."""
    eval: Files = ()
    """Held-out files."""


class Vision(Part):
    """How the vision encoder is tuned."""

    last_layers: Positive | None = None
    """Train the last N layers alone (InternVL: ``unfreeze_vit_layers: -N``)."""
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability with which the last layer leaves out its branches while training, growing evenly from 0 (InternVL)."""


class Lora(Strict):
    """Low-rank adapters of the parts tuned with ``lora``; names as in peft's ``LoraConfig``."""

    r: Positive = 16
    """Rank."""
    lora_alpha: Positive = 32
    """The adapter counts lora_alpha / r times."""
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Of the adapter's input."""
    target_modules: str | None = None
    """A regular expression over full module names; the family's linear layers if left out."""
    modules_to_save: tuple[str, ...] = ()
    """Modules trained in full beside the adapters."""
    new_tokens: tuple[str, ...] = ()
    """Tokens whose embeddings are trained, and nothing else of the embedding."""

    @model_validator(mode="after")
    def _pattern(self) -> Lora:
        if self.target_modules is not None:
            try:
                re.compile(self.target_modules)
            except re.error as error:
                raise ValueError(f"target_modules: no regular expression: {error}") from None
        return self


def _words(value: Any) -> Any:
    return () if value in (None, "none") else [value] if isinstance(value, str) else value


def _resume(value: Any) -> Any:
    return {True: "auto", False: None}.get(value, value) if isinstance(value, bool) else value


class Config(Strict):
    """A training run."""

    model_name_or_path: str
    """Local model directory (`mmtrain import-checkpoint` and `mmtrain make-tiny` write some)."""
    output_dir: str
    """Where everything of the run goes."""
    data: Data
    mixture: Literal["exact", "internvl", "geopixel", "xcomposer"] = "exact"
    """How an epoch draws. exact: every record as often as any other of its file, quotas kept exactly. internvl: the first
    int(lines x repeat_time) lines, or whole repetitions. geopixel, xcomposer: their loader's calls, with replacement."""
    given_num: bool = True
    """Numbers of a data.txt: thousands of samples, or (false) ratios of the file."""
    recipe: str = "chat"
    """What is trained: a module of `mmtrain.recipes`."""
    template: str | None = None
    """Chat template: internvl2_5, Hermes-2, internlm2-chat, phi3-chat …; told by the model family if left out."""

    vision: Vision = Vision()
    projector: Part = Part()
    language: Part = Part()
    lora: Lora = Lora()
    grounding: Grounding = Grounding()
    regions: Regions = Regions()
    gradient_checkpointing: bool = False
    """Compute activations twice rather than keep them."""
    use_liger_kernel: bool = False
    """Fused RMSNorm and SwiGLU of the package liger-kernel, on GPUs."""
    bf16: bool = True
    """Weights and activations in bfloat16, optimizer in float32."""
    fp16: bool = False
    """The same in float16, with a loss scale."""

    max_length: Positive = 4096
    """Most tokens of a sample and of a packed sequence; a longer sample is bad, it is never cut."""
    dynamic_image_size: bool = True
    """Cut pictures into tiles."""
    min_dynamic_patch: Positive = 1
    """Fewest tiles of a picture."""
    max_dynamic_patch: Positive = 12
    """Most tiles of a picture, the thumbnail not counted."""
    use_thumbnail: bool = True
    """Add the whole picture as a tile where there is more than one."""
    min_pixels: Positive | None = None
    """Fewest pixels of a picture (Qwen2-VL); the model directory's if left out."""
    max_pixels: Positive | None = None
    """Most pixels of a picture (Qwen2-VL); the model directory's if left out."""
    video_frames: Positive = 8
    """Most frames of a video (InternVL: ``max_num_frame``)."""
    min_video_frames: Positive | None = None
    """Fewest (``min_num_frame``): how many is drawn for each video; always video_frames if left out."""
    video_sampling: Literal["middle", "rand"] = "middle"
    """Which frame of each of so many intervals of a video: its middle, or any, drawn by the seed."""

    packing: bool = True
    """Several samples share a sequence; each sees only itself."""
    group_by_length: bool = False
    """Without packing: batches of samples of about one length."""
    num_images_expected: Positive = 48
    """Most tiles of a packed sequence."""
    packing_window: Positive = 1024
    """Samples looked at together when packing."""
    loss_reduction: Literal["token", "sample", "square"] = "token"
    """Weight of a token: 1, or 1/x or 1/sqrt(x) for a sample with x labelled tokens."""
    on_bad_sample: Literal["stop", "quarantine"] = "stop"
    """A sample that cannot be used stops the run, or is left out, counted and listed. It is never replaced."""

    per_device_train_batch_size: Positive = 1
    """Sequences of a rank in one forward pass: packed ones with packing, else samples."""
    per_device_eval_batch_size: Positive = 1
    """The same while evaluating."""
    gradient_accumulation_steps: Positive = 1
    """Batches of a rank in one optimizer step."""
    learning_rate: Rate = 4e-5
    """Highest learning rate (AdamW); a part may have its own."""
    weight_decay: Share = 0.01
    """AdamW: decay of weights, not of biases and norms."""
    adam_beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """AdamW: mean of gradients."""
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """AdamW: mean of their squares."""
    adam_epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """AdamW: added to the denominator."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Gradients are scaled down to this norm; 0 never."""
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after warmup."""
    warmup_ratio: Share = 0.03
    """Share of all steps in which the learning rate rises to its highest."""
    num_train_epochs: Annotated[float, Field(gt=0)] = 1.0
    """Passes over the mixture."""
    max_steps: Annotated[int, Field(ge=-1)] = -1
    """Optimizer steps; -1: as many as num_train_epochs takes."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Of data order, dropout and new weights."""
    deepspeed: str | dict[str, Any] = "zero1"
    """A preset (zero0 … zero3, zero1_offload … zero3_offload), a JSON file, or the JSON itself."""

    dataloader_num_workers: Annotated[int, Field(ge=0)] = 2
    """Processes of a rank that read samples; 0 reads in the rank itself."""
    dataloader_prefetch_factor: Positive = 4
    """Batches that each of them prepares ahead."""
    logging_steps: Positive = 1
    """Optimizer steps between lines of the log."""
    save_steps: Annotated[int, Field(ge=0)] = 500
    """Optimizer steps between checkpoints; 0 saves at the end alone."""
    save_total_limit: Annotated[int, Field(ge=0)] = 2
    """Checkpoints kept; 0 keeps all."""
    eval_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps between evaluations on data.eval; 0 never evaluates."""
    keep_best: bool = False
    """Keep the checkpoint of the lowest evaluation loss besides."""
    early_stopping_patience: Positive | None = None
    """Evaluations without improvement after which to stop."""
    report_to: Annotated[tuple[Literal["tensorboard", "wandb"], ...], BeforeValidator(_words)] = (
        "tensorboard",
    )
    """Where the log also goes: tensorboard, wandb, both or none."""
    resume_from_checkpoint: Annotated[str | None, BeforeValidator(_resume)] = "auto"
    """auto: go on from the newest checkpoint in output_dir if there is one; a checkpoint directory; or null."""

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        wrong = list(self._contradictions())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.bf16 and self.fp16:
            yield "bf16 and fp16 exclude each other; write `bf16: false` beside `fp16: true`"
        if self.min_dynamic_patch > self.max_dynamic_patch:
            yield f"min_dynamic_patch {self.min_dynamic_patch} is more than max_dynamic_patch {self.max_dynamic_patch}"
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            yield f"min_pixels {self.min_pixels} is more than max_pixels {self.max_pixels}"
        if self.min_video_frames is not None and self.min_video_frames > self.video_frames:
            yield f"min_video_frames {self.min_video_frames} is more than video_frames {self.video_frames}"
        parts = (self.vision, self.projector, self.language)
        beside = self.recipe == "regions" and self.regions.module.tuning == "full"
        if all(part.tuning == "frozen" for part in parts) and not beside:
            yield "vision, projector and language are all frozen: nothing to train"
        if self.vision.last_layers is not None and self.vision.tuning != "full":
            yield f"vision.last_layers goes with `tuning: full`, not {self.vision.tuning}"
        if self.lora != Lora() and not self.adapts:
            yield "lora is given, but no part has `tuning: lora`"
        if self.eval_steps and not self.data.eval:
            yield "eval_steps needs held-out files in data.eval"
        if self.data.eval and not self.eval_steps:
            yield "data.eval is given, but eval_steps is 0: nothing would be evaluated"
        if (self.keep_best or self.early_stopping_patience) and not self.eval_steps:
            yield "keep_best and early_stopping_patience need eval_steps"
        if self.recipe == "regions" and (
            self.min_video_frames is not None or self.video_sampling != "middle"
        ):
            yield "min_video_frames and video_sampling are InternVL's; `recipe: regions` takes frames by regions.sampling"
        if self.packing and self.group_by_length:
            yield "group_by_length is for `packing: false`; a packed sequence is full anyway"

        for name in SECTIONS:
            section = getattr(self, name)
            if name != self.recipe and section != type(section)():
                yield f"{name} is given, but the recipe is {self.recipe}"

    @property
    def dtype(self) -> Literal["fp32", "bf16", "fp16"]:
        """Of weights and activations."""
        return "bf16" if self.bf16 else "fp16" if self.fp16 else "fp32"

    @property
    def adapts(self) -> bool:
        """Whether any part has adapters."""
        return "lora" in (self.vision.tuning, self.projector.tuning, self.language.tuning)

    def settings(self) -> Settings:
        """What the trainer works with; mixture files are read, DeepSpeed's JSON is checked.

        Raises:
            UsageError: a data file or DeepSpeed JSON cannot be used.
        """
        from mmtrain.data.mixing import sources
        from mmtrain.settings import Lora as LoraSettings
        from mmtrain.settings import Part as PartSettings
        from mmtrain.settings import Settings
        from mmtrain.zero import deepspeed_json

        same = {name: getattr(self, name) for name in _SAME}
        renamed = {ours: getattr(self, theirs) for theirs, ours in _RENAMED.items()}
        return Settings(
            **same,
            **renamed,
            dtype=self.dtype,
            section=getattr(self, self.recipe).model_dump(mode="json") if self.recipe in SECTIONS else {},
            train=sources(self.data.train, mode=self.mixture, given_num=self.given_num),
            eval=sources(self.data.eval, given_num=self.given_num),
            vision=PartSettings(**self.vision.model_dump()),
            projector=PartSettings(**self.projector.model_dump()),
            language=PartSettings(**self.language.model_dump()),
            lora=LoraSettings(
                r=self.lora.r,
                alpha=self.lora.lora_alpha,
                dropout=self.lora.lora_dropout,
                target_modules=self.lora.target_modules,
                modules_to_save=self.lora.modules_to_save,
                new_tokens=self.lora.new_tokens,
            ),
            deepspeed=deepspeed_json(self),
        )


_RENAMED = {
    "model_name_or_path": "model",
    "max_dynamic_patch": "max_tiles",
    "min_dynamic_patch": "min_tiles",
    "use_thumbnail": "thumbnail",
    "dynamic_image_size": "dynamic_tiles",
    "num_images_expected": "packed_tiles",
    "resume_from_checkpoint": "resume",
}
"""Keys whose name in `mmtrain.settings.Settings` is another."""

SECTIONS: dict[str, type[Strict]] = {"grounding": Grounding, "regions": Regions}
"""Settings that belong to one recipe, by its name."""

_OWN = {
    "data", "given_num", "vision", "projector", "language", "lora", "bf16", "fp16", "deepspeed", *SECTIONS
}  # fmt: skip
_SAME = [name for name in Config.model_fields if name not in _OWN and name not in _RENAMED]

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


# --- reading ----------------------------------------------------------------------------------------------------------


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config and apply ``key=value`` overrides (dotted paths, values as in YAML).

    Raises:
        ConfigError: not readable, not YAML, or something in it is wrong; one line names every mistake with its line.
    """
    import yaml

    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    lines: dict[Place, str] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _walk(node, (), lines)
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_problem(error)}") from None
    except _Twice as twice:
        raise ConfigError(f"{path}: {twice}") from None
    if not isinstance(plain, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(plain).__name__}")
    for override in overrides:
        _override(plain, override, lines)
    return parse_config(plain, str(path), lines)


def parse_config(plain: dict[str, Any], where: str, lines: dict[Place, str] | None = None) -> Config:
    """Check a config that is read already.

    Args:
        plain: keys and values.
        where: names it in messages.
        lines: where each value stands, for messages.

    Raises:
        ConfigError: one line names every mistake.
    """
    plain = dict(plain)
    if "resume" in plain and "resume_from_checkpoint" not in plain:
        plain["resume_from_checkpoint"] = plain.pop("resume")
        if lines is not None and ("resume",) in lines:
            lines[("resume_from_checkpoint",)] = lines[("resume",)]
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        told = [_told(one, lines or {}) for one in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(dict.fromkeys(told))) from None


class _Twice(Exception):
    """A key stands twice in one mapping; YAML readers silently take the last."""


def _walk(node: Any, place: Place, lines: dict[Place, str]) -> None:
    import yaml

    if node is None:
        return
    lines[place] = f"line {node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise _Twice(f"line {line}: {key.value} stands here and in line {seen[key.value]}")
            seen[key.value] = line
            _walk(value, (*place, key.value), lines)
            lines[(*place, key.value)] = f"line {line}"
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*place, index), lines)


def _yaml_problem(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{line}not YAML: {getattr(error, 'problem', None) or error}".replace("\n", " ")


def _override(plain: dict[str, Any], override: str, lines: dict[Place, str]) -> None:
    import yaml

    key, sign, text = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"{override}: expected key=value, for example learning_rate=1e-5")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override}: {_yaml_problem(error)}") from None
    *above, last = key.split(".")
    here: Any = plain
    place: Place = ()
    for step in above:
        here, place = _inside(here, step, place, override)
    if isinstance(here, list):
        index = _index(here, last, override)
        here[index], place = value, (*place, index)
    else:
        here[last], place = value, (*place, last)
    lines[place] = f"override {override}"


def _inside(here: Any, step: str, place: Place, override: str) -> tuple[Any, Place]:
    if isinstance(here, list):
        index = _index(here, step, override)
        below, place = here[index], (*place, index)
    else:
        below, place = here.setdefault(step, {}), (*place, step)
    if not isinstance(below, (dict, list)):
        raise ConfigError(f"{override}: {'.'.join(map(str, place))} is {below!r}, it has nothing inside")
    return below, place


def _index(here: list[Any], step: str, override: str) -> int:
    if not step.isdigit() or int(step) >= len(here):
        raise ConfigError(f"{override}: expected a number below {len(here)}, got {step!r}")
    return int(step)


def _told(error: Any, lines: dict[Place, str]) -> str:
    """One mistake, for a person."""
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
    return f"{prefix}{shown}: {message[:1].lower()}{message[1:]}, got {got}"


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


def to_yaml(config: Config) -> str:
    """The resolved config: every key with its value."""
    import yaml

    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def json_schema() -> str:
    """JSON Schema of the YAML, for editors (``# yaml-language-server: $schema=…``)."""
    schema = Config.model_json_schema(mode="validation")
    for name in ("train", "eval"):
        schema["$defs"]["Data"]["properties"][name] = {
            "description": schema["$defs"]["Data"]["properties"][name].get("description", ""),
            "anyOf": [
                {"type": "string"},
                {"$ref": "#/$defs/DataFile"},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/DataFile"}]}},
            ],
        }
    words = schema["properties"]["report_to"]
    one = words.pop("items")
    words.pop("type")
    words["anyOf"] = [{"type": "array", "items": one}, one, {"const": "none"}, {"type": "null"}]
    schema["properties"]["resume_from_checkpoint"]["anyOf"].append({"type": "boolean"})
    schema["properties"]["resume"] = {
        **schema["properties"]["resume_from_checkpoint"],
        "title": "Resume",
        "description": "Short for resume_from_checkpoint.",
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
