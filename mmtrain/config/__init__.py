"""The YAML of a run: flat, in Hugging Face's argument names where there is one, with a few nested parts.

`data` says what is trained on; `vision`, `projector` and `language` say how each part of the model is tuned; `lora` holds
the adapters' numbers. Everything else is a flat key: Hugging Face's `TrainingArguments` name where it exists
(`learning_rate`, `per_device_train_batch_size`, `save_steps` …), else InternVL's (`max_dynamic_patch`, `use_thumbnail`,
`num_images_expected`, `loss_reduction` …), else our own.

`fields` has the keys, `run` carries them over to the trainer's settings, `document` reads YAML, `reading` a config,
`overrides` applies the command line's, `mistakes` tells what is wrong (`error`), `written` writes YAML and JSON Schema. Nothing here
imports torch: a mistake in a config is told before any model is loaded.
"""

from mmtrain.config.error import ConfigError
from mmtrain.config.fields import SECTIONS, Data, DataFile, Lora, Vision
from mmtrain.config.reading import load_config, parse_config
from mmtrain.config.run import Config
from mmtrain.config.written import json_schema, to_yaml

__all__ = [
    "SECTIONS",
    "Config",
    "ConfigError",
    "Data",
    "DataFile",
    "Lora",
    "Vision",
    "json_schema",
    "load_config",
    "parse_config",
    "to_yaml",
]
