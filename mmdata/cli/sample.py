"""`mmdata sample FILE -o OUT`: so many records of a file, chosen at random, the same for the same seed."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.ledger_output import AsJSON, Force, Output, Rejects, Report, Seed

NAME = "sample"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records.")],
    output: Output,
    count: Annotated[int | None, typer.Option("--count", "-n", help="How many records.")] = None,
    ratio: Annotated[str | None, typer.Option(help="Which part of the records, 0 to 1.")] = None,
    seed: Seed = 0,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    as_json: AsJSON = False,
) -> int:
    """Write so many records of a file, chosen at random, in the file's order."""
    from mmdata.cli.ledger_output import decimal, finish
    from mmdata.dataset_ops.ledger import Ledger
    from mmdata.dataset_ops.select import sample
    from mmdata.dataset_ops.stream import rejects as rejects_file
    from mmdata.progress import terminal_progress

    ledger = Ledger(NAME)
    part = None if ratio is None else decimal(ratio, "--ratio")
    with rejects_file(rejects, ledger, inputs=[path, output], force=force), terminal_progress() as progress:
        sample(
            path, output, count=count, ratio=part, seed=seed, force=force, progress=progress, ledger=ledger
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
