"""What InternVL makes of a meta file: the arithmetic of ``internvl_chat_finetune.py``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmdata.errors import DataError


def lines_kept(lines: int, repeat_time: float) -> int:
    """How many lines, from the first on, one pass over a data set has.

    Below one ``lines[: int(len(lines) * repeat_time)]``: the same prefix in every epoch. A negative number trims the end.

    Args:
        lines: length of the annotation file.
        repeat_time: as in the meta file.
    """
    if repeat_time >= 1:
        return lines
    try:
        return len(range(lines)[: int(lines * repeat_time)])
    except (ValueError, OverflowError):
        raise DataError(f"repeat_time {repeat_time} is no number") from None


def repeats(repeat_time: float) -> int:
    """How often the lines are repeated: above one ``lines * repeat_time``, which must be an int.

    Raises:
        DataError: upstream's assertion fails: a float above one, 2.0 too.
    """
    if repeat_time <= 1 or repeat_time != repeat_time:
        return 1
    if not isinstance(repeat_time, int):
        raise DataError(f"repeat_time {repeat_time} is above one and no integer")
    return repeat_time


def length(lines: int, repeat_time: float) -> int:
    """Length of the data set.

    Raises:
        DataError: `repeat_time` is a float above one, or leaves no line.
    """
    result = lines_kept(lines, repeat_time) * repeats(repeat_time)
    if result == 0:
        raise DataError(f"repeat_time {repeat_time} of {lines} lines leaves none")
    return result


def weights(lengths: Sequence[int], *, resampling: bool, packed: bool) -> list[float]:
    """Share of each data set in what is drawn; they add up to 1.

    With ``use_data_resampling`` the square roots of the lengths count, but only when packed: otherwise the weighted
    sampler is built and never consulted.

    Args:
        lengths: of the data sets, repeats included.
        resampling: ``--use_data_resampling``.
        packed: ``--use_packed_ds``.
    """
    shares = [math.sqrt(n) if resampling and packed else float(n) for n in lengths]
    total = sum(shares)
    return [share / total for share in shares]
