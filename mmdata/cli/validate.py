"""`mmdata validate PATH...`: everything the trainer would crash on, drop, swap or train wrongly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mmdata.cli.options import Format, Jobs, MaxFindings, MediaRoot, OutputOrStdout, Paths, TargetTemplate

if TYPE_CHECKING:
    from mmdata.validating.splice import Change

NAME = "validate"


def command(
    paths: Paths,
    format: Format = None,
    media: Annotated[
        str,
        typer.Option(help="How closely pictures and videos are looked at: none, exists, header or decode."),
    ] = "exists",
    masks: Annotated[
        str,
        typer.Option(
            help="How closely masks are looked at: basic, or full (geometry; opens pictures for their size)."
        ),
    ] = "basic",
    media_root: MediaRoot = None,
    jobs: Jobs = 0,
    output_format: Annotated[
        str, typer.Option(help="What is printed: text, json, jsonl, github or sarif.")
    ] = "text",
    output: OutputOrStdout = None,
    max_findings: MaxFindings = 10_000,
    max_record_bytes: Annotated[
        int, typer.Option(help="A longer record is one finding and is not read.")
    ] = 64 << 20,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count as errors for the exit code.")
    ] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever was found.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair in place what can be repaired without guessing.")
    ] = False,
    unsafe_fixes: Annotated[
        bool,
        typer.Option(
            "--unsafe-fixes", help="With --fix or --diff: also repairs that may change what was meant."
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would change; write nothing.")
    ] = False,
    statistics: Annotated[bool, typer.Option("--statistics", help="Only the counts by code.")] = False,
    select: Annotated[
        list[str] | None, typer.Option(help="Codes or code prefixes to run, separated by commas.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Codes or code prefixes to leave out.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Leave out the findings recorded in this file.")
    ] = None,
    write_baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Record today's findings in this file and exit 0.")
    ] = None,
    target_template: TargetTemplate = "internvl2_5",
    assume: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A fact outside the file, e.g. max_length=8192; see docs."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Directory with a tokenizer.json, for exact token counts."),
    ] = None,
) -> int:
    """Say what the trainer would crash on, silently drop, swap or train wrongly."""
    from mmdata.cli.render import render_report
    from mmdata.options import Options, parse_assumptions
    from mmdata.progress import terminal_progress
    from mmdata.reporters import get_reporter
    from mmdata.validating.run import Run
    from mmdata.validating.validation import default_jobs

    get_reporter(output_format)  # a word that is none is told before the work, not after it
    options = Options(
        media=media,  # type: ignore[arg-type]  # Options refuses other words by name
        masks=masks,  # type: ignore[arg-type]
        media_root=media_root,
        template=target_template,  # type: ignore[arg-type]
        assume=parse_assumptions(assume or ()),
        tokenizer=tokenizer,
        select=_codes(select),
        ignore=_codes(ignore),
        max_record_bytes=max_record_bytes,
        max_findings=max_findings,
        jobs=jobs or default_jobs(),
    )
    run = Run(
        paths=paths,
        format=format,
        options=options,
        fix=fix,
        diff=diff,
        unsafe_fixes=unsafe_fixes,
        baseline=baseline,
        write_baseline=write_baseline,
    )

    def on_change(change: Change) -> None:
        if diff:
            sys.stdout.writelines(change.diff())
        else:
            print(change.summary(), file=sys.stderr)

    with terminal_progress() as progress:
        report = run(progress=progress, on_change=on_change)
    if report is None:
        return 0
    if write_baseline:
        print(f"mmdata: {len(report.findings)} findings recorded in {write_baseline}", file=sys.stderr)
        return 0
    render_report(report, output_format=output_format, output=output, statistics=statistics)
    return 0 if exit_zero else report.exit_code(strict=strict)


def _codes(items: list[str] | None) -> tuple[str, ...]:
    return tuple(code.strip() for item in items or () for code in item.split(",") if code.strip())
