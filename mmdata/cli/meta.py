"""`mmdata meta show|check|add META [NAME]`: the data sets of an InternVL meta file."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "meta"
ACTIONS = ("show", "check", "add")


def command(
    action: Annotated[str, typer.Argument(metavar="show|check|add", help="What to do with the file.")],
    path: Annotated[str, typer.Argument(metavar="META", help="An InternVL meta file; add begins one.")],
    name: Annotated[str | None, typer.Argument(help="add: name of the data set.")] = None,
    annotation: Annotated[str | None, typer.Option(help="add: its JSON Lines file.")] = None,
    root: Annotated[str | None, typer.Option(help="add: directory that its media paths start from.")] = None,
    repeat_time: Annotated[
        str, typer.Option(help="add: below one the first part of the lines, else a whole number of repeats.")
    ] = "1",
    data_augment: Annotated[
        bool, typer.Option("--data-augment", help="add: JPEG compression of random quality in training.")
    ] = False,
    max_dynamic_patch: Annotated[
        int | None, typer.Option(min=1, help="add: most tiles of a picture of this data set.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Directory that training is run from, where it is not this one."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="check: records a data set whose media are looked at.")
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show or check the data sets of a meta file, or add one: atomic, counted, the others untouched."""
    from mmdata.cli.layout import print_sets
    from mmdata.cli.tables import print_json, table
    from mmdata.errors import UnknownName, UsageError
    from mmdata.meta_file import add, check, read_meta_file

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
            base=base,
        )
        if as_json:
            print_json({name: entry})
        else:
            print(f"{path}: added {name}, {entry['length']:,} records")
        return 0
    if name is not None or annotation is not None or root is not None:
        raise UsageError(f"a name, --annotation and --root are for meta add, not for meta {action}")
    if action == "show":
        entries = read_meta_file(path, base)
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
    reports = check(path, base=base, samples=samples)
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
