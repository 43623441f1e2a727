"""`mmdata filter FILE EXPRESSION -o OUT`: keep the records that an expression is true for."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, Format, MediaRoot, OutputFile, OutputFormat, Rejects, Report, wants_json

NAME = "filter"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records; - is stdin.")],
    expression: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION", help='For example: turns >= 4 and media == "image" and width < 4000.'
        ),
    ],
    output: OutputFile,
    format: Format = None,
    media_root: MediaRoot = None,
    undecided: Annotated[
        str,
        typer.Option(
            help="Records for which the expression has no value: drop or keep. They are named either way."
        ),
    ] = "drop",
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Keep the records that an expression on their fields is true for.

    Fields: id index bytes kind turns user_turns assistant_turns text text_length text_tokens tokens media images videos
    paths width height masks codes; any other by field("key") or field("/json/pointer"), has("key").
    """
    from mmdata.cli.ledger_output import books, finish
    from mmdata.dataset_ops.filtering import filter_records
    from mmdata.options import Options

    as_json = wants_json(output_format)
    with books(NAME, inputs=[path, output], rejects=rejects, report=report, force=force) as (
        ledger,
        progress,
    ):
        filter_records(
            path,
            output,
            expression,
            format=format,
            options=Options(media="none", media_root=media_root),
            undecided=undecided,
            force=force,
            progress=progress,
            ledger=ledger,
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
