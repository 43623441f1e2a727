"""The typer application: the list of verbs, in the order of `mmdata --help`."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

VERBS = (
    "validate",
    "convert",
    "detect",
    "explain",
    "rules",
    "schema",
    "formats",
    "rasterize",
    "raster_diff",
    "mixture",
    "merge",
    "split",
    "sample",
    "filter",
    "dedup",
    "diff",
)
"""The modules of this package with a verb, in the order of the help."""

app = typer.Typer(
    name="mmdata",
    help="Read, validate, convert and look at vision-language fine-tuning data exactly as the trainers read it.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from mmdata import __version__

        print(f"mmdata {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


for name in VERBS:
    verb = import_module(f"mmdata.cli.{name}")
    app.command(verb.NAME)(verb.command)
