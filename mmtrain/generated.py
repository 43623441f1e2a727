"""mmtrain's generated files: ``python -m mmtrain.generated`` writes them, ``--check`` compares.

``docs/cli-mmtrain.md`` from the command line, ``docs/config.md`` and ``mmtrain/config.schema.json`` from the config's types.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mmdata.cli.reference import as_markdown as cli_markdown
from mmdata.generated import ROOT, run, stale_pages
from mmtrain.config import json_schema
from mmtrain.config_reference import as_markdown as config_markdown


def pages() -> dict[Path, str]:
    """Path -> text of every generated file."""
    from mmtrain.cli.app import app

    return {
        ROOT / "docs" / "cli-mmtrain.md": cli_markdown(app, title="Command line of mmtrain", name="mmtrain"),
        ROOT / "docs" / "config.md": config_markdown(),
        ROOT / "mmtrain" / "config.schema.json": json_schema(),
    }


def stale() -> list[str]:
    """Generated files that are not what the code would write now, relative to the project."""
    return stale_pages(pages())


def write() -> None:
    """Write all of them."""
    for path, text in pages().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(run(stale, write))
