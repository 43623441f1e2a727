"""`mmdata dedup FILE -o OUT`: of equal records, or pictures that look alike, the first one stays."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.ledger_output import AsJSON, Force, Output, Rejects, Report

NAME = "dedup"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records.")],
    output: Output,
    by: Annotated[
        str,
        typer.Option(
            help="record (same JSON value), content (without id), id, media (same files), image (pictures look alike)."
        ),
    ] = "record",
    distance: Annotated[
        int, typer.Option(help="--by image: bits of 128 in which alike pictures may differ, 0 to 15.")
    ] = 4,
    media_root: Annotated[
        str | None, typer.Option(help="Directory that relative paths start from, where it is not this one.")
    ] = None,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    as_json: AsJSON = False,
) -> int:
    """Write a file without its repetitions; the first of equal records stays, each dropped one is named with it."""
    from mmdata.cli.ledger_output import finish
    from mmdata.dataset_ops.deduping import dedup
    from mmdata.dataset_ops.ledger import Ledger
    from mmdata.dataset_ops.stream import rejects as rejects_file
    from mmdata.progress import terminal_progress

    ledger = Ledger(NAME)
    with rejects_file(rejects, ledger, inputs=[path, output], force=force), terminal_progress() as progress:
        dedup(
            path,
            output,
            by=by,  # type: ignore[arg-type]  # dedup refuses other words
            distance=distance,
            media_root=media_root,
            force=force,
            progress=progress,
            ledger=ledger,
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
