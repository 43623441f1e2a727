"""A YAML text as plain values, each with the line that it stands in; whatever is wrong with it is one line.

PyYAML alone would take the last of two equal keys, follow anchors that repeat each other for ever, and raise what its
constructors happen to raise.
"""

from __future__ import annotations

from typing import Any

from mmtrain.config.error import ConfigError, Place

MOST_BYTES = 2**20
"""Longest config; a device or a data file given by mistake is not read to its end."""

MOST_VALUES = 20_000
"""Most values of a config, each as often as its anchor is repeated."""


def read_text(path: str) -> str:
    """The text of a config file.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, or is longer than any config.
    """
    raw = read_bytes(path, "the YAML of a run")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: line {line}: byte {raw[error.start]:#04x} is not UTF-8; expected the YAML of a run, saved as UTF-8"
        ) from None


def read_bytes(path: str, expected: str) -> bytes:
    """A small file.

    Args:
        path: of the file.
        expected: what it should be, for messages.

    Raises:
        ConfigError: it cannot be read, or is longer than anything of its kind.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a path with a zero byte
        raise ConfigError(f"{path}: {error}") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{path}: more than {MOST_BYTES >> 20} MiB: expected {expected}")
    return raw


def read_document(text: str, lines: dict[Place, str]) -> Any:
    """The values of a YAML text.

    Args:
        text: of one document.
        lines: gets the line of each value.

    Raises:
        ConfigError: it is no YAML, or YAML that no config is: keys twice or not names, anchors without end.
    """
    import yaml

    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _walk(node, (), lines, loader)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(_problem(error)) from None
    except RecursionError:
        raise ConfigError("not YAML that can be read: nested without end") from None
    finally:
        loader.dispose()


def _walk(node: Any, place: Place, lines: dict[Place, str], loader: Any) -> None:
    import yaml

    line = f"line {node.start_mark.line + 1}"
    lines[place] = line
    if len(lines) > MOST_VALUES:
        raise ConfigError(f"{line}: more than {MOST_VALUES} values, those of repeated anchors counted")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            number = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag.rpartition(":")[2] not in ("str", "merge"):
                got = key.value if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
                raise ConfigError(f"line {number}: expected the name of a key, got {got}")
            if key.value in seen:
                raise ConfigError(f"line {number}: {key.value} stands here and in line {seen[key.value]}")
            seen[key.value] = number
            _walk(value, (*place, key.value), lines, loader)
            lines[(*place, key.value)] = f"line {number}"
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*place, index), lines, loader)
    else:
        _check_scalar(node, line, loader)


def _check_scalar(node: Any, line: str, loader: Any) -> None:
    shown = node.value if len(node.value) <= 60 else node.value[:59] + "…"
    try:
        loader.construct_object(node)
    except (ValueError, LookupError, OverflowError):
        kind = node.tag.rpartition(":")[2]
        raise ConfigError(
            f"{line}: {shown} looks like a YAML {kind} and is none; quotes make it a text"
        ) from None
    if "\0" in node.value or any("\ud800" <= c <= "\udfff" for c in node.value):
        raise ConfigError(f"{line}: {shown!r} holds a character that no name or path can have")


def _problem(error: Any) -> str:
    """What a YAML reader stumbled over, in one line."""
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark is not None else ""
    said = getattr(error, "problem", None) or str(error)
    if "'\\t'" in said:
        said += ": YAML is indented with spaces, not tabs"
    return f"{line}not YAML: {' '.join(said.split())}"
