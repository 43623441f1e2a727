"""The typer application: the list of verbs, in the order of `mmtrain --help`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmtrain.cli import check, env, export, import_checkpoint, init, launch, make_tiny, plot, schema

app = typer.Typer(
    name="mmtrain",
    help="Fine-tune vision-language models on data that mmdata validates.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from mmtrain import __version__

        print(f"mmtrain {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


for verb in (init, check, launch, plot, export, import_checkpoint, make_tiny, schema, env):
    app.command(verb.NAME)(verb.command)
