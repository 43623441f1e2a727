"""`mmdata merge FILE... -o OUT`: several files of records to one."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.ledger_output import AsJSON, Force, Output, Rejects, Report

NAME = "merge"


def command(
    paths: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of records, in order.")],
    output: Output,
    duplicate_ids: Annotated[
        str, typer.Option(help="Equal ids: report (named and kept), rename (the later ones), or error.")
    ] = "report",
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Also files of different formats or sorts of records.")
    ] = False,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    as_json: AsJSON = False,
) -> int:
    """Write the records of several files into one, in order; name or rename equal ids."""
    from mmdata.cli.ledger_output import finish
    from mmdata.dataset_ops.ledger import Ledger
    from mmdata.dataset_ops.merging import merge
    from mmdata.dataset_ops.stream import rejects as rejects_file
    from mmdata.progress import terminal_progress

    ledger = Ledger(NAME)
    with rejects_file(rejects, ledger, inputs=[*paths, output], force=force), terminal_progress() as progress:
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
