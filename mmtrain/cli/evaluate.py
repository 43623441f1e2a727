"""`mmtrain evaluate MODEL --task TASK --data DATA`: scores of an exported model."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import Format, MediaRoot, OutputFormat, wants_json
from mmtrain.cli._options import Dtype, Model, TestFile, check_dtype

NAME = "evaluate"


def command(
    model: Model,
    task: Annotated[
        str,
        typer.Option(
            help="grounding, regions, or a set of questions: rsvqa-lr, rsvqa-hr-test1, rsvqa-hr-test2, dior-rsvg, "
            "mme-realworld-ad, drivelm."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="grounding: data file with masks, of any format; regions: VideoRefer-Bench-Q or -D; else the directory "
            "with `val` and `images`.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Directory to write: answers and scores."),
    ] = None,
    media_root: MediaRoot = None,
    format: Format = None,
    answers: Annotated[
        str | None,
        typer.Option(
            help="grounding: own (default): the model writes its answers; given: the true ones, only masks are its own."
        ),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="regions: single (default): masks of `frame_idx` alone; multi: of all frames."),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="questions: upstream (as published), strict (without quirks) or both; both otherwise."
        ),
    ] = None,
    test_file: TestFile = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Records a batch, asked together and padded on the left; 1 otherwise."),
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the records; 1 otherwise.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="How many records, from the first on; otherwise all."),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="An answer ends there at the latest; otherwise as published, else 512."),
    ] = None,
    dtype: Dtype = None,
    output_format: OutputFormat = "text",
) -> int:
    """Ask an exported model and score its answers.

    grounding: masks against the true ones: cIoU, gIoU, recall, AP50, mask recall. regions: multiple choice about regions of
    videos, by type; descriptions are written for an external judge. Sets of questions: asked in parallel, resumable, scored
    as `mmtrain score` does.
    """
    from mmdata.errors import UsageError
    from mmtrain.cli._ask import ask_and_score
    from mmtrain.cli._file_task import score_file_task
    from mmtrain.evaluate import TASKS
    from mmtrain.evaluate.choices import options_of

    check_dtype(dtype)
    as_document = wants_json(output_format)
    given = {
        "media_root": media_root,
        "format": format,
        "answers": answers,
        "frames": frames,
        "scorer": scorer,
        "test_file": test_file,
        "batch_size": batch_size,
        "nproc": nproc,
    }
    options = options_of(task, given)
    if task in TASKS:
        return score_file_task(
            model, task, data, output, count, max_new_tokens or 512, dtype, options, as_document=as_document
        )
    if output is None:
        raise UsageError(
            "--output DIR: the answers need a place, so that a run can go on where it was stopped"
        )
    return ask_and_score(
        model,
        task,
        data,
        output,
        scorer=scorer or "both",
        test_file=test_file,
        batch_size=batch_size or 1,
        limit=count,
        max_new_tokens=max_new_tokens,
        dtype=dtype,
        nproc=nproc or 1,
        as_document=as_document,
    )
