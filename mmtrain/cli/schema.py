"""`mmtrain schema`: JSON Schema of the config, for editors."""

from __future__ import annotations

NAME = "schema"


def command() -> None:
    """Print the config's JSON Schema; an editor then completes and checks keys."""
    from mmtrain.config import json_schema

    print(json_schema(), end="")
