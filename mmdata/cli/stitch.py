"""`mmdata stitch --ann FILE --data-root DIR -o DIR`: several views of one moment in one picture."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, Jobs, OutputDir, OutputFormat, wants_json

NAME = "stitch"
_SHOWN = 20


def command(
    ann: Annotated[
        str,
        typer.Option(
            "--ann", metavar="FILE", help="DriveLM's annotation, or a file of records with paths by view."
        ),
    ],
    output: OutputDir,
    data_root: Annotated[
        str,
        typer.Option("--data-root", metavar="DIR", help="Directory that the annotation's paths start from."),
    ] = ".",
    grid: Annotated[str, typer.Option(help="Columns x rows.")] = "3x2",
    views: Annotated[
        str | None,
        typer.Option(help="Names of the views, row by row, with commas; DriveLM's six cameras otherwise."),
    ] = None,
    tile: Annotated[str, typer.Option(help="Width x height of a tile in pixels.")] = "896x448",
    font: Annotated[
        str, typer.Option(help="Of the labels: pillow (its own), none (no labels), or a font file.")
    ] = "pillow",
    to: Annotated[str, typer.Option(help="Format to write: jpg or png.")] = "jpg",
    quality: Annotated[int, typer.Option(min=1, max=95, help="Of JPEG; upstream's script writes 75.")] = 75,
    paths_key: Annotated[
        str, typer.Option(help="Key of the paths by view, in a file of records.")
    ] = "image_paths",
    id_key: Annotated[str, typer.Option(help="Key of the canvas's name, in a file of records.")] = "id",
    jobs: Jobs = 0,
    force: Force = False,
    output_format: OutputFormat = "text",
) -> int:
    """Stitch the views of every frame into one picture; canvases that an earlier run made are kept."""
    from mmdata.cli.tables import print_json
    from mmdata.errors import UsageError
    from mmdata.progress import terminal_progress
    from mmdata.stitching.canvas import DRIVELM, Canvas
    from mmdata.stitching.frames import read_frames
    from mmdata.stitching.run import Stitcher, stitch

    as_json = wants_json(output_format)
    if not os.path.isdir(data_root):
        raise UsageError(f"{data_root}: no such directory")
    names = DRIVELM.views if views is None else tuple(name.strip() for name in views.split(","))
    columns, rows = _pair(grid, "--grid")
    canvas = Canvas(columns, rows, names, _pair(tile, "--tile"))
    stitcher = Stitcher(canvas, data_root, output, font, to, quality, force)
    with terminal_progress(counting=True) as progress:
        report = stitch(
            read_frames(ann, key=paths_key, id_key=id_key),
            stitcher,
            jobs=jobs or os.cpu_count() or 1,
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        counts = report.counts
        print(
            f"{output}: {sum(counts.values())} frames = {counts.get('written', 0)} written + {counts.get('done', 0)} "
            f"there already + {counts.get('refused', 0)} refused + {counts.get('failed', 0)} failed"
        )
        print(
            f"  {columns}x{rows} tiles of {tile}, "
            + (f"labels in {report.font}" if report.font else "no labels")
        )
        for view, count in report.unused.items():
            print(f"warning: view {view} is not in the grid: {count} pictures not shown", file=sys.stderr)
        for problem in report.problems[:_SHOWN]:
            print(f"error: {problem}", file=sys.stderr)
        if len(report.problems) > _SHOWN:
            print(
                f"… and {len(report.problems) - _SHOWN} more; --output-format json names them",
                file=sys.stderr,
            )
    return 1 if report.problems else 0


def _pair(text: str, option: str) -> tuple[int, int]:
    from mmdata.errors import UsageError

    left, cross, right = text.lower().partition("x")
    if not (cross and left.isascii() and left.isdigit() and right.isascii() and right.isdigit()):
        raise UsageError(f"{option}: expected two numbers like 3x2, got {text!r}")
    return int(left), int(right)
