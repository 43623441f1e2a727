"""`mmdata merge FILE... -o OUT`: several files of records to one."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputFile, OutputFormat, Rejects, Report, wants_json

NAME = "merge"


def command(
    paths: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of records, in order.")],
    output: OutputFile,
    duplicate_ids: Annotated[
        str, typer.Option(help="Equal ids: report (named and kept), rename (the later ones), or error.")
    ] = "report",
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Also files of different formats or sorts of records.")
    ] = False,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Write the records of several files into one, in order; name or rename equal ids."""
    from mmdata.cli.ledger_output import books, finish
    from mmdata.dataset_ops.merging import merge

    as_json = wants_json(output_format)
    with books(NAME, inputs=[*paths, output], rejects=rejects, report=report, force=force) as (
        ledger,
        progress,
    ):
        merge(
            paths,
            output,
            duplicate_ids=duplicate_ids,  # type: ignore[arg-type]  # merge refuses other words
            mixed=mixed,
            force=force,
            progress=progress,
            ledger=ledger,
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
