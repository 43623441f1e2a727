"""`mmdata mixture show|plan|convert FILE`: what a ``data.txt`` or an InternVL meta file makes of its data sets."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "mixture"
ACTIONS = ("show", "plan", "convert")


def command(
    action: Annotated[str, typer.Argument(metavar="show|plan|convert", help="What to do with the file.")],
    path: Annotated[str, typer.Argument(metavar="FILE", help="A data.txt or an InternVL meta file.")],
    mode: Annotated[
        str | None,
        typer.Option(
            help="plan: whose arithmetic: geopixel, xcomposer, internvl or exact; the file's trainer otherwise."
        ),
    ] = None,
    epoch: Annotated[int, typer.Option(help="plan: epoch of the draws shown.")] = 0,
    seed: Annotated[int, typer.Option(help="plan: seed of the draws shown.")] = 0,
    draws: Annotated[int, typer.Option(help="plan: how many draws to show, from the first on.")] = 0,
    batch_size: Annotated[int, typer.Option(help="GeoPixel's and XComposer's --batch_size.")] = 1,
    ratios: Annotated[
        bool, typer.Option("--ratios", help="Numbers of data.txt are ratios (given_num False).")
    ] = False,
    resampling: Annotated[
        bool, typer.Option("--resampling", help="InternVL's --use_data_resampling.")
    ] = False,
    packed: Annotated[bool, typer.Option("--packed", help="InternVL's --use_packed_ds.")] = False,
    media_root: Annotated[
        str | None, typer.Option(help="Directory that relative paths start from, where it is not this one.")
    ] = None,
    root: Annotated[str, typer.Option(help="convert: root of the meta entries.")] = "",
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="convert: file to write; stdout otherwise.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show a mixture file, plan an epoch of it, or convert it between data.txt and InternVL's meta file."""
    from mmdata.cli.tables import print_json, table
    from mmdata.errors import UnknownName, UsageError
    from mmdata.mixing.convert import convert_mixture
    from mmdata.mixing.describe import describe
    from mmdata.mixing.files import read_mixture_text, write_mixture
    from mmdata.mixing.mixture import MODES, Mixture

    if action not in ACTIONS:
        raise UnknownName("action", action, ACTIONS)
    if mode is not None and mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    if batch_size < 1 or draws < 0:
        raise UsageError("--batch-size must be at least 1 and --draws not negative")
    if action == "show":
        text = read_mixture_text(path, media_root=media_root)
        problems = text.problems(given_num=not ratios)
        if as_json:
            entries = [
                {"name": e.name, "path": e.path, "number": e.number, "root": e.root, "place": e.place}
                for e in text.entries
            ]
            found = [{"code": p.code, "message": p.message, "crash": p.fatal} for p in problems]
            print_json({"path": path, "format": text.format, "entries": entries, "problems": found})
        else:
            print(f"{path}: {text.format}, {len(text.entries)} entries")
            table(
                ("name", "annotation", "number", "root"),
                [(e.name, e.path, e.number, e.root or "") for e in text.entries],
            )
            for p in problems:
                print(f"{'error' if p.fatal else 'warning'}: {p.message}")
        return 1 if problems else 0
    if action == "plan":
        settings = {
            "given_num": not ratios,
            "media_root": media_root,
            "batch_size": batch_size,
            "resampling": resampling,
            "packed": packed,
        }
        found_plan = describe(path, mode=mode, **settings)  # type: ignore[arg-type]
        first: list[tuple[int, int]] = []
        if draws:
            with Mixture.from_file(path, mode=found_plan.mode, **settings) as mixture:  # type: ignore[arg-type]
                first = [(d.source, d.record) for d in mixture.plan(epoch, seed=seed)[:draws]]
        if as_json:
            print_json({**found_plan.to_dict(), "epoch": epoch, "seed": seed, "first_draws": first})
        else:
            how = "exactly" if found_plan.mode in ("exact", "internvl") else "on the average"
            print(f"{path}: an epoch in mode {found_plan.mode} has {found_plan.draws:,.0f} draws, {how}:")
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
                    for s in found_plan.shares
                ],
            )
            for share in found_plan.shares:
                for warning in share.warnings:
                    print(f"warning: {share.name}: {warning}")
            for warning in found_plan.warnings:
                print(f"warning: {warning}")
            for source, record in first:
                print(f"{found_plan.shares[source].name}\t{record}")
        return 0 if found_plan.clean else 1
    text = read_mixture_text(path, media_root=media_root)
    conversion = convert_mixture(text, given_num=not ratios, root=root)
    if output is None and not as_json:
        sys.stdout.write(conversion.data.decode("utf-8", "replace"))
    elif output is not None:
        write_mixture(output, conversion.data, force=force)
    if as_json:
        print_json(conversion.to_dict())
    else:
        for d in conversion.differences:
            print(f"{d.kind}: {d.entry + ': ' if d.entry else ''}{d.message}", file=sys.stderr)
    return 0
