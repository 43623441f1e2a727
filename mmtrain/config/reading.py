"""A config from a YAML file and overrides; every value keeps the line it stands in, for messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmtrain.config.mistakes import ConfigError, Place, told
from mmtrain.config.overrides import override_in, yaml_problem
from mmtrain.config.run import Config


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
        raise ConfigError(f"{path}: {yaml_problem(error)}") from None
    except _Twice as twice:
        raise ConfigError(f"{path}: {twice}") from None
    if not isinstance(plain, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(plain).__name__}")
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
