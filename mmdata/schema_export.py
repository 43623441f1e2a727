"""JSON Schema (draft 2020-12) of every format, generated from the pydantic types.

``<name>.json`` is the schema of a whole file, so that an editor pointed at it gives completion;
``<name>.record.json`` is that of one record. Of JSON Lines formats both are the record.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from mmdata.errors import UnknownName
from mmdata.format import all_formats, get_format

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_OTHERS = {
    "geopixel-polygons": ("schemas.geopixel:GeoPixelPolygonFile", "GeoPixel polygon file"),
    "sample": ("schemas.sample:Sample", "The canonical sample"),
}


def names() -> list[str]:
    """Every name that `schema` knows: the formats, the polygon file, the canonical sample."""
    return sorted({*all_formats(), *_OTHERS})


def schema(name: str, *, record: bool = False) -> dict[str, Any]:
    """The JSON Schema of a format.

    Args:
        name: a format's name, ``"geopixel-polygons"`` or ``"sample"``.
        record: the schema of one record instead of a whole file.

    Raises:
        UnknownName: there is no such name; the message names the nearest.
    """
    if name not in names():
        raise UnknownName("format", name, names())
    if name in _OTHERS:
        path, title = _OTHERS[name]
        module, _, attribute = path.partition(":")
        return _finished(TypeAdapter(getattr(import_module(module), attribute)).json_schema(), name, title)
    format = get_format(name)
    one = _without_null_defaults(TypeAdapter(format.record).json_schema())
    if record or format.container in ("jsonl", "lines", "parquet", "webdataset"):
        return _finished(one, f"{name}.record", f"{format.title}: one record")
    if format.file_type:
        module, _, attribute = format.file_type.partition(":")
        whole = _without_null_defaults(TypeAdapter(getattr(import_module(module), attribute)).json_schema())
        return _finished(whole, name, f"{format.title}: a whole file")
    definitions = one.pop("$defs", {})
    definitions["Record"] = one
    whole = {"$defs": definitions}
    if format.container == "object":
        whole |= {"type": "object", "additionalProperties": {"$ref": "#/$defs/Record"}}
    else:
        whole |= {"type": "array", "items": {"$ref": "#/$defs/Record"}}
    return _finished(whole, name, f"{format.title}: a whole file")


def _finished(body: dict[str, Any], name: str, title: str) -> dict[str, Any]:
    body.pop("title", None)
    return {
        "$schema": DIALECT,
        "$id": f"urn:mmdata:schema:{name}",
        "title": title,
        **_without_null_defaults(body),
    }


def _without_null_defaults(node: Any) -> Any:
    """Drop ``"default": null``: it says "may be absent", and would have editors offer a null that crashes trainers."""
    if isinstance(node, dict):
        return {
            key: _without_null_defaults(value)
            for key, value in node.items()
            if not (key == "default" and value is None)
        }
    return [_without_null_defaults(item) for item in node] if isinstance(node, list) else node


def files() -> dict[str, bytes]:
    """File name -> text of every schema file."""
    texts: dict[str, dict[str, Any]] = {}
    for name in names():
        texts[f"{name}.json"] = schema(name)
        if name not in _OTHERS:
            texts[f"{name}.record.json"] = schema(name, record=True)
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {name: orjson.dumps(text, option=option) for name, text in texts.items()}


def write_all(directory: Path) -> None:
    """Write every schema file."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (directory / name).write_bytes(text)


def stale(directory: Path) -> list[str]:
    """Schema files that are not what the types say now, or that no type stands behind."""
    wanted = files()
    old = [
        name
        for name, text in wanted.items()
        if not (directory / name).exists() or (directory / name).read_bytes() != text
    ]
    orphans = [p.name for p in directory.glob("*.json") if p.name not in wanted] if directory.exists() else []
    return sorted(f"schemas/jsonschema/{name}" for name in (*old, *orphans))


def main() -> int:
    """Write the files to ``schemas/jsonschema``, or compare with ``--check``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    home = Path(__file__).resolve().parent.parent / "schemas" / "jsonschema"
    if parser.parse_args().check:
        print("\n".join(stale(home)), end="")
        return 1 if stale(home) else 0
    write_all(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
