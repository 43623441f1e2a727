"""`mmdata rules`: every check in one table."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import OutputFormat, wants_json

NAME = "rules"


def command(
    format: Annotated[
        str | None,
        typer.Option("--format", help="Format of the data: only its checks; those of all formats otherwise."),
    ] = None,
    output_format: OutputFormat = "text",
) -> int:
    """List every check: code, severity, whether --fix repairs it, what is wrong."""
    import orjson

    from mmdata.checks.docs import as_dict
    from mmdata.checks.registry import all_checks
    from mmdata.format import get_format

    as_json = wants_json(output_format)
    name = get_format(format).name if format else None
    checks = [c for c in all_checks().values() if name is None or c.applies_to(name)]
    if as_json:
        print(orjson.dumps([as_dict(c) for c in checks], option=orjson.OPT_INDENT_2).decode())
        return 0
    for c in checks:
        fix = {"always": "fix", "sometimes": "fix*", "never": ""}[c.fixable]
        print(f"{c.code}  {c.severity:<7}  {fix:<4}  {c.doc.title}")
    print("\nfix: repaired by --fix; fix*: in some cases. `mmdata explain CODE` tells more.")
    return 0
