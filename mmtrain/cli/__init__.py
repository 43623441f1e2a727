"""The command line `mmtrain`: one file a verb. Each reads its arguments, calls the verb's engine and exits.

Exit codes as for mmdata: 0 fine, 1 something was found wrong, 2 could not run (one line on stderr says why), 130
interrupted. Nothing here imports torch before a verb needs it.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script: never shows a traceback for bad input."""
    from mmdata.errors import MMDataError

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except MMDataError as error:
        print(f"mmtrain: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("mmtrain: interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        print(f"mmtrain: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        code = 2
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    from mmdata.errors import UsageError
    from mmtrain.cli.app import app

    # typer has a click of its own in some versions; its exceptions are the bases of those that it exports.
    click_exception: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        result = get_command(app).main(args=arguments, prog_name="mmtrain", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if not isinstance(error, click_exception):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            return 2  # the help is printed already
        raise UsageError(error.format_message().replace("\n", " ")) from None
    return result if isinstance(result, int) else 0
