"""`mmdata meta show|check|add META [NAME]`: the data sets of an InternVL meta file."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import MediaRoot, OutputFormat, wants_json

NAME = "meta"
ACTIONS = ("show", "check", "add")


def command(
    action: Annotated[str, typer.Argument(metavar="show|check|add", help="What to do with the file.")],
    path: Annotated[str, typer.Argument(metavar="META", help="An InternVL meta file; add begins one.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="add: name of the data set.")] = None,
    annotation: Annotated[str | None, typer.Option(metavar="FILE", help="add: its JSON Lines file.")] = None,
    root: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="add: `root` of the entry, where its media paths start."),
    ] = None,
    repeat_time: Annotated[
        str, typer.Option(help="add: below one the first part of the lines, else a whole number of repeats.")
    ] = "1",
    data_augment: Annotated[
        bool, typer.Option("--data-augment", help="add: JPEG compression of random quality in training.")
    ] = False,
    max_dynamic_patch: Annotated[
        int | None, typer.Option(min=1, help="add: most tiles of a picture of this data set.")
    ] = None,
    media_root: MediaRoot = None,
    count: Annotated[
        int,
        typer.Option(
            "--count", "-n", min=0, help="check: how many records of a data set to look at the media of."
        ),
    ] = 8,
    output_format: OutputFormat = "text",
) -> int:
    """Show or check the data sets of a meta file, or add one: atomic, counted, the others untouched."""
    from mmdata.cli.layout import print_sets
    from mmdata.cli.tables import print_json, table
    from mmdata.errors import UnknownName, UsageError
    from mmdata.meta_file import add, check, read_meta_file

    as_json = wants_json(output_format)
    if action not in ACTIONS:
        raise UnknownName("action", action, ACTIONS)
    if action == "add":
        if name is None or annotation is None or root is None:
            raise UsageError("meta add needs a NAME, --annotation and --root")
        entry = add(
            path,
            name,
            annotation,
            root,
            repeat_time=_number(repeat_time),
            data_augment=data_augment,
            max_dynamic_patch=max_dynamic_patch,
            base=media_root,
        )
        if as_json:
            print_json({name: entry})
        else:
            print(f"{path}: added {name}, {entry['length']:,} records")
        return 0
    if name is not None or annotation is not None or root is not None:
        raise UsageError(f"a name, --annotation and --root are for meta add, not for meta {action}")
    if action == "show":
        entries = read_meta_file(path, media_root)
        if as_json:
            rows = [
                {"name": e.name, "annotation": e.path, "root": e.root, "repeat_time": e.number, **e.keys}
                for e in entries
            ]
            print_json(rows)
        else:
            table(
                ("data set", "annotation", "root", "repeat_time", "length"),
                [(e.name, e.path, e.root, e.number, e.keys.get("length")) for e in entries],
            )
        return 0
    reports = check(path, base=media_root, samples=count)
    if as_json:
        print_json([report.to_dict() for report in reports])
    else:
        print_sets(reports)
        if not any(report.problems for report in reports):
            print(f"{path}: {len(reports)} data sets, nothing wrong")
    return 1 if any(report.problems for report in reports) else 0


def _number(text: str) -> int | float:
    from mmdata.errors import UsageError

    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--repeat-time: {text!r} is no number") from None
