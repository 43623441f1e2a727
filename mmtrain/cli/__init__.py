"""The command line `mmtrain`. Exit codes as for mmdata: 0 fine, 1 something is missing, 2 could not run."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    from mmtrain import __version__

    parser = argparse.ArgumentParser(
        prog="mmtrain", description="Fine-tune vision-language models on data that mmdata validates."
    )
    parser.add_argument("--version", action="version", version=f"mmtrain {__version__}")
    verbs = parser.add_subparsers(title="commands", dest="verb", required=True, metavar="COMMAND")
    verbs.add_parser("env", help="say what this machine has of what training needs")
    parser.parse_args(arguments)
    sys.exit(_env())


def _env() -> int:
    from mmtrain.environment import look

    found = look()
    print(f"python {found.python}")
    for library in found.libraries:
        state = library.installed or "missing"
        print(f"{'ok ' if library.fits else '-- '} {library.name:<14} {state:<14} wanted {library.wanted}")
    print(f"accelerators: {', '.join(found.devices) or 'none seen'}")
    if not found.ready:
        print("install what is missing: pip install 'mmdata-mmtrain[train]'", file=sys.stderr)
    return 0 if found.ready else 1
