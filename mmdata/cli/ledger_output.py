"""How the verbs that write files of records report: their options, the ledger as text or JSON, the exit code."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mmdata.dataset_ops.ledger import Ledger

Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="File to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace output files that are there.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE", help="Also write the ledger to this file, as JSON.")
]
Rejects = Annotated[
    str | None,
    typer.Option("--rejects", metavar="FILE", help="Write every dropped record here, with its reason."),
]
Seed = Annotated[int, typer.Option(help="Chooses; the same seed gives the same result.")]

_SHOWN = 10


def finish(ledger: Ledger, *, as_json: bool, report: str | None, force: bool) -> int:
    """Print the ledger, write the report, give the exit code."""
    from mmdata.cli.tables import print_json
    from mmdata.mixing.files import write_mixture

    if report is not None:
        import json

        write_mixture(
            report, (json.dumps(ledger.to_dict(), indent=2, ensure_ascii=False) + "\n").encode(), force=force
        )
    if as_json:
        print_json(ledger.to_dict())
    else:
        _text(ledger)
    return ledger.exit_code


def _text(ledger: Ledger) -> None:
    dropped = ", ".join(f"{n} {reason}" for reason, n in sorted(ledger.dropped.items())) or "none"
    print(
        f"{ledger.verb}: {ledger.read.total()} read = {ledger.written.total()} written + {ledger.dropped.total()} dropped ({dropped})"
    )
    for path, n in ledger.written.items():
        print(f"  {path}: {n}")
    for name, value in ledger.extra.items():
        if isinstance(value, (int, str)):
            print(f"  {name}: {value}")
    broken = [d for d in ledger.named if d.reason == "broken"]
    lines = (
        [f"{d.path}: record {d.record} is broken: {d.detail}" for d in broken] + ledger.between + ledger.notes
    )
    for line in lines[:_SHOWN]:
        print(line, file=sys.stderr)
    count = ledger.dropped["broken"] + len(ledger.between) + len(ledger.notes)
    count += ledger.extra.get("more_between_records", 0) + ledger.extra.get("more_notes", 0)
    if count > _SHOWN:
        print(f"… and {count - _SHOWN} more; --json or --report names them", file=sys.stderr)


def decimal(text: str, option: str) -> Decimal:
    """A share as a person wrote it: 0.1 is exactly a tenth.

    Raises:
        UsageError: it is no number.
    """
    from mmdata.errors import UsageError

    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise UsageError(f"{option}: {text!r} is no number")
    return value
