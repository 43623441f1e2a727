"""`mmdata split FILE --parts train=0.9,val=0.1 -o DIR`: deal records out to several files."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputFormat, Rejects, Report, Seed, wants_json

NAME = "split"


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file of records.")],
    parts: Annotated[str, typer.Option(help="Names and shares, for example train=0.9,val=0.1.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Directory to write; that of FILE otherwise."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="record, id, or media: the same picture or video never lands on both sides.")
    ] = "record",
    stratify: Annotated[
        str | None, typer.Option(help="A key or JSON pointer: exact shares within each of its values.")
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    rejects: Rejects = None,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Deal the records of a file out to DIR/NAME-of-part files; every record goes to exactly one."""
    import os
    from contextlib import nullcontext

    from mmdata.cli.ledger_output import books, decimal, finish
    from mmdata.dataset_ops.select import split
    from mmdata.errors import UsageError
    from mmdata.io.writer import output_folder

    shares = {}
    for part in parts.split(","):
        name, equals, share = part.strip().partition("=")
        if not equals or not name or name in shares or os.path.basename(name) != name:
            raise UsageError(
                f"--parts: expected different names with shares like train=0.9,val=0.1, got {part!r}"
            )
        shares[name] = decimal(share, f"--parts {name}")
    stem, dot, ending = os.path.basename(path).partition(".")
    folder = os.path.dirname(path) if output is None else output
    outputs = [os.path.join(folder, f"{stem}-{name}{dot}{ending}") for name in shares]
    as_json = wants_json(output_format)
    with (
        nullcontext() if output is None else output_folder(output),
        books(NAME, inputs=[path, *outputs], rejects=rejects, report=report, force=force) as (
            ledger,
            progress,
        ),
    ):
        split(
            path,
            shares,
            outputs,
            by=by,
            stratify=stratify,
            seed=seed,
            force=force,
            progress=progress,
            ledger=ledger,
        )
    return finish(ledger, as_json=as_json, report=report, force=force)
