"""How the verbs that write files of records report: the ledger as text or JSON, the exit code."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmdata.dataset_ops.ledger import Ledger
    from mmdata.progress import Progress

_SHOWN = 10


@contextmanager
def books(
    verb: str, *, inputs: Sequence[str], rejects: str | None, report: str | None, force: bool
) -> Iterator[tuple[Ledger, Progress]]:
    """A ledger to fill in, with the file of dropped records, and a progress bar; a file in the way is told first."""
    from mmdata.dataset_ops.ledger import Ledger
    from mmdata.dataset_ops.stream import check_output
    from mmdata.dataset_ops.stream import rejects as rejects_file
    from mmdata.progress import terminal_progress

    ledger = Ledger(verb)
    if report is not None:
        check_output(report, inputs=[*inputs, *([] if rejects is None else [rejects])], force=force)
    with rejects_file(rejects, ledger, inputs=inputs, force=force), terminal_progress() as progress:
        yield ledger, progress


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
        print(f"… and {count - _SHOWN} more; --output-format json or --report names them", file=sys.stderr)


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
