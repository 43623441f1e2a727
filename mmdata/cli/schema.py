"""`mmdata schema FORMAT`: the JSON Schema of a format."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "schema"


def command(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="A format's name (see `mmdata formats`).")],
    record: Annotated[
        bool, typer.Option("--record", help="The schema of one record instead of a whole file.")
    ] = False,
) -> int:
    """Print a format's JSON Schema (draft 2020-12), for editors and other validators."""
    import orjson

    from mmdata.schema_export import schema

    print(orjson.dumps(schema(format, record=record), option=orjson.OPT_INDENT_2).decode())
    return 0
