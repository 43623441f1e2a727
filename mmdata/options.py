"""What a validation run may assume: `Options`, the ``--assume`` table and the template names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmdata.errors import UnknownName, UsageError

MediaLevel = Literal["none", "exists", "header", "decode"]
MEDIA_LEVELS: tuple[MediaLevel, ...] = ("none", "exists", "header", "decode")

MasksLevel = Literal["basic", "full"]
MASKS_LEVELS: tuple[MasksLevel, ...] = ("basic", "full")

InternVLTemplate = Literal["internvl2_5", "Hermes-2", "internlm2-chat", "phi3-chat"]
TEMPLATES: tuple[InternVLTemplate, ...] = ("internvl2_5", "Hermes-2", "internlm2-chat", "phi3-chat")

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Assumption:
    """One fact outside the file that a person may state with ``--assume KEY=VALUE``."""

    type: type[bool | int | float]
    meaning: str


ASSUMPTIONS: dict[str, Assumption] = {
    "max_length": Assumption(
        int,
        "tokens per sample the trainer keeps (GeoPixel/XComposer --max_length, InternVL --max_seq_length)",
    ),
    "max_packed_tokens": Assumption(int, "InternVL --max_packed_tokens"),
    "num_images_expected": Assumption(
        int, "InternVL --num_images_expected: tiles a packed sequence may hold"
    ),
    "max_dynamic_patch": Assumption(
        int, "InternVL --max_dynamic_patch: most tiles of one image (before the thumbnail)"
    ),
    "hd_num": Assumption(int, "XComposer/GeoPixel --hd_num: most 560-pixel tiles of one image"),
    "batch_size": Assumption(int, "XComposer/GeoPixel --batch_size"),
    "per_device_train_batch_size": Assumption(int, "Hugging Face's batch size per device"),
    "given_num": Assumption(
        bool, "data.txt numbers are thousands of samples (True, all published scripts) or ratios (False)"
    ),
    "ranks": Assumption(int, "number of training processes"),
    "workers": Assumption(int, "loader workers per training process"),
    "packed": Assumption(bool, "InternVL --use_packed_ds"),
    "group_by_length": Assumption(bool, "InternVL --group_by_length"),
    "use_data_resampling": Assumption(bool, "InternVL --use_data_resampling"),
    "petrel": Assumption(bool, "the petrel client is installed where training runs"),
}


def parse_assumptions(items: Iterable[str]) -> dict[str, bool | int | float]:
    """``["max_length=4096", …]`` -> typed values.

    Raises:
        UsageError: an item is not KEY=VALUE, the key is unknown (nearest named) or the value has the wrong type.
    """
    result: dict[str, bool | int | float] = {}
    for item in items:
        key, separator, text = item.partition("=")
        key = key.strip().replace("-", "_")
        if not separator:
            raise UsageError(f"--assume takes KEY=VALUE, got {item!r}")
        if key not in ASSUMPTIONS:
            raise UnknownName("assumption", key, ASSUMPTIONS)
        result[key] = _typed(key, text.strip())
    return result


def _typed(key: str, text: str) -> bool | int | float:
    wanted = ASSUMPTIONS[key].type
    if wanted is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise UsageError(f"--assume {key} takes true or false, got {text!r}")
        return words[text.lower()]
    try:
        value = wanted(text)
    except ValueError:
        raise UsageError(f"--assume {key} takes a whole number, got {text!r}") from None
    if value < 1:
        raise UsageError(f"--assume {key} must be at least 1, got {text}")
    return value


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything a check may know besides the data.

    Attributes:
        media: how closely pictures and videos are looked at.
        masks: ``basic`` reads masks as far as the trainer's outcome depends on it; ``full`` also looks at their geometry
            (checks K…). Since masks are compared with their picture, ``full`` raises `media` from ``exists`` to
            ``header``; with ``none`` pictures stay closed.
        media_root: the directory that relative paths start from, where it is not the trainer's (cwd, data_folder).
        template: InternVL conversation template of the target model.
        assume: facts stated with ``--assume``; keys of `ASSUMPTIONS`.
        tokenizer: directory with a ``tokenizer.json``, or None: token counts are then estimated or off.
        select: code prefixes to run; empty means all.
        ignore: code prefixes to leave out.
        max_record_bytes: a longer record is one finding and is not read.
        max_findings: findings kept per run; 0 keeps all. Counts are always complete.
        jobs: processes.
    """

    media: MediaLevel = "exists"
    masks: MasksLevel = "basic"
    media_root: str | None = None
    template: InternVLTemplate = "internvl2_5"
    assume: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    max_record_bytes: int = 64 * MEBIBYTE
    max_findings: int = 10_000
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside the closed sets."""
        if self.media not in MEDIA_LEVELS:
            raise UnknownName("media level", self.media, MEDIA_LEVELS)
        if self.masks not in MASKS_LEVELS:
            raise UnknownName("masks level", self.masks, MASKS_LEVELS)
        if self.masks == "full" and self.media == "exists":
            object.__setattr__(self, "media", "header")
        if self.template not in TEMPLATES:
            raise UnknownName("template", self.template, TEMPLATES)
        if self.jobs < 1:
            raise UsageError(f"--jobs must be at least 1, got {self.jobs}")
        if self.max_record_bytes < 1024:
            raise UsageError(f"--max-record-bytes must be at least 1024, got {self.max_record_bytes}")
        if self.max_findings < 0:
            raise UsageError(f"--max-findings must not be negative, got {self.max_findings}")
        for key in self.assume:
            if key not in ASSUMPTIONS:
                raise UnknownName("assumption", key, ASSUMPTIONS)
