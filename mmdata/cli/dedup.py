"""`mmdata dedup FILE -o OUT`: of equal records, or pictures that look alike, the first one stays."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, MediaRoot, OutputFile, OutputFormat, Rejects, Report, wants_json

NAME = "dedup"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records.")],
    output: OutputFile,
    by: Annotated[
        str,
        typer.Option(
            help="record (same JSON value), content (without id), id, media (same files), image (pictures look alike)."
        ),
    ] = "record",
    distance: Annotated[
        int, typer.Option(help="--by image: bits of 128 in which alike pictures may differ, 0 to 15.")
    ] = 4,
    media_root: MediaRoot = None,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Write a file without its repetitions; the first of equal records stays, each dropped one is named with it."""
    from mmdata.cli.ledger_output import books, finish
    from mmdata.dataset_ops.deduping import dedup

    as_json = wants_json(output_format)
    with books(NAME, inputs=[path, output], rejects=rejects, report=report, force=force) as (
        ledger,
        progress,
    ):
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
