"""The files that are generated from the code: ``python -m mmdata.generated`` writes them, ``--check`` compares.

``docs/conversions.md`` from the formats, ``docs/checks.md`` from the checks' docstrings, ``docs/cli.md`` from the command
line, ``schemas/jsonschema/`` from the pydantic types. mmtrain's own are those of `mmtrain.generated`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from mmdata.checks.docs import as_markdown
from mmdata.cli.reference import as_markdown as cli_markdown
from mmdata.schema_export import stale as stale_schemas
from mmdata.schema_export import write_all as write_schemas

ROOT = Path(__file__).resolve().parent.parent


def pages() -> dict[Path, str]:
    """Path -> text of every generated page of ``docs/``."""
    from mmdata.cli.app import app

    return {
        ROOT / "docs" / "checks.md": as_markdown(),
        ROOT / "docs" / "cli.md": cli_markdown(app),
        ROOT / "docs" / "conversions.md": conversions_markdown(),
    }


def conversions_markdown() -> str:
    """The page of the targets of ``mmdata convert``."""
    from mmdata.converting.targets import targets
    from mmdata.format import all_formats

    lines = [
        "# Targets of `mmdata convert`",
        "",
        "Generated from the formats; do not edit. How to convert: [how-to/convert.md](how-to/convert.md).",
        "",
        "| `--to` | data files for | container | picture | video | region |",
        "|---|---|---|---|---|---|",
    ]
    for name, (format, _) in sorted(targets().items()):
        tags = (format.image_tag, format.video_tag, format.region_tag)
        cells = [f"`{tag}`" if tag else "none" for tag in tags]
        lines.append(f"| `{name}` | {format.trainer} | {format.container} | {' | '.join(cells)} |")
    sources = sorted(one.name for one in all_formats().values() if one.to_sample is not None)
    lines += [
        "",
        "Sources: " + ", ".join(f"`{name}`" for name in sources) + "; each goes to every target.",
        "",
    ]
    return "\n".join(lines)


def stale_pages(texts: Mapping[Path, str]) -> list[str]:
    """Which of the files (path -> text) are not what the code would write now, relative to the project."""
    old = [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
    return [str(path.relative_to(ROOT)) for path in old]


def stale() -> list[str]:
    """Generated files that are not what the code would write now, relative to the project."""
    return stale_pages(pages()) + stale_schemas(ROOT / "schemas" / "jsonschema")


def write() -> None:
    """Write all of them."""
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    write_schemas(ROOT / "schemas" / "jsonschema")


def run(stale: Callable[[], list[str]], write: Callable[[], None]) -> int:
    """Write, or compare if the command line says ``--check``; exit code 1 if a file is stale."""
    parser = argparse.ArgumentParser(description="The files that are generated from the code.")
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        write()
        return 0
    old = stale()
    for name in old:
        print(f"stale: {name} (run `make docs`)", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(run(stale, write))
