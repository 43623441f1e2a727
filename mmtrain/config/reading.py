"""A config from a YAML file and overrides; every value keeps the line it stands in, for messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmtrain.config.document import read_document, read_text
from mmtrain.config.error import ConfigError, Place
from mmtrain.config.mistakes import told
from mmtrain.config.overrides import override_in
from mmtrain.config.run import Config


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config and apply ``key=value`` overrides (dotted paths, values as in YAML).

    Raises:
        ConfigError: not readable, not YAML, or something in it is wrong; one line names every mistake with its line.
    """
    lines: dict[Place, str] = {}
    text = read_text(str(path))
    try:
        plain = read_document(text, lines)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if plain is None:
        raise ConfigError(f"{path}: is empty; `mmtrain init --recipe NAME` writes a config to begin with")
    if not isinstance(plain, dict):
        kind = "a list" if isinstance(plain, list) else "one value"
        raise ConfigError(
            f"{path}: expected lines of `key: value`, got {kind}; `mmtrain init` writes a config"
        )
    for override in overrides:
        override_in(plain, override, lines)
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
        found = [told(one, lines or {}) for one in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(dict.fromkeys(found))) from None
