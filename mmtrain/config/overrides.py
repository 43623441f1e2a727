"""``key=value`` of the command line, put into a config that is read."""

from __future__ import annotations

from typing import Any

from mmtrain.config.document import read_document
from mmtrain.config.error import ConfigError, Place


def override_in(plain: dict[str, Any], override: str, lines: dict[Place, str]) -> None:
    """Set one value.

    Args:
        plain: the config, changed in place.
        override: dotted path, ``=`` and a value as in YAML.
        lines: where each value stands; it gets the override.

    Raises:
        ConfigError: it is no override, or its path leads nowhere.
    """
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"{override}: expected key=value, for example learning_rate=1e-5")
    try:
        value = read_document(text, {})
    except ConfigError as error:
        raise ConfigError(f"{override}: {str(error).removeprefix('line 1: ')}") from None
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
