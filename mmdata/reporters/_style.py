"""Colours of the text report, as ANSI sequences."""

from __future__ import annotations

from dataclasses import dataclass

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "info": "1;36",
    "bold": "1",
    "faint": "2",
    "frame": "34",
    "good": "32",
}


@dataclass(frozen=True, slots=True)
class Style:
    """``style("error", text)``: the text in that role's colour, or as it is where colours are off."""

    color: bool

    def __call__(self, role: str, text: str) -> str:
        """`text` must be visible text: what it holds is written to the terminal as it is."""
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if self.color and text else text
