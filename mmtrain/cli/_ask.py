"""`mmtrain evaluate` for the tasks that are questions with one answer: ask, then score."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FINDINGS = "MMTRAIN_FINDINGS"
"""Environment variable of ranks: the file that says there were findings, by being there."""


def ask_and_score(
    model: str,
    task_name: str,
    data: str,
    output: str,
    *,
    scorer: str,
    test_file: str | None,
    batch_size: int,
    limit: int | None,
    max_new_tokens: int | None,
    dtype: str | None,
    nproc: int,
    as_document: bool,
) -> int:
    """Ask all questions, on several ranks where wanted, then score the answers as `mmtrain score` does."""
    from mmdata.io.writer import atomic_writer
    from mmdata.scoring import find_task, score_file
    from mmdata.scoring.scorecard import load_data
    from mmdata.scoring.task import WAYS
    from mmtrain.cli._scores import as_json, as_text

    task = find_task(task_name)
    if test_file is not None:
        load_data(task, test_file)  # what is wrong with it is said before the model is asked
    if nproc > 1:
        # What is wrong with the arguments is said once, here, and not by every rank and their launcher.
        for _ in task.questions(Path(data)):
            pass
        return on_ranks(model, nproc)
    asked = _ask(model, task, data, output, batch_size, limit, max_new_tokens, dtype)
    if asked.rank:
        return 0
    print(
        f"mmtrain: {asked.questions} answers, {asked.resumed} of them from an earlier run: {asked.predictions}",
        file=sys.stderr,
    )
    if task.needs and test_file is None:
        print(f"mmtrain: not scored: {task.name} needs {task.needs}", file=sys.stderr)
        return 0
    ways = [way for way in WAYS if scorer in (way, "both")]
    card = score_file(str(asked.predictions), task.name, data=test_file, ways=ways)
    print(as_json(card) if as_document else as_text(card), end="")
    with atomic_writer(str(Path(output) / "scores.json")) as file:
        file.write(as_json(card).encode())
    return 0


def on_ranks(model: str, nproc: int) -> int:
    """Run this command again in several processes; returns its exit code.

    Raises:
        UsageError: there is no such model, or a launcher has started this process already.
    """
    from mmdata.errors import UsageError
    from mmtrain.export import DESCRIPTION

    if not (Path(model) / DESCRIPTION).is_file():
        raise UsageError(
            f"{model}: {DESCRIPTION} is missing; expected a directory that `mmtrain export` wrote"
        )
    if "RANK" in os.environ:
        raise UsageError("--nproc: a launcher has started this process already")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={nproc}"]
    command = [*launcher, "-m", "mmtrain", *without(sys.argv[1:], "--nproc")]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "findings"
        code = subprocess.run(command, env={**os.environ, FINDINGS: str(told)}).returncode  # noqa: S603
        return 1 if code == 0 and told.exists() else code


def ended(findings: bool) -> int:
    """The exit code of a command that had findings or none; a rank's launcher would take 1 for a failure."""
    if findings and FINDINGS in os.environ:
        Path(os.environ[FINDINGS]).touch()
        return 0
    return int(findings)


def without(arguments: list[str], option: str) -> list[str]:
    """Arguments less an option and its value, written in one word or two."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != option and not argument.startswith(f"{option}="):
            kept.append(argument)
        skip = not skip and argument == option
    return kept


def _ask(
    model: str,
    task: Any,
    data: str,
    output: str,
    batch_size: int,
    limit: int | None,
    max_new_tokens: int | None,
    dtype: str | None,
) -> Any:
    from mmtrain.asking import ask
    from mmtrain.quiet import quiet

    quiet()
    live = sys.stderr.isatty() and os.environ.get("RANK", "0") == "0"
    right: list[float] = []

    def on_answer(row: dict[str, Any], finished: int, total: int) -> None:
        if live:
            told = ""
            if not task.needs:
                sheet = task.score["strict"]([task.read(finished, row)], None)
                right.append(float(sheet.scores[sheet.main][0]))
                told = f"  {sheet.main} so far {sum(right) / len(right):.3f} (strict)"
            print(
                f"\r{finished}/{total}{told}",
                end="" if finished < total else "\n",
                file=sys.stderr,
                flush=True,
            )

    def load() -> Any:
        from mmtrain.loading import load

        return load(model, dtype=dtype)  # type: ignore[arg-type]

    return ask(
        load,
        task,
        data,
        output,
        model_name=model,
        batch_size=batch_size,
        limit=limit,
        max_new_tokens=max_new_tokens,
        on_answer=on_answer,
    )
