"""The command line `mmdata`: one file a verb. Each reads its arguments, calls the verb's engine and exits."""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    import gc
    import os

    # Imports make a hundred thousand objects that stay; looking for cycles among them took a sixth of a short command's time.
    gc.set_threshold(50_000, 20, 50)

    # numpy's BLAS starts a thread for each core when it is imported, and they spin; nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from mmdata.cli.entry import run

    run("mmdata", _app, arguments)


def _app() -> Any:
    from mmdata.cli.app import app

    return app
