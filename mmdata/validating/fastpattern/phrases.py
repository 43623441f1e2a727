"""Where the grounded phrases of a block of records lie, seen for the whole block at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmdata.checks.markers import CLOSED

_OPEN = b"<p>"
_CLOSE = CLOSED.encode()


class Phrases(NamedTuple):
    """Lists with one entry a record.

    Attributes:
        counts: number of phrases, each closed and followed by its mask token.
        first: offset of the first one's ``<``; meaningless without phrases.
        last: offset of the last one's closing ``<``; likewise.
    """

    counts: list[int]
    first: list[int]
    last: list[int]


def phrases_of(data: bytes, starts: list[int], ends: list[int], brackets: int) -> Phrases | None:
    """The phrases of each record, if the block has no other ``<`` and ``[`` at all.

    Args:
        data: the block.
        starts: offsets of its records.
        ends: one past their last bytes.
        brackets: ``[`` that stand between the tokens of each record.

    Returns:
        None if any ``<`` is neither the opening nor the closing of a phrase with its mask token, if they do not
        alternate, if a record holds half a phrase, or if there is a ``[`` besides mask tokens and brackets.
    """
    characters = np.frombuffer(data, np.uint8)
    angles = np.flatnonzero(characters == 60)
    if len(angles) % 2 or (len(angles) and angles[-1] + len(_CLOSE) > len(data)):
        return None
    for places, marker in ((angles[::2], _OPEN), (angles[1::2], _CLOSE)):
        for offset, byte in enumerate(marker):
            if not (characters[places + offset] == byte).all():
                return None
    if int(np.count_nonzero(characters == 91)) != len(angles) // 2 + brackets * len(starts):
        return None
    low, high = np.searchsorted(angles, starts), np.searchsorted(angles, ends)
    if ((high - low) % 2).any() or (low % 2).any():
        return None
    padded = np.append(angles, 0)
    return Phrases(((high - low) // 2).tolist(), padded[low].tolist(), padded[high - 1].tolist())
