"""`mmdata diff A B`: records added, removed and changed, with JSON pointers of what changed."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mmdata.cli.options import MaxFindings, OutputFormat, wants_json

NAME = "diff"
_SHOWN = 120


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="The file before.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The file after.")],
    by: Annotated[str, typer.Option(help="id, or content: which records belong together.")] = "id",
    max_findings: MaxFindings = 100,
    output_format: OutputFormat = "text",
) -> int:
    """Say which records were added, removed or changed; exit 0 if none."""
    from mmdata.cli.tables import print_json
    from mmdata.dataset_ops.diffing import diff_files
    from mmdata.progress import terminal_progress

    as_json = wants_json(output_format)
    with terminal_progress() as progress:
        result = diff_files(a, b, by=by, limit=max_findings, progress=progress)
    if as_json:
        print_json(result.to_dict())
        return result.exit_code
    for index, name in result.removed_records:
        print(f"- record {index} of {a}{_named(name)}")
    for index, name in result.added_records:
        print(f"+ record {index} of {b}{_named(name)}")
    for record in result.changed_records:
        print(f"~ record {record.a} -> {record.b}{_named(record.id)}")
        for change in record.changes:
            before = "" if change.op == "add" else f"- {_short(change.before)} "
            after = "" if change.op == "remove" else f"+ {_short(change.after)}"
            print(f"    {change.pointer or '(the whole record)'}: {before}{after}".rstrip())
    order = (
        ""
        if not result.exit_code and result.same_order
        else ", in another order"
        if not result.exit_code
        else ""
    )
    print(
        f"{result.same} same{order}, {result.added} added, {result.removed} removed, {result.changed} changed"
    )
    for line in result.broken[:10]:
        print(f"not compared: {line}", file=sys.stderr)
    if len(result.broken) + result.more_broken > 10:
        more = len(result.broken) + result.more_broken - 10
        print(f"… and {more} more; --output-format json names them", file=sys.stderr)
    return result.exit_code


def _named(value: Any) -> str:
    return "" if value is None else f" (id {value!r})"


def _short(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
