"""What every command line of this project does around its verbs: one application of named modules, one exit code.

Exit codes: 0 clean, 1 findings, 2 could not run (one line on stderr says why), 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, Any

INTERRUPTED = 130


def make_app(name: str, help: str, package: str, verbs: Iterable[str]) -> Any:
    """A typer application.

    Args:
        name: of the command.
        help: what it does, one sentence.
        package: whose submodules hold the verbs, each with ``NAME`` and ``command``; its parent has ``__version__``.
        verbs: names of the submodules, in the order of the help.
    """
    import typer

    app = typer.Typer(
        name=name,
        help=help,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    def show_version(wanted: bool) -> None:
        if wanted:
            print(f"{name} {import_module(package.rpartition('.')[0]).__version__}")
            raise typer.Exit

    shown = typer.Option(
        "--version", callback=show_version, is_eager=True, help="Print the version and exit."
    )

    def root(version: bool = False) -> None:
        del version

    root.__annotations__["version"] = Annotated[
        bool, shown
    ]  # typer would look for a local name in the module
    app.callback()(root)

    for verb in verbs:
        module = import_module(f"{package}.{verb}")
        app.command(module.NAME)(module.command)
    return app


def run(name: str, load: Callable[[], Any], arguments: list[str] | None = None) -> None:
    """Run a command line and exit: never a traceback for bad input.

    Args:
        name: of the command, for messages.
        load: imports and returns the typer application.
        arguments: in place of those of the process.
    """
    from mmdata.errors import MMDataError

    for stream_name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream_name) is None:  # closed by the caller; no data file may get its number
            setattr(sys, stream_name, open(os.devnull, mode))  # noqa: SIM115 - open until the end
    warnings.showwarning = _shown(name, warnings.showwarning)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character of the data shows its escape.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _invoke(name, load(), sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except MMDataError as error:
        print(f"{name}: {_on_one_line(str(error))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has left; what it took is what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        said = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
        print(f"{name}: {_on_one_line(said)}", file=sys.stderr)
        code = 2
    gc.freeze()  # what is left goes with the process: the interpreter need not look for cycles in it
    sys.exit(code)


def _on_one_line(text: str) -> str:
    """A path may hold line breaks and what repaints the screen; they are shown as escapes."""
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )


def _shown(name: str, usual: Callable[..., None]) -> Callable[..., None]:
    """Warnings of plugins as one line for a person; all others as Python shows them."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__name__ == "PluginWarning":
            print(f"{name}: warning: {' '.join(str(message).split())}", file=sys.stderr)
        else:
            usual(message, category, *place, **more)

    return show


def _invoke(name: str, app: Any, arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    from mmdata.errors import UsageError

    # typer has a click of its own in some versions; its exceptions are the bases of those that it exports.
    click_exception: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        result = get_command(app).main(args=arguments, prog_name=name, standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if not isinstance(error, click_exception):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            return 2  # the help is printed already
        raise UsageError(error.format_message().replace("\n", " ")) from None
    if result == INTERRUPTED:
        raise KeyboardInterrupt  # typer has made an exit code of it
    return result if isinstance(result, int) else 0
