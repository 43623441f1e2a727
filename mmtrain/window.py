"""What happens between two entries of the log, added up."""

from __future__ import annotations


class Window:
    """What is added up between two entries of the log."""

    def __init__(self) -> None:
        self.loss = self.waited = self.seconds = 0.0
        self.steps = self.tokens = self.samples = 0
        self.terms: dict[str, float] = {}

    def add(
        self,
        loss: float,
        terms: dict[str, float],
        waited: float,
        seconds: float,
        counted: tuple[int, int],
    ) -> None:
        """Add a step.

        Args:
            loss: of the step.
            terms: means of its loss terms.
            waited: seconds that it waited for data.
            seconds: that it took.
            counted: its tokens and samples over all ranks.
        """
        self.loss += loss
        for name, value in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + value
        self.waited += waited
        self.seconds += seconds
        self.steps += 1
        self.tokens += counted[0]
        self.samples += counted[1]
