"""Curves of a run's ``train_log.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdata.errors import DataError, MissingExtra, UsageError

LOG = "train_log.jsonl"
DEFAULT = ("loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second")


def read_log(run: str | Path) -> list[dict[str, Any]]:
    """The entries of a run's log, in order of writing.

    Args:
        run: output directory, or the log itself.

    Raises:
        UsageError: there is no log.
        DataError: a line other than a cut-off last one is no JSON object with a step.
    """
    path = Path(run)
    path = path / LOG if path.is_dir() else path
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path}: is no file; expected the output_dir of a run")
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected the output_dir of a run") from None
    except ValueError as error:  # a path with a zero byte, or a file that is no text
        raise UsageError(f"{path}: not a log of mmtrain: {error}") from None
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            entry["step"] + 0
        except (ValueError, TypeError, KeyError, RecursionError):
            if number == len(lines) and not line.endswith("\n"):
                break  # the run is writing it just now, or was killed while it did
            raise DataError(
                f"{path}: line {number}: expected an object with a step, got {line[:60]!r}"
            ) from None
        entries.append(entry)
    return entries


def curves(entries: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each key that has any finite number; a step written twice counts as it was last written."""
    found: dict[str, dict[int, float]] = {}
    for entry in entries:
        for key in keys:
            value = entry.get(key)
            if isinstance(value, (int, float)) and math.isfinite(value):
                found.setdefault(key, {})[entry["step"]] = float(value)
    return {key: sorted(found[key].items()) for key in keys if key in found}


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Exponential mean with its start corrected, as TensorBoard draws it."""
    mean = 0.0
    out = []
    for number, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**number))
    return out


def plot(
    runs: Sequence[str | Path], output: str | Path, *, keys: Sequence[str] = DEFAULT, smooth: float = 0.6
) -> dict[str, int]:
    """Draw the curves of one run or several into a PNG, SVG or PDF.

    Args:
        runs: output directories.
        output: the file; its ending says what it is.
        keys: what to draw, a panel each; keys without a number are left out.
        smooth: 0 draws the values alone, otherwise an exponential mean of this weight over them.

    Returns:
        Points drawn, by key.

    Raises:
        UsageError: a run has no log, or nothing to draw, or the ending is unknown.
        MissingExtra: matplotlib is not installed.
    """
    if not 0 <= smooth < 1:
        raise UsageError(f"--smooth: expected 0 up to below 1, got {smooth}")
    ending = Path(output).suffix.lower()
    if ending not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{output}: expected a name that ends in .png, .svg or .pdf")
    found = {str(run): curves(read_log(run), keys) for run in runs}
    drawn = [key for key in keys if any(key in one for one in found.values())]
    # The held-out loss belongs beside the training loss.
    panels = [key for key in drawn if not (key == "eval_loss" and "loss" in drawn)]
    if not panels:
        raise UsageError(f"{', '.join(found)}: nothing to draw; asked for {', '.join(keys)}")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtra("matplotlib", "train", "mmtrain plot") from None
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.4 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    for key, axis in zip(panels, axes.flat, strict=False):
        for color, (run, one) in enumerate(found.items()):
            _line(axis, one.get(key, []), f"C{color}", Path(run).name if len(found) > 1 else "", smooth)
            if key == "loss" and "eval_loss" in one:
                steps, values = zip(*one["eval_loss"], strict=True)
                axis.plot(steps, values, "o--", color=f"C{color}", markersize=4, label="held out")
        axis.set(title=key, xlabel="step")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1]:
            axis.legend()
    figure.savefig(output, dpi=120)
    return {key: sum(len(one.get(key, ())) for one in found.values()) for key in drawn}


def _line(axis: Any, points: list[tuple[int, float]], color: str, label: str, smooth: float) -> None:
    if not points:
        return
    steps, values = zip(*points, strict=True)
    if smooth and len(points) > 2:
        axis.plot(steps, values, color=color, alpha=0.3, linewidth=1)
        axis.plot(steps, smoothed(values, smooth), color=color, label=label or None)
    else:
        axis.plot(steps, values, color=color, marker="." if len(points) < 3 else None, label=label or None)
