"""Options that several verbs have: the same name, short form, type and meaning in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Data files, globs, directories, data.txt, InternVL meta; - is stdin."
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Format of the data; told from its content otherwise."),
]
MediaRoot = Annotated[
    str | None,
    typer.Option(
        "--media-root",
        metavar="DIR",
        help="Directory that relative paths start from, where it is not this one.",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes or threads; 0 takes one per core.")]
TargetTemplate = Annotated[
    str,
    typer.Option(
        "--target-template", help="InternVL template: internvl2_5, Hermes-2, internlm2-chat or phi3-chat."
    ),
]

OutputFile = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="File to write.")]
OutputDir = Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Directory to write.")]
OutputOrStdout = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="File to write; stdout otherwise.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]

OutputFormat = Annotated[str, typer.Option("--output-format", help="What is printed: text or json.")]
MaxFindings = Annotated[
    int,
    typer.Option("--max-findings", min=0, help="Most findings listed; 0 lists all. Counts are complete."),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE", help="Also write the ledger to this file, as JSON.")
]
Rejects = Annotated[
    str | None,
    typer.Option("--rejects", metavar="FILE", help="Write every dropped record here, with its reason."),
]
Seed = Annotated[
    int, typer.Option("--seed", help="Of what is drawn at random; the same seed gives the same result.")
]


def wants_json(output_format: str, known: Sequence[str] = ("text", "json")) -> bool:
    """Whether ``--output-format`` asks for JSON.

    Raises:
        UnknownName: it is none of the known words.
    """
    from mmdata.errors import UnknownName

    if output_format not in known:
        raise UnknownName("output format", output_format, known)
    return output_format == "json"
