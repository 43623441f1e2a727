"""The best evaluation so far, and when to stop for want of a better one."""

from __future__ import annotations


class Stopping:
    """Counts evaluations since the best.

    Args:
        patience: so many without improvement end the run; None never does.

    Attributes:
        best: lowest loss and the step that it was found at; None before the first.
        since: evaluations after it.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best: tuple[float, int] | None = None
        self.since = 0

    def seen(self, loss: float, step: int) -> str:
        """Take an evaluation's loss; why to stop, or nothing."""
        if self.best is None or loss < self.best[0]:
            self.best, self.since = (loss, step), 0
        else:
            self.since += 1
        if self.patience is not None and self.since >= self.patience:
            return f"no better evaluation in {self.since}; the best was {self.best[0]:.4f} at step {self.best[1]}"
        return ""
