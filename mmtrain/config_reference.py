"""The page ``docs/config.md``, from the JSON Schema of a run's YAML: every key with its values, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mmtrain.config import json_schema

_INTRO = """# The config of a run

Generated from the code by `make docs`; do not edit. How to train: [how-to/train.md](how-to/train.md). `mmtrain schema` prints
the same as a JSON Schema for editors; `mmtrain launch run.yaml key=value` overrides a key, with dots into the nested ones.
"""


def as_markdown() -> str:
    """Every key of the config, the nested parts after the flat ones, as Markdown."""
    schema: dict[str, Any] = json.loads(json_schema())
    required = set(schema["required"])
    out = [_INTRO, "| key | values | default | meaning |", "|---|---|---|---|"]
    nested: list[tuple[str, dict[str, Any], Any]] = []
    for key, one in schema["properties"].items():
        if "$ref" in one:
            nested.append((key, _definition(schema, one), one.get("default")))
            out.append(
                f"| [`{key}`](#{key}) | mapping | {'required' if key in required else ''} | {_text(nested[-1][1])} |"
            )
        else:
            out.append(_row(key, one, key in required))
    for key, definition, default in nested:
        rows = list(_rows(schema, definition, default))
        out += ["", f"## `{key}`", "", _text(definition), ""]
        out += ["| key | values | default | meaning |", "|---|---|---|---|", *rows]
    file = schema["$defs"]["DataFile"]
    out += ["", "## A data file", "", _text(file) + " Instead of a mapping, the path alone will do.", ""]
    out += ["| key | values | default | meaning |", "|---|---|---|---|", *_rows(schema, file, None)]
    return "\n".join(out) + "\n"


def _definition(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][one["$ref"].rpartition("/")[2]]
    return found


def _rows(
    schema: dict[str, Any], definition: dict[str, Any], given: Any, above: str = "", about: str = ""
) -> Iterator[str]:
    """Rows of a nested part; ``given`` are its defaults where it stands, which may differ from those of its type."""
    for key, one in definition["properties"].items():
        own = {**one, "default": given[key]} if isinstance(given, dict) and key in given else one
        if "$ref" in one:
            yield from _rows(
                schema, _definition(schema, one), own.get("default"), f"{above}{key}.", _text(one)
            )
        else:
            yield _row(f"{above}{key}", own, key in definition.get("required", ()), about)


def _row(key: str, one: dict[str, Any], required: bool, about: str = "") -> str:
    default = "required" if required else _default(one.get("default"))
    return f"| `{key}` | {_values(one)} | {default} | {f'{about} {_text(one)}'.strip()} |"


def _default(value: Any) -> str:
    return "" if value is None or value in ([], "") else f"`{json.dumps(value)}`".replace('"', "")


def _text(one: dict[str, Any]) -> str:
    return " ".join(one.get("description", "").replace("``", "`").split()).replace("|", "\\|")


def _values(one: dict[str, Any]) -> str:
    """What a key takes, in a few words."""
    if "anyOf" in one:
        parts = [_values(o) for o in one["anyOf"]]
        return " or ".join(dict.fromkeys(parts))
    if "enum" in one:
        return ", ".join(f"`{v}`" for v in one["enum"])
    if "const" in one:
        return f"`{one['const']}`"
    if "$ref" in one:
        return "data file" if one["$ref"].endswith("DataFile") else "mapping"
    kind = one.get("type")
    if kind == "array":
        inner = _values(one.get("items", {}))
        return f"list of {inner}"
    word = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    return (word.get(str(kind)) or {"null": "`null`", "object": "mapping"}.get(str(kind), "")) + _limits(one)


def _limits(one: dict[str, Any]) -> str:
    low = one.get("minimum", one.get("exclusiveMinimum"))
    high = one.get("maximum", one.get("exclusiveMaximum"))
    parts = []
    if low is not None:
        parts.append(f"{'≥' if 'minimum' in one else '>'} {low}")
    if high is not None:
        parts.append(f"{'≤' if 'maximum' in one else '<'} {high}")
    return f" {', '.join(parts)}" if parts else ""
