"""`mmdata explain CODE...`: the documentation of a check."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "explain"


def command(
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="Codes such as G05; any case.")],
) -> int:
    """Explain a check: what is wrong, what the trainer does with it, a bad record and its repair."""
    from mmdata.checks.docs import as_text
    from mmdata.checks.registry import get_check

    print("\n\n".join(as_text(get_check(code)) for code in codes))
    return 0
