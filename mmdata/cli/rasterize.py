"""`mmdata rasterize FILE -o DIR`: masks as pictures, arrays or COCO RLE that people can open."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, Format, MediaRoot, OutputDir

NAME = "rasterize"

_SHOWN = 10


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A data file with masks.")],
    output: OutputDir,
    to: Annotated[str, typer.Option(help="Format to write: png, npz or coco.")] = "png",
    format: Format = None,
    rule: Annotated[
        str | None, typer.Option(help="opencv or coco: draw rings by this rule, not the trainer's own.")
    ] = None,
    per: Annotated[str, typer.Option(help="record or object: what one PNG holds.")] = "record",
    palette: Annotated[
        str, typer.Option(help="voc, grey, or a file of lines `R G B`; 0 is the background.")
    ] = "voc",
    media_root: MediaRoot = None,
    force: Force = False,
) -> int:
    """Write masks that people can open; run again, it goes on where it stopped."""
    from mmdata.mask_files import rasterize_file
    from mmdata.progress import terminal_progress

    with terminal_progress() as progress:
        done = rasterize_file(
            path,
            output,
            to=to,  # type: ignore[arg-type]  # other words are refused by name
            format=format,
            rule=rule,  # type: ignore[arg-type]
            per=per,  # type: ignore[arg-type]
            palette=palette,
            media_root=media_root,
            overwrite=force,
            progress=progress,
        )
    for record, why in done.rejects[:_SHOWN]:
        print(f"mmdata: record {record}: {why}", file=sys.stderr)
    if len(done.rejects) > _SHOWN:
        print(
            f"mmdata: and {len(done.rejects) - _SHOWN} more rejects, see index.json in {output}",
            file=sys.stderr,
        )
    for what in done.between[:_SHOWN]:
        print(f"mmdata: no record: {what}", file=sys.stderr)
    if len(done.between) + done.more_between > _SHOWN:
        more = len(done.between) + done.more_between - _SHOWN
        print(
            f"mmdata: and {more} more places that hold no record, see index.json in {output}", file=sys.stderr
        )
    if done.overlapping:
        print(
            f"mmdata: {done.overlapping} records have objects that cover others; the covered ones have files of their own",
            file=sys.stderr,
        )
    state = (
        "already there"
        if done.up_to_date
        else f"{done.resumed} of them from before"
        if done.resumed
        else "new"
    )
    print(
        f"{done.records} records = {done.written} with masks ({state}) + {done.without_masks} without + "
        f"{len(done.rejects)} rejected; {done.files} {'file' if done.files == 1 else 'files'} in {output}"
    )
    return 0 if done.clean else 1
