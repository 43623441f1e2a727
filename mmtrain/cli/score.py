"""`mmtrain score PREDICTIONS --task TASK`: scores without a model."""

from __future__ import annotations

from typing import Annotated

import typer

from mmdata.cli.options import MediaRoot, OutputOrStdout, Seed, wants_json
from mmtrain.cli._options import TestFile

NAME = "score"


def command(
    predictions: Annotated[
        str,
        typer.Argument(
            metavar="PREDICTIONS", help="Answers: JSON Lines, a JSON array, or an object with `outputs`."
        ),
    ],
    task: Annotated[str, typer.Option(help="Which set of questions; an unknown name lists them all.")],
    test_file: TestFile = None,
    scorer: Annotated[
        str, typer.Option(help="upstream (as published), strict (without quirks) or both.")
    ] = "both",
    output_format: Annotated[str, typer.Option(help="What is printed: text, json or markdown.")] = "text",
    output: OutputOrStdout = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page of wrong answers, boxes drawn.")
    ] = None,
    media_root: MediaRoot = None,
    resamples: Annotated[
        int, typer.Option(min=0, help="Draws of the bootstrap; 0 leaves intervals out.")
    ] = 1000,
    seed: Seed = 0,
    submission: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="drivelm: write the answers as the challenge takes them."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="FILE", help="drivelm: write what an external judge has to rate.")
    ] = None,
    judge_ratings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="drivelm: that file with ratings: adds the challenge's final score."
        ),
    ] = None,
) -> int:
    """Score answers by the published script's rules, and without its quirks; says where the two differ."""
    from mmdata.dataset_ops.stream import check_output
    from mmdata.errors import UnknownName, UsageError
    from mmdata.io.writer import atomic_writer
    from mmdata.scoring import all_tasks, find_task, score_rows
    from mmdata.scoring.rows import read_rows
    from mmdata.scoring.scorecard import load_data
    from mmdata.scoring.task import WAYS
    from mmtrain.cli._scores import as_json, as_text, write_drivelm, write_page

    if scorer not in (*WAYS, "both"):
        raise UnknownName("scorer", scorer, [*WAYS, "both"])
    as_document = wants_json(output_format, ("text", "json", "markdown"))
    found = find_task(task)
    if found.name != "drivelm" and (submission or judge or judge_ratings):
        raise UsageError("--submission, --judge and --judge-ratings belong to --task drivelm")
    for written in (output, html, submission, judge):
        if written is not None:
            check_output(
                written, inputs=[f for f in (predictions, test_file, judge_ratings) if f], force=True
            )
    extra = load_data(found, test_file)
    rows = read_rows(predictions, found, tuple(all_tasks().values()))
    if judge_ratings is not None:
        from mmdata.scoring.judge import with_ratings

        extra = with_ratings(extra, rows, judge_ratings)
    ways = [way for way in WAYS if scorer in (way, "both")]
    card = score_rows(rows, found, extra, ways=ways, resamples=resamples, seed=seed)
    if html is not None:
        write_page(html, card, rows, found, extra, media_root or "")
    if submission is not None or judge is not None:
        write_drivelm(rows, extra, submission, judge)
    if as_document:
        said = as_json(card)
    elif output_format == "markdown":
        from mmdata.scoring.markdown import as_markdown

        said = as_markdown(card)
    else:
        said = as_text(card)
    if output is None:
        print(said, end="")
    else:
        with atomic_writer(output) as file:
            file.write(said.encode())
    return 0
