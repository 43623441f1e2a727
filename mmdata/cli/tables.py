"""Plain tables and JSON on stdout, as several verbs print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their content; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) for i, head in enumerate(heads)]
    right = [bool(rows) and all(_numeric(row[i]) for row in cells) for i in range(len(heads))]
    for row in [list(heads), *cells]:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        print("  " + "  ".join(aligned).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if type(value) is int else str(value)


def _numeric(text: str) -> bool:
    return text in ("", "-") or text.replace(",", "").replace(".", "").rstrip("%").isdigit()
