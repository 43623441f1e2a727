"""`mmdata layout check|init DIR --preset NAME`: the directory tree of the domain-adaptation guide."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import OutputFormat, wants_json

NAME = "layout"
ACTIONS = ("check", "init")
_SIGNS = {"there": "ok", "missing": "missing", "misplaced": "misplaced", "empty": "empty", "faulty": "faulty"}


def command(
    action: Annotated[str, typer.Argument(metavar="check|init", help="Look at a tree, or begin one.")],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Root of the tree.")],
    preset: Annotated[str, typer.Option(help="drivelm, medical, remote or bdd.")],
    count: Annotated[
        int,
        typer.Option(
            "--count", "-n", min=0, help="check: how many records of a data set to look at the media of."
        ),
    ] = 8,
    output_format: OutputFormat = "text",
) -> int:
    """Say what of the guide's tree is there, missing or misplaced and where to get it; or make its skeleton."""
    from mmdata.cli.tables import print_json
    from mmdata.errors import UnknownName
    from mmdata.layout import check, make

    as_json = wants_json(output_format)
    if action not in ACTIONS:
        raise UnknownName("action", action, ACTIONS)
    if action == "init":
        made, meta = make(folder, preset)
        if as_json:
            print_json({"made": made, "meta": meta})
            return 0
        for path in made:
            print(f"made {path}/")
        print(f"wrote {meta}" if meta else "the meta file is there already and stays as it is")
        print(f"next: mmdata layout check {folder} --preset {preset}", file=sys.stderr)
        return 0
    report = check(folder, preset, samples=count)
    if as_json:
        print_json(report.to_dict())
        return 0 if report.clean else 1
    print(f"{folder} as {preset}:")
    for place in report.places:
        what = f"  {place.message}" if place.message else ""
        print(f"  {_SIGNS[place.status]:9}  {place.path}{what}")
        if place.status != "there" and place.source:
            print(f"{'':13}from {place.source}")
    print_sets(report.sets)
    if report.note and not report.clean:
        print(f"note: {report.note}", file=sys.stderr)
    if report.truncated:
        print("note: the tree is large; what is misplaced may lie where nobody looked", file=sys.stderr)
    return 0 if report.clean else 1


def print_sets(sets: list) -> None:  # type: ignore[type-arg]  # of SetReport; imported late
    """A line a data set of the meta file, and what is wrong with it."""
    from mmdata.cli.tables import table

    if sets:
        table(
            ("data set", "annotation", "root", "length", "lines", "media seen"),
            [(s.name, s.annotation, s.root, s.length, s.lines, s.sampled) for s in sets],
        )
    for one in sets:
        for problem in one.problems:
            print(f"error: {one.name}: {problem}")
