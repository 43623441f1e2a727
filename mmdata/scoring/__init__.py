"""Scores of what a model predicts, as its field defines them: numpy alone, one module a task."""
