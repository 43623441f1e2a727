"""Scoring the answers of a model, without a model: `upstream`, as published, and `strict`, without quirks."""

from mmdata.scoring.scorecard import Scorecard, all_tasks, find_task, score_file, score_rows

__all__ = ["Scorecard", "all_tasks", "find_task", "score_file", "score_rows"]
