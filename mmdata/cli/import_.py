"""`mmdata import NAME FILE... -o DIR`: annotations of other projects as InternVL records."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Force, MediaRoot, OutputFormat, Report, wants_json

NAME = "import"


def command(
    importer: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose; left out: list them.")
    ] = None,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[FILE...]", help="Files to read.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR", help="Directory to write.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Start of the written files' names.")] = None,
    purpose: Annotated[
        str, typer.Option(help="train, or eval: the layout of the published evaluation files.")
    ] = "train",
    window: Annotated[int, typer.Option(help="drivelm: key frames in a record.")] = 1,
    stride: Annotated[
        int | None, typer.Option(help="drivelm: key frames from a window to the next; 1.")
    ] = None,
    arrange: Annotated[
        str, typer.Option(help="drivelm: stitch (a picture a time step) or images (a picture a camera).")
    ] = "stitch",
    per: Annotated[
        str | None,
        typer.Option(
            help="drivelm: question or window: what one record holds; window if --window is above 1."
        ),
    ] = None,
    ask: Annotated[
        str, typer.Option(help="drivelm: questions of the last frame of a window, or of every one.")
    ] = "last",
    split: Annotated[
        str | None, typer.Option(metavar="FILE", help="dior-rsvg: file of the numbers of objects.")
    ] = None,
    media_root: MediaRoot = None,
    boxes: Annotated[str, typer.Option(help="geochat: keep boxes in texts, or write internvl's.")] = "keep",
    ending: Annotated[str | None, typer.Option(help="rsvqa: of the pictures' names; tif.")] = None,
    instruction: Annotated[
        str | None, typer.Option(help="rsvqa, dior-rsvg: put to the question; the published one otherwise.")
    ] = None,
    force: Force = False,
    report: Report = None,
    output_format: OutputFormat = "text",
) -> int:
    """Write annotations of other projects as InternVL records; everything read is written or named."""
    import json

    from mmdata.cli.import_output import print_ledger
    from mmdata.cli.tables import print_json
    from mmdata.dataset_ops.stream import check_output
    from mmdata.errors import UsageError
    from mmdata.importing import ImportOptions, import_files, importers
    from mmdata.mixing.files import write_mixture
    from mmdata.progress import terminal_progress

    as_json = wants_json(output_format)
    if importer is None:
        for one in importers().values():
            print(f"{one.name:12} {one.title}: {one.files}")
        return 0
    if not paths:
        raise UsageError(f"name the files to import: {importers()[importer].files}")
    if output is None:
        raise UsageError("say where to write: -o DIR")
    if report is not None:
        check_output(report, inputs=paths, force=force)
    options = ImportOptions(
        name=name,
        purpose=purpose,  # type: ignore[arg-type]  # other words are refused by name
        window=window,
        stride=stride,
        arrange=arrange,  # type: ignore[arg-type]
        per=per,  # type: ignore[arg-type]
        ask=ask,  # type: ignore[arg-type]
        split=split,
        media_root=media_root,
        boxes=boxes,  # type: ignore[arg-type]
        ending=ending,
        instruction=instruction,
    )
    with terminal_progress(counting=True) as progress:
        ledger = import_files(importer, paths, output, options, force=force, progress=progress)
    if report is not None:
        write_mixture(
            report, (json.dumps(ledger.to_dict(), indent=2, ensure_ascii=False) + "\n").encode(), force=force
        )
    if as_json:
        print_json(ledger.to_dict())
        return ledger.exit_code
    print_ledger(ledger, output)
    return ledger.exit_code
