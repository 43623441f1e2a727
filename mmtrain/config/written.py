"""A config as YAML, and JSON Schema of it."""

from __future__ import annotations

import json

from mmtrain.config.run import Config


def to_yaml(config: Config) -> str:
    """The resolved config: every key with its value."""
    import yaml

    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def json_schema() -> str:
    """JSON Schema of the YAML, for editors (``# yaml-language-server: $schema=…``)."""
    schema = Config.model_json_schema(mode="validation")
    for name in ("train", "eval"):
        schema["$defs"]["Data"]["properties"][name] = {
            "description": schema["$defs"]["Data"]["properties"][name].get("description", ""),
            "anyOf": [
                {"type": "string"},
                {"$ref": "#/$defs/DataFile"},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/DataFile"}]}},
            ],
        }
    words = schema["properties"]["report_to"]
    one = words.pop("items")
    words.pop("type")
    words["anyOf"] = [{"type": "array", "items": one}, one, {"const": "none"}, {"type": "null"}]
    schema["properties"]["resume_from_checkpoint"]["anyOf"].append({"type": "boolean"})
    schema["properties"]["resume"] = {
        **schema["properties"]["resume_from_checkpoint"],
        "title": "Resume",
        "description": "Short for resume_from_checkpoint.",
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
