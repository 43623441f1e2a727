"""Line numbers of byte offsets, counted when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_PIECE = 1 << 20


def count_lines(read: Callable[[int], bytes], offsets: Sequence[int]) -> list[int]:
    """The 1-based lines of some offsets of a stream, in the order asked for, in one pass with bounded memory."""
    order = sorted(range(len(offsets)), key=offsets.__getitem__)
    lines = [0] * len(offsets)
    base, at, line = 0, 0, 1
    data = b""
    for which in order:
        offset = offsets[which]
        while offset > base + len(data):
            line += data.count(b"\n", at)
            base += len(data)
            at = 0
            data = read(_PIECE)
            if not data:
                break
        here = min(max(offset - base, at), len(data))
        line += data.count(b"\n", at, here)
        at = here
        lines[which] = line
    return lines
