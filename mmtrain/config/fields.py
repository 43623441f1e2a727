"""Every key of a config, its type, its default, and which of them contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from mmtrain.sections.base import NUMBER, Count, Part, Positive, Rate, Share, Strict
from mmtrain.sections.grounding import Grounding
from mmtrain.sections.regions import Regions

SECTIONS: dict[str, type[Strict]] = {"grounding": Grounding, "regions": Regions}
"""Settings that belong to one recipe, by its name."""


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
    weight: Annotated[float, Field(gt=0), NUMBER] = 1
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
    drop_path_rate: Annotated[float, Field(ge=0, lt=1), NUMBER] = 0.0
    """Probability with which the last layer leaves out its branches while training, growing evenly from 0 (InternVL)."""


class Lora(Strict):
    """Low-rank adapters of the parts tuned with ``lora``; names as in peft's ``LoraConfig``."""

    r: Positive = 16
    """Rank."""
    lora_alpha: Positive = 32
    """The adapter counts lora_alpha / r times."""
    lora_dropout: Annotated[float, Field(ge=0, lt=1), NUMBER] = 0.05
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


class Fields(Strict):
    """The keys of a training run."""

    model_name_or_path: Annotated[str, Field(min_length=1)]
    """Local model directory (`mmtrain import-checkpoint` and `mmtrain make-tiny` write some)."""
    output_dir: Annotated[str, Field(min_length=1)]
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
    adam_beta1: Annotated[float, Field(ge=0, lt=1), NUMBER] = 0.9
    """AdamW: mean of gradients."""
    adam_beta2: Annotated[float, Field(ge=0, lt=1), NUMBER] = 0.999
    """AdamW: mean of their squares."""
    adam_epsilon: Annotated[float, Field(gt=0), NUMBER] = 1e-8
    """AdamW: added to the denominator."""
    max_grad_norm: Annotated[float, Field(ge=0), NUMBER] = 1.0
    """Gradients are scaled down to this norm; 0 never."""
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after warmup."""
    warmup_ratio: Share = 0.03
    """Share of all steps in which the learning rate rises to its highest."""
    warmup_steps: Count = 0
    """Steps in which it rises; 0: as warmup_ratio says."""
    num_train_epochs: Annotated[float, Field(gt=0), NUMBER] = 1.0
    """Passes over the mixture."""
    max_steps: Annotated[int, Field(ge=-1), NUMBER] = -1
    """Optimizer steps; -1: as many as num_train_epochs takes."""
    seed: Count = 42
    """Of data order, dropout and new weights."""
    deepspeed: str | dict[str, Any] = "zero1"
    """A preset (zero0 … zero3, zero1_offload … zero3_offload), a JSON file, or the JSON itself."""

    dataloader_num_workers: Count = 2
    """Processes of a rank that read samples; 0 reads in the rank itself."""
    dataloader_prefetch_factor: Positive = 4
    """Batches that each of them prepares ahead."""
    logging_steps: Positive = 1
    """Optimizer steps between lines of the log."""
    save_steps: Count = 500
    """Optimizer steps between checkpoints; 0 saves at the end alone."""
    save_total_limit: Count = 2
    """Checkpoints kept; 0 keeps all."""
    eval_steps: Count = 0
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
    def _consistent(self) -> Fields:
        wrong = list(self._contradictions())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.max_steps == 0:
            yield "max_steps 0 would train nothing; -1 takes as many as num_train_epochs says"
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
            yield "lora is given, but no part has `tuning: lora`; write `language: {tuning: lora}`, or leave lora out"
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
