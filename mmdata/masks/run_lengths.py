"""What every module on run lengths shares: their type, and the error of a mapping that is no RLE."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError

RLEKind = Literal[
    "mapping", "size", "limit", "counts", "bytes-repr", "alphabet", "truncated", "number", "negative", "sum"
]
Runs: TypeAlias = NDArray[np.int64]
AnyRuns: TypeAlias = NDArray[np.signedinteger[Any]]


class RLEError(DataError):
    """A mapping that is no decodable RLE.

    Attributes:
        kind: what is wrong: ``mapping`` (no mapping at all), ``size`` (not two positive ints), ``limit`` (more pixels than allowed), ``counts``
            (neither str, bytes nor a list of ints), ``bytes-repr`` (the printed form of a bytes object),
            ``alphabet`` (a character that is never written), ``truncated`` (the last number does not end),
            ``number`` (a number longer than any run), ``negative`` (a run below 0), ``sum`` (the runs do not fill
            the canvas).
    """

    def __init__(self, kind: RLEKind, message: str) -> None:
        super().__init__(message)
        self.kind: RLEKind = kind


__all__ = ["AnyRuns", "RLEError", "RLEKind", "Runs"]
