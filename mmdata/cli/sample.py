"""`mmdata sample FILE -o OUT`: so many records of a file, chosen at random, the same for the same seed."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputFile, OutputFormat, Rejects, Report, Seed, wants_json

NAME = "sample"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records.")],
    output: OutputFile,
    count: Annotated[int | None, typer.Option("--count", "-n", min=0, help="How many records.")] = None,
    ratio: Annotated[str | None, typer.Option(help="Which part of the records, 0 to 1.")] = None,
    seed: Seed = 0,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Write so many records of a file, chosen at random, in the file's order."""
    from mmdata.cli.ledger_output import books, decimal, finish
    from mmdata.dataset_ops.select import sample

    as_json = wants_json(output_format)
    part = None if ratio is None else decimal(ratio, "--ratio")
    with books(NAME, inputs=[path, output], rejects=rejects, report=report, force=force) as (
        ledger,
        progress,
    ):
        sample(
            path, output, count=count, ratio=part, seed=seed, force=force, progress=progress, ledger=ledger
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
