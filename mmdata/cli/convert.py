"""`mmdata convert PATH... --to FORMAT -o DIR`: files that another trainer reads as they are, nothing lost in silence."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, Format, Jobs, OutputDir, Paths, TargetTemplate

NAME = "convert"


def command(
    paths: Paths,
    to: Annotated[
        str, typer.Option("--to", help="Format to write, see `mmdata formats`; also geopixel-rle.")
    ],
    output: OutputDir,
    format: Format = None,
    jobs: Jobs = 0,
    no_carry: Annotated[
        bool, typer.Option("--no-carry", help="Leave out the key that holds what the target cannot say.")
    ] = False,
    on_loss: Annotated[
        str,
        typer.Option(
            help="warn, or error: reject what would be lost, or only approximated, and is not carried."
        ),
    ] = "warn",
    media_files: Annotated[str, typer.Option(help="keep, link or copy pictures and videos.")] = "keep",
    relative_to: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the trainer starts relative paths from.")
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Say what would be kept, approximated, carried, lost; write nothing."),
    ] = False,
    force: Force = False,
    invert: Annotated[
        bool, typer.Option("--invert", help="Masks as answers become region questions, and back.")
    ] = False,
    target_template: TargetTemplate = "internvl2_5",
    dialogue: Annotated[
        str, typer.Option(help="How COCO annotations become a conversation: by-instance or by-category.")
    ] = "by-instance",
    shard_size: Annotated[int, typer.Option(metavar="MIB", help="Largest tar shard, for webdataset.")] = 1024,
) -> int:
    """Convert data sets into another trainer's format."""
    from mmdata.converting.conversion import convert
    from mmdata.validating.validation import default_jobs

    report = convert(
        paths,
        output,
        to=to,
        format=format,
        jobs=jobs or default_jobs(),
        carry=not no_carry,
        on_loss=on_loss,
        media_files=media_files,
        relative_to=relative_to,
        force=force,
        plan=plan,
        invert=invert,
        template=target_template,
        dialogue=dialogue,
        shard_bytes=shard_size << 20,
    )
    print(report.summary(), file=sys.stdout if plan else sys.stderr)
    return report.exit_code
