"""A config as the trainer takes it: mixture files read, DeepSpeed's JSON checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtrain.config.fields import SECTIONS, Fields

if TYPE_CHECKING:
    from mmtrain.settings import Settings


class Config(Fields):
    """A training run."""

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

_OWN = {
    "data", "given_num", "vision", "projector", "language", "lora", "bf16", "fp16", "deepspeed", *SECTIONS
}  # fmt: skip
_SAME = [name for name in Config.model_fields if name not in _OWN and name not in _RENAMED]
