"""What an evaluation hands back, and its files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCORES = "scores.json"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was found.

    Attributes:
        scores: of the task; None where it has none of its own.
        bad: records that cannot be used, as ``file: record N: reason``.
        folder: where everything was written; None: nowhere.
        told: the scores as JSON; null where there was nothing to score.
    """

    scores: Any
    bad: list[str]
    folder: Path | None
    told: dict[str, Any] = field(default_factory=dict)


def write_json(path: Path, value: Any) -> None:
    """Indented, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)
