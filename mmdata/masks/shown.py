"""How a value that somebody else wrote appears in a message."""

from __future__ import annotations

import reprlib


class _Short(reprlib.Repr):
    """A repr that is never long, never deep, and never fails (Python refuses to print integers of 4300 digits)."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 2, 6, 6, 3
        self.maxstring = self.maxother = 48

    def repr_int(self, x: int, level: int) -> str:
        """An integer, or its size where it is too long to read."""
        return super().repr_int(x, level) if x.bit_length() <= 64 else f"an integer of {x.bit_length()} bits"


_SHORT = _Short()


def shown(value: object) -> str:
    """A value as text of at most 160 characters."""
    text = _SHORT.repr(value)
    return text if len(text) <= 160 else text[:159] + "…"
