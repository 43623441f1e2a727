"""`mmdata raster-diff FILE`: what the choice of raster rule changes in a data set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mmdata.cli.options import Format, MaxFindings, MediaRoot, OutputFormat, wants_json

if TYPE_CHECKING:
    from mmdata.raster_diff import Comparison

NAME = "raster-diff"

_WIDTH = 40


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A data file with masks given as rings.")],
    format: Format = None,
    media_root: MediaRoot = None,
    max_findings: MaxFindings = 10,
    output_format: OutputFormat = "text",
) -> int:
    """Draw every mask by OpenCV's and by COCO's rule, and say how far they differ."""
    from mmdata.cli.tables import print_json
    from mmdata.progress import terminal_progress
    from mmdata.raster_diff import raster_diff

    as_json = wants_json(output_format)
    with terminal_progress() as progress:
        found = raster_diff(path, format=format, media_root=media_root, worst=max_findings, progress=progress)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    return 0 if found.clean else 1


def _show(found: Comparison) -> None:
    print(
        f"{found.path}: {found.records} records, {found.masks} masks given as rings, {found.rles} as RLE or null"
    )
    if found.masks:
        print(
            f"pixels: {found.opencv} by opencv, {found.coco} by coco; "
            f"{found.differing} differ, {found.differing / found.masks:.1f} a mask"
        )
        print("\nIoU of the two rules")
        rows = found.histogram()
        most = max(n for _, n in rows)
        for low, n in rows:
            bar = "█" * -(-n * _WIDTH // most)
            print(f"  {'= 1   ' if low == 1 else f'≥ {low:<4g}'} {n:>9}  {bar}")
        print("\nquantiles: " + ", ".join(f"{q:.0%} {v:.4f}" for q, v in found.quantiles().items()))
    if found.worst:
        print("\nworst")
        for d in found.worst:
            frame = f", frame {d.frame}" if d.frame else ""
            print(
                f"  {d.iou:.4f}  record {d.record} {d.pointer}: object {d.object}{frame}: "
                f"{d.opencv} pixels by opencv, {d.coco} by coco, {d.differing} differ"
            )
    for record, why in found.rejects[:10]:
        print(f"mmdata: record {record}: {why}", file=sys.stderr)
    if len(found.rejects) > 10:
        print(f"mmdata: and {len(found.rejects) - 10} more that cannot be drawn", file=sys.stderr)
    for what in found.between[:10]:
        print(f"mmdata: no record: {what}", file=sys.stderr)
    if len(found.between) + found.more_between > 10:
        more = len(found.between) + found.more_between - 10
        print(
            f"mmdata: and {more} more places that hold no record; --output-format json names them",
            file=sys.stderr,
        )
