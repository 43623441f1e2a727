"""`mmdata validate PATH...`: everything the trainer would crash on, drop, swap or train wrongly."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "validate"


def command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Data files, globs, directories, data.txt, InternVL meta; - is stdin."
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option("--format", help="Format of the files; detected from their content otherwise."),
    ] = None,
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
    media_root: Annotated[
        str | None, typer.Option(help="Directory that relative paths start from, where it is not this one.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; 0 takes one per core.")] = 0,
    output_format: Annotated[str, typer.Option(help="text, json, jsonl, github or sarif.")] = "text",
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Write the report to this file instead of stdout.")
    ] = None,
    max_findings: Annotated[
        int, typer.Option(help="Findings listed per run; 0 lists all. Counts are always complete.")
    ] = 10_000,
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
        str | None, typer.Option(help="Leave out the findings recorded in this file.")
    ] = None,
    write_baseline: Annotated[
        str | None, typer.Option(help="Record today's findings in this file and exit 0.")
    ] = None,
    target_template: Annotated[
        str, typer.Option(help="InternVL template: internvl2_5, Hermes-2, internlm2-chat or phi3-chat.")
    ] = "internvl2_5",
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
    from mmdata.errors import UsageError
    from mmdata.options import Options, parse_assumptions
    from mmdata.progress import terminal_progress
    from mmdata.validating import baseline as baselines
    from mmdata.validating.validation import default_jobs, validate_with

    if diff and fix:
        raise UsageError("--diff shows what --fix would do: give one of the two")
    if unsafe_fixes and not (fix or diff):
        raise UsageError("--unsafe-fixes goes with --fix or --diff")
    if baseline and write_baseline:
        raise UsageError("--baseline and --write-baseline exclude each other")
    if jobs < 0:
        raise UsageError(f"--jobs must not be negative, got {jobs}")
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
        max_findings=0 if write_baseline else max_findings,
        jobs=jobs or default_jobs(),
    )
    known = baselines.load(baseline) if baseline else None
    if fix or diff:
        from mmdata.validating.fix import fix_files

        for change in fix_files(paths, format=format, options=options, unsafe=unsafe_fixes, write=fix):
            if diff:
                sys.stdout.writelines(change.diff())
            else:
                print(change.summary(), file=sys.stderr)
        if diff:
            return 0
    with terminal_progress() as progress:
        report = validate_with(paths, format=format, options=options, progress=progress, baseline=known)
    if write_baseline:
        baselines.write(write_baseline, report)
        print(f"mmdata: {len(report.findings)} findings recorded in {write_baseline}", file=sys.stderr)
        return 0
    render_report(report, output_format=output_format, output=output, statistics=statistics)
    return 0 if exit_zero else report.exit_code(strict=strict)


def _codes(items: list[str] | None) -> tuple[str, ...]:
    return tuple(code.strip() for item in items or () for code in item.split(",") if code.strip())
