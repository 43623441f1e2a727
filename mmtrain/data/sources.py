"""Data files to train on, and how a position in the order becomes an encoded sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import mmdata
from mmdata.errors import DataError
from mmtrain.data.encode import Encoded, Encoder, Size

if TYPE_CHECKING:
    from mmdata.mixing.mixture import Unit
    from schemas.sample import Sample


@dataclass(slots=True, kw_only=True)
class Source:
    """A data file.

    Attributes:
        path: the file.
        name: how messages call it; the path if empty.
        format: its format; told by the content if None.
        media_root: directory that relative media paths start from; None is the working directory.
        max_tiles: most tiles of a picture in this file; None takes the encoder's.
        number: how much of it an epoch takes, as written; what it means, `unit` says.
        unit: see `mmdata.mixing.mixture.Member`: passes over the file, thousands of samples, a ratio, ``repeat_time``.
    """

    path: str
    name: str = ""
    format: str | None = None
    media_root: str | None = None
    max_tiles: int | None = None
    number: int | float | str | None = 1
    unit: Unit = "passes"
    _open: Any = field(default=None, repr=False, compare=False)

    def records(self) -> mmdata.Dataset:
        """The opened file, once a process."""
        if self._open is None:
            self._open = mmdata.open(self.path, format=self.format)
        return self._open  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self.records())

    def __getstate__(self) -> Any:
        return None, {f.name: getattr(self, f.name) for f in fields(self)} | {"_open": None}


@dataclass(frozen=True, slots=True)
class BadSample:
    """A sample that was left out, where it lies and why."""

    source: str
    record: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: record {self.record}: {self.reason}"


def reason_of(error: Exception, path: str, record: int) -> str:
    """What is wrong with a record, for a message that tells its file and number already.

    A record that cannot be decoded brings both along; its line, where the message has one, is kept.
    """
    text = str(error)
    here = f"{path}: record {record}"
    for after in (": ", ", "):
        if text.startswith(here + after):
            return text[len(here + after) :]
    return text or type(error).__name__


class Reader:
    """Reads, measures and encodes records of several sources.

    Args:
        sources: the data files; a reference (source, record) counts in them.
        encoder: what makes tensors of a sample.
        max_length: most tokens of one sample; a longer one is bad, it is never cut.
        max_tiles: most tiles of one sample; None sets no limit.
    """

    def __init__(
        self, sources: Sequence[Source], encoder: Encoder, *, max_length: int, max_tiles: int | None = None
    ) -> None:
        self.sources = list(sources)
        self.encoder = encoder
        self.max_length = max_length
        self.max_tiles = max_tiles

    def sample(self, source: int, record: int) -> Sample:
        """A record in canonical form."""
        return self.sources[source].records().sample(record)

    def measure(self, source: int, record: int) -> Size | BadSample:
        """Tokens and tiles of a record without decoding a pixel, or why it cannot be used."""
        try:
            file = self.sources[source]
            size = self.encoder.measure(self.sample(source, record), file.media_root, file.max_tiles)
            self._fits(size)
        except (DataError, OSError) as error:
            return self.bad(source, record, error)
        return size

    def encode(self, source: int, record: int) -> Encoded | BadSample:
        """The tensors of a record, or why it cannot be used."""
        try:
            file = self.sources[source]
            encoded = self.encoder.encode(self.sample(source, record), file.media_root, file.max_tiles)
            self._fits(encoded.size)
        except (DataError, OSError) as error:
            return self.bad(source, record, error)
        return encoded

    def bad(self, source: int, record: int, error: Exception) -> BadSample:
        """What is reported of a record that cannot be used."""
        file = self.sources[source]
        return BadSample(file.name or file.path, record, reason_of(error, file.path, record))

    def _fits(self, size: Size) -> None:
        if size.tokens > self.max_length:
            raise DataError(
                f"{size.tokens} tokens, more than the limit of {self.max_length}; it is never cut"
            )
        if self.max_tiles is not None and size.tiles > self.max_tiles:
            raise DataError(f"{size.tiles} tiles, more than the limit of {self.max_tiles} a packed sequence")
