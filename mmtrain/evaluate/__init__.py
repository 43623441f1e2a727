"""Scores of an exported model on a data file: `mmtrain evaluate`, a module with an ``evaluate`` for each of `TASKS`."""

from __future__ import annotations

TASKS = ("grounding", "regions")
