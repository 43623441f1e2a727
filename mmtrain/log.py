"""What a run tells while it trains: a progress line, ``train_log.jsonl``, TensorBoard, wandb."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mmdata.errors import MissingExtra, UnknownName, UsageError

LOG = "train_log.jsonl"


def drop_after(path: Path, step: int) -> None:
    """Take out of a log what a resumed run will write again: the lines of later steps."""
    partial = path.with_name(path.name + ".partial")
    text = "".join(line + "\n" for line, entry in _entries(path) if entry["step"] <= step)
    if path.exists():
        partial.write_text(text, "utf-8")
        os.replace(partial, path)


def check_log(path: Path) -> None:
    """Whether a run can go on with a log: nothing but its own lines may be taken out of it.

    Raises:
        UsageError: a line other than a cut-off last one is no entry.
    """
    for _ in _entries(path):
        pass


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a log with their entries; a last one that was cut off as the run was killed is left out."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a log of mmtrain: {error}; move it away") from None
    for number, line in enumerate(lines[:-1], 1):
        try:
            entry = json.loads(line)
            entry["step"] <= 0  # noqa: B015 - it must be a number
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UsageError(
                f"{path}: line {number}: expected an object with a step, got {line[:60]!r}; move the file away, a run begins a "
                "new one"
            ) from None
        yield line, entry


class Log:
    """Writes entries of a run; to be used on rank 0 alone.

    Args:
        run: output directory.
        report_to: ``"tensorboard"``, ``"wandb"``.
        total: optimizer steps, for the progress line.
        settings: shown to wandb.

    Raises:
        MissingExtra: a library of `report_to` is not installed.
        UnknownName: `report_to` names something else.
    """

    def __init__(
        self, run: str | Path, report_to: Sequence[str], total: int, settings: dict[str, Any]
    ) -> None:
        self._file = open(Path(run) / LOG, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the run
        self._total = total
        self._board: Any = None
        self._wandb: Any = None
        for name in report_to:
            if name == "tensorboard":
                self._board = _tensorboard(Path(run) / "tensorboard")
            elif name == "wandb":
                self._wandb = _wandb(str(run), settings)
            elif name != "none":
                raise UnknownName("report_to", name, ["tensorboard", "wandb", "none"])
        self._bar = _bar(total)

    def write(self, entry: dict[str, Any]) -> None:
        """Write one object; numbers also go to the boards."""
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        step = entry["step"]
        scalars = {k: v for k, v in entry.items() if isinstance(v, (int, float)) and k != "step"}
        if self._board is not None:
            for key, value in scalars.items():
                self._board.add_scalar(key, value, step)
        if self._wandb is not None:
            self._wandb.log(scalars, step=step)
        line = self._line(entry)
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=step, description=line)
        else:
            print(f"step {step}/{self._total}  {line}", file=sys.stderr, flush=True)  # noqa: T201

    def _line(self, entry: dict[str, Any]) -> str:
        if "eval_loss" in entry:
            return f"eval loss {entry['eval_loss']:.4f}"
        text = f"loss {entry['loss']:.4f}  lr {entry['learning_rate']:.2e}  {entry['tokens_per_second']:.0f} tokens/s  "
        share = entry.get("mfu")
        text += f"MFU {share:.1%}  " if share is not None else "MFU n/a  "
        text += f"{entry['samples_per_second']:.1f} samples/s  waiting for data {entry['data_wait']:.0%}"
        return text + (f"  GPU {entry['gpu_memory_gib']:.1f} GiB" if "gpu_memory_gib" in entry else "")

    def close(self) -> None:
        """Finish everything."""
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()
        if self._bar is not None:
            self._bar[0].stop()


def _bar(total: int) -> Any:
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    progress.start()
    return progress, progress.add_task("", total=total)


def _tensorboard(path: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", "train", "report_to: tensorboard") from None
    return SummaryWriter(str(path))


def _wandb(run: str, settings: dict[str, Any]) -> Any:
    try:
        wandb = import_module("wandb")
    except ImportError:
        raise MissingExtra("wandb", "wandb", "report_to: wandb") from None
    return wandb.init(dir=run, name=Path(run).name, config=settings)
