"""What `mmdata mixture` prints: entries, the plan of an epoch, the differences of a conversion."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mmdata.cli.tables import print_json, table

if TYPE_CHECKING:
    from mmdata.mixing.convert import Conversion
    from mmdata.mixing.describe import Description
    from mmdata.mixing.files import MixtureText


def print_text(text: MixtureText, *, given_num: bool, as_json: bool) -> None:
    """The entries of a mixture file, and those the trainer crashes on."""
    problems = text.problems(given_num=given_num)
    if as_json:
        entries = [
            {"name": e.name, "path": e.path, "number": e.number, "root": e.root, "place": e.place}
            for e in text.entries
        ]
        found = [{"code": p.code, "message": p.message, "crash": p.fatal} for p in problems]
        print_json({"path": text.path, "format": text.format, "entries": entries, "problems": found})
        return
    print(f"{text.path}: {text.format}, {len(text.entries)} entries")
    table(
        ("name", "annotation", "number", "root"),
        [(e.name, e.path, e.number, e.root or "") for e in text.entries],
    )
    for p in problems:
        print(f"{'error' if p.fatal else 'warning'}: {p.message}")


def print_plan(plan: Description, *, as_json: bool) -> None:
    """What an epoch draws of each data set, with warnings, and the first draws that were asked for."""
    if as_json:
        print_json(plan.to_dict())
        return
    how = "exactly" if plan.mode in ("exact", "internvl") else "on the average"
    print(f"{plan.path}: an epoch in mode {plan.mode} has {plan.draws:,.0f} draws, {how}:")
    table(
        ("data set", "number", "records", "samples", "distinct", "draws", "share"),
        [
            (
                s.name,
                s.number,
                s.records,
                s.samples,
                s.distinct,
                f"{s.draws:,.1f}".removesuffix(".0"),
                f"{s.share:.1%}",
            )
            for s in plan.shares
        ],
    )
    for share in plan.shares:
        for warning in share.warnings:
            print(f"warning: {share.name}: {warning}")
    for warning in plan.warnings:
        print(f"warning: {warning}")
    for source, record in plan.first_draws:
        print(f"{plan.shares[source].name}\t{record}")


def print_conversion(conversion: Conversion, *, as_json: bool, with_data: bool) -> None:
    """The other trainer's file, where it goes to no file, and every difference in meaning."""
    if as_json:
        print_json(conversion.to_dict())
        return
    if with_data:
        sys.stdout.write(conversion.data.decode("utf-8", "replace"))
    for d in conversion.differences:
        print(f"{d.kind}: {d.entry + ': ' if d.entry else ''}{d.message}", file=sys.stderr)
