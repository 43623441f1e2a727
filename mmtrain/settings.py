"""What the trainer needs to know, in Hugging Face's argument names."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mmtrain.data.sources import Source
from mmtrain.losses import Reduction

if TYPE_CHECKING:
    from mmdata.mixing.mixture import Mode

Tuning = Literal["full", "frozen", "lora"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one part of the model is trained.

    Attributes:
        tuning: every weight, none, or low-rank adapters.
        learning_rate: of this part; None takes the run's.
        last_layers: vision only: train the last N layers and what follows them; None trains all.
        drop_path_rate: vision only: with which probability the last layer leaves out its branches while training.
    """

    tuning: Tuning = "full"
    learning_rate: float | None = None
    last_layers: int | None = None
    drop_path_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters of the parts tuned with ``lora``.

    Attributes:
        r: rank.
        alpha: scale; the adapter counts alpha / r times.
        dropout: of the adapter's input.
        target_modules: a regular expression over full module names; None: the family's linear layers.
        modules_to_save: modules trained in full beside the adapters.
        new_tokens: tokens whose embeddings are trained, and nothing else of the embedding.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    target_modules: str | None = None
    modules_to_save: tuple[str, ...] = ()
    new_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One training run. Names and meaning follow Hugging Face's ``TrainingArguments`` where it has them.

    Attributes:
        model: local model directory.
        output_dir: where everything of the run goes.
        train: data files.
        eval: held-out data files.
        mixture: how an epoch draws from the training files: a mode of `mmdata.Mixture`.
        template: chat template; None: told by the model family.
        recipe: what is trained: a module of `mmtrain.recipes`.
        section: settings of the recipe's own, as JSON (see `mmtrain.sections`).
        max_length: most tokens of a sample, and of a packed sequence.
        max_tiles: ``max_dynamic_patch`` of the whole run.
        min_tiles: ``min_dynamic_patch``.
        thumbnail: ``use_thumbnail``.
        dynamic_tiles: ``dynamic_image_size``.
        min_pixels: fewest pixels of a picture, where a family bounds them; None: the model directory's.
        max_pixels: most.
        video_frames: most frames of a video (InternVL's ``max_num_frame``).
        min_video_frames: fewest (``min_num_frame``): the number is drawn for each video; None: always `video_frames`.
        video_sampling: which frame of each interval (``sampling_method``).
        packing: several samples share a sequence.
        group_by_length: without packing: batches of samples of about one length.
        packed_tiles: most tiles of a packed sequence (InternVL's ``num_images_expected``).
        packing_window: samples looked at together when packing.
        loss_reduction: weight of tokens.
        on_bad_sample: what a sample does that cannot be used.
        max_steps: optimizer steps; -1: as many as `num_train_epochs` takes.
        deepspeed: DeepSpeed's JSON; batch sizes and clipping are filled in.
        dtype: of weights and activations; fp32, bf16 or fp16.
        early_stopping_patience: evaluations without improvement after which to stop; None never stops.
        resume: ``"auto"``: from the newest checkpoint if there is one; a checkpoint directory; or None.
    """

    model: str
    output_dir: str
    train: tuple[Source, ...]
    eval: tuple[Source, ...] = ()
    mixture: Mode = "exact"
    template: str | None = None
    recipe: str = "chat"
    section: dict[str, Any] = field(default_factory=dict)
    max_length: int = 4096
    max_tiles: int = 12
    min_tiles: int = 1
    thumbnail: bool = True
    dynamic_tiles: bool = True
    min_pixels: int | None = None
    max_pixels: int | None = None
    video_frames: int = 8
    min_video_frames: int | None = None
    video_sampling: Literal["middle", "rand"] = "middle"
    packing: bool = True
    group_by_length: bool = False
    packed_tiles: int = 48
    packing_window: int = 1024
    loss_reduction: Reduction = "token"
    on_bad_sample: Literal["stop", "quarantine"] = "stop"
    vision: Part = field(default_factory=Part)
    projector: Part = field(default_factory=Part)
    language: Part = field(default_factory=Part)
    lora: Lora = field(default_factory=Lora)
    gradient_checkpointing: bool = False
    use_liger_kernel: bool = False
    per_device_train_batch_size: int = 1
    per_device_eval_batch_size: int = 1
    gradient_accumulation_steps: int = 1
    learning_rate: float = 4e-5
    weight_decay: float = 0.01
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = 0.03
    warmup_steps: int = 0
    num_train_epochs: float = 1.0
    max_steps: int = -1
    seed: int = 42
    dtype: Literal["fp32", "bf16", "fp16"] = "bf16"
    deepspeed: dict[str, Any] = field(default_factory=dict)
    dataloader_num_workers: int = 2
    dataloader_prefetch_factor: int = 4
    logging_steps: int = 1
    save_steps: int = 500
    save_total_limit: int = 2
    eval_steps: int = 0
    keep_best: bool = False
    early_stopping_patience: int | None = None
    report_to: tuple[str, ...] = ("tensorboard",)
    resume: str | None = "auto"


def to_plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, as checkpoints keep them."""
    plain = asdict(settings)
    for source in (*plain["train"], *plain["eval"]):
        source.pop("_open")
    return plain


def from_plain(plain: dict[str, Any]) -> Settings:
    """The settings of `to_plain`, or of its JSON.

    Raises:
        TypeError: a name that is none of the settings'.
    """
    made = dict(plain)
    for key in ("train", "eval"):
        made[key] = tuple(Source(**source) for source in plain.get(key, ()))
    for key in ("vision", "projector", "language"):
        if key in plain:
            made[key] = Part(**plain[key])
    if "lora" in plain:
        lora = plain["lora"]
        lists = {k: tuple(lora[k]) for k in ("modules_to_save", "new_tokens") if k in lora}
        made["lora"] = Lora(**{**lora, **lists})
    if "report_to" in plain:
        made["report_to"] = tuple(plain["report_to"])
    return Settings(**made)
