"""`mmdata mixture show|plan|convert FILE`: what a ``data.txt`` or an InternVL meta file makes of its data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, MediaRoot, OutputFormat, OutputOrStdout, Seed, wants_json

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
    seed: Seed = 0,
    draws: Annotated[int, typer.Option(min=0, help="plan: how many draws to show, from the first on.")] = 0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="plan: records a batch, GeoPixel's and XComposer's --batch_size.")
    ] = 1,
    ratios: Annotated[
        bool, typer.Option("--ratios", help="Numbers of data.txt are ratios (given_num False).")
    ] = False,
    resampling: Annotated[
        bool, typer.Option("--resampling", help="plan: InternVL's --use_data_resampling.")
    ] = False,
    packed: Annotated[bool, typer.Option("--packed", help="plan: InternVL's --use_packed_ds.")] = False,
    media_root: MediaRoot = None,
    root: Annotated[
        str,
        typer.Option(metavar="DIR", help="convert: `root` of the entries, where their media paths start."),
    ] = "",
    output: OutputOrStdout = None,
    force: Force = False,
    output_format: OutputFormat = "text",
) -> int:
    """Show a mixture file, plan an epoch of it, or convert it between data.txt and InternVL's meta file."""
    from mmdata.cli.mixture_output import print_conversion, print_plan, print_text
    from mmdata.errors import UnknownName
    from mmdata.mixing.convert import convert_mixture
    from mmdata.mixing.describe import describe
    from mmdata.mixing.files import read_mixture_text, write_mixture
    from mmdata.mixing.mixture import MODES

    as_json = wants_json(output_format)
    if action not in ACTIONS:
        raise UnknownName("action", action, ACTIONS)
    if mode is not None and mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    if action == "plan":
        plan = describe(
            path,
            mode=mode,
            given_num=not ratios,
            media_root=media_root,
            batch_size=batch_size,
            resampling=resampling,
            packed=packed,
            epoch=epoch,
            seed=seed,
            draws=draws,
        )
        print_plan(plan, as_json=as_json)
        return 0 if plan.clean else 1
    text = read_mixture_text(path, media_root=media_root)
    if action == "show":
        print_text(text, given_num=not ratios, as_json=as_json)
        return 1 if text.problems(given_num=not ratios) else 0
    conversion = convert_mixture(text, given_num=not ratios, root=root)
    if output is not None:
        write_mixture(output, conversion.data, force=force)
    print_conversion(conversion, as_json=as_json, with_data=output is None)
    return 0
