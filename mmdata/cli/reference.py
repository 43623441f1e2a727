"""The page of a command line (``docs/cli.md``), from the command line itself."""

from __future__ import annotations

from typing import Any


def as_markdown(app: Any, *, title: str = "Command line", name: str = "mmdata") -> str:
    """Every verb with its arguments and options, as Markdown.

    Args:
        app: the typer application.
        title: heading of the page.
        name: of the command.
    """
    from typer.main import get_command

    root: Any = get_command(app)
    out = [f"# {title}", "", "Generated from the code by `make docs`; do not edit.", "", root.help, ""]
    out += ["Exit codes: 0 clean, 1 findings, 2 could not run, 130 interrupted.", ""]
    for verb_name, verb in root.commands.items():
        arguments = " ".join(_name(p) for p in verb.params if p.param_type_name == "argument")
        out += [f"## `{f'{name} {verb_name} {arguments}'.strip()}`", "", verb.help.strip(), ""]
        rows = [_row(p) for p in verb.params if p.name != "help"]
        out += ["| option | meaning | default |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(out).rstrip() + "\n"


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _row(parameter: Any) -> str:
    names, default = f"`{_name(parameter)}`", ""
    if parameter.param_type_name == "option":
        names = ", ".join(f"`{o}`" for o in parameter.opts)
        names += f" {parameter.metavar}" if parameter.metavar else ""
        if getattr(parameter, "required", False):
            default = "required"
        elif parameter.default not in (None, False, ""):
            default = f"`{parameter.default}`"
    return f"| {names} | {(parameter.help or '').replace('|', chr(92) + '|')} | {default} |"
