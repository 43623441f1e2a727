"""Runs that were read already, for as long as one record is worked on: encoders, decoders and checks ask for them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST = 64
"""Texts whose runs are kept; where there are more, keeping begins anew."""

LONGEST = 1 << 13
"""Characters of a text whose runs are kept, so that all that is kept is some megabytes at most."""

kept: dict[tuple[str, int], Any] | None = None
"""(text, pixels of the canvas) -> checked run lengths; None outside of `runs_kept`."""


@contextmanager
def runs_kept() -> Iterator[None]:
    """Within it, the runs of a mask whose text is not long are read once, whoever asks."""
    global kept
    before, kept = kept, {}
    try:
        yield
    finally:
        kept = before


__all__ = ["LONGEST", "MOST", "kept", "runs_kept"]
