"""The command line `mmtrain`: one file a verb. Each reads its arguments, calls the verb's engine and exits.

Exit codes as for mmdata. Nothing here imports torch before a verb needs it.
"""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    from mmdata.cli.entry import run

    run("mmtrain", _app, arguments)


def _app() -> Any:
    from mmtrain.cli.app import app

    return app
