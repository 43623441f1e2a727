"""What `mmdata import` prints: files written, what was read and left out, and what a person should know."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mmdata.cli.tables import table

if TYPE_CHECKING:
    from mmdata.importing import ImportLedger

_SHOWN = 10


def print_ledger(ledger: ImportLedger, output: str) -> None:
    """The ledger of an import into the directory `output`."""
    for file, count in ledger.files.items():
        print(f"{output}/{file}: {count:,} records")
    rows = [
        (
            kind,
            ledger.read[kind],
            ledger.written[kind],
            sum(n for (k, _), n in ledger.left.items() if k == kind),
        )
        for kind in ledger.read
    ]
    table(("", "read", "written", "left out"), rows)
    for key, value in ledger.facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"  {key.replace('_', ' ')}: {shown}")
    for (kind, reason), count in sorted(ledger.left.items()):
        print(f"left out: {count} {kind}: {reason}", file=sys.stderr)
        for left in [one for one in ledger.named if (one.kind, one.reason) == (kind, reason)][:_SHOWN]:
            print(f"  {left.place}{': ' + left.detail if left.detail else ''}", file=sys.stderr)
    for reason, (count, first) in ledger.notes.items():
        print(f"note: {reason}: {count} times, first {first}", file=sys.stderr)
