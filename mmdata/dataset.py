"""`open`: a data file as an indexable, lazily read sequence of typed records."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

from mmdata.errors import DataError, DataWarning, UsageError
from mmdata.io.index import SeekIndex, open_index
from mmdata.io.jsontext import JSONProblem, parse
from mmdata.io.read import open_source
from mmdata.io.record import HARMLESS, Problem, RawRecord
from mmdata.io.rows import RowSource
from mmdata.io.source import MAX_RECORD_BYTES, Source

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from mmdata.format import Format
    from schemas.sample import Sample

_SHOWN_RECORDS = 5
_SHOWN_CHARACTERS = 300
_SHOWN_ERRORS = 3


def open(
    path: str | os.PathLike[str],
    *,
    format: str | Format | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Dataset:
    """Open a data file.

    Args:
        path: a local path (plain, gzip or Zstandard), ``-`` for standard input, or any fsspec URL.
        format: the trainer's format; told by the content if None.
        max_record_bytes: a longer record cannot be read.

    Raises:
        UsageError: there is no such file, or its format is not known; ``format`` decides.
    """
    from mmdata.detection import choose, detect_source
    from mmdata.format import get_format

    path = os.fspath(path)
    source = open_source(path, max_record_bytes=max_record_bytes)
    try:
        if format is None:
            format = choose(detect_source(source))
        elif isinstance(format, str):
            format = get_format(format)
        if format.mixture:
            raise UsageError(f"{path}: a {format.name} file lists data sets; open one of those")
        return Dataset(source, format.of(path), max_record_bytes=max_record_bytes)
    except BaseException:
        source.close()
        raise


class Dataset(Sequence[Any]):
    """A file of records in one trainer's format: ``ds[12]``, ``len(ds)``, ``ds[5:9]``, ``for record in ds``.

    Records are read when they are asked for. A plain local file has an index (see `mmdata.io.index`), built at the first
    look at one record: after that, any record is one seek away. A compressed or remote file is read from its start each
    time; standard input can only be iterated, once. In sequence, a `mmdata.errors.DataWarning` names what lies between
    records and is none (stray text, a damaged part of a Parquet file).

    Attributes:
        path: the file, as given.
        format: the trainer's format.
    """

    def __init__(self, source: Source, format: Format, *, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self.path = source.path
        self.format = format
        self._source = source
        self._max_bytes = max_record_bytes
        self._index: SeekIndex | None = None
        self._length: int | None = None
        self._close = weakref.finalize(self, source.close)

    def close(self) -> None:
        """Close the file; the data set cannot be used any more."""
        if self._index is not None:
            self._index.close()
            self._index = None
        self._close()

    def __enter__(self) -> Dataset:  # noqa: PYI034 - not meant to be subclassed
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        if self._length is None:
            known = self._source.count() if isinstance(self._source, RowSource) else None
            if known is not None:
                self._length = known
            elif self._source.seekable:
                self._length = len(self._places())
            else:
                self._length = sum(1 for _ in self.raw_records())
        return self._length

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> View: ...
    def __getitem__(self, i: int | slice) -> Any:
        """Record `i` as the format's pydantic type, or a lazy view of a slice.

        Raises:
            IndexError: there is no such record.
            DataError: the record cannot be decoded; the message says where it lies and what is wrong with it.
        """
        if isinstance(i, slice):
            return View(self, range(*i.indices(len(self))))
        return self._typed(self._find(i))

    def __iter__(self) -> Iterator[BaseModel]:
        for raw in self.raw_records(self._passed_over):
            yield self._typed(raw)

    def raw(self, i: int) -> bytes:
        """The bytes of record `i` as they lie in the file, broken or not."""
        return self._find(i).data

    def sample(self, i: int) -> Sample:
        """Record `i` in canonical form.

        Raises:
            DataError: the record cannot be decoded.
        """
        return self._sample(self._find(i))

    def samples(self) -> Iterator[Sample]:
        """Every record in canonical form, read in sequence; a `DataWarning` names what is no record."""
        for raw in self.raw_records(self._passed_over):
            yield self._sample(raw)

    def sample_of(self, raw: RawRecord) -> Sample:
        """A record of `raw_records` in canonical form.

        Raises:
            DataError: the record cannot be decoded.
        """
        return self._sample(raw)

    def raw_records(self, on_problem: Callable[[Problem], None] | None = None) -> Iterator[RawRecord]:
        """Every record as it lies in the file, read in sequence; broken ones carry their problem.

        Args:
            on_problem: told of what lies between records and is none of them.
        """
        if not self._source.repeatable:
            source, close = self._source, False
        else:
            source, close = open_source(self.path, max_record_bytes=self._max_bytes), True
        try:
            for item in source.records():
                if isinstance(item, RawRecord):
                    yield item
                elif on_problem is not None:
                    on_problem(item)
        finally:
            if close:
                source.close()

    def _passed_over(self, problem: Problem) -> None:
        """Nothing that may have been a record is left out in silence."""
        if problem.kind not in (*HARMLESS, "container"):
            warnings.warn(f"{self.path}: {problem.message}", DataWarning, stacklevel=3)

    def _places(self) -> SeekIndex:
        if self._index is None:
            self._index = open_index(self._source)
        return self._index

    def _find(self, i: int) -> RawRecord:
        if not self._source.repeatable:
            raise UsageError(f"{self.path}: can only be iterated, once; copy it to a file to look records up")
        index = i
        if i < 0 or self._source.seekable:
            index = i + len(self) if i < 0 else i
            if not 0 <= index < len(self):
                raise IndexError(f"record {i} of {len(self)}")
        if isinstance(self._source, RowSource):
            return self._source.record(index)
        if not self._source.seekable:
            for raw in self.raw_records():
                if raw.index == index:
                    return raw
            raise IndexError(f"record {i} is past the end of {self.path}")
        start, end = self._places()[index]
        if end - start > self._max_bytes:
            message = f"the record is larger than {self._max_bytes} bytes"
            return RawRecord(index, start, b"", Problem("too-large", message, start, end, index))
        return RawRecord(index, start, self._source.read_at(start, end), None)

    def _parsed(self, raw: RawRecord) -> Any:
        if raw.problem is not None:
            raise self._error(raw, raw.problem.message, raw.problem.start)
        try:
            return parse(raw.data)
        except JSONProblem as error:
            raise self._error(raw, error.message, raw.start + error.offset) from None

    def _typed(self, raw: RawRecord) -> BaseModel:
        from pydantic import ValidationError

        value = self._parsed(raw)
        try:
            return self.format.record.model_validate(value)
        except ValidationError as error:
            raise self._error(raw, _explain(error), raw.start) from None

    def _sample(self, raw: RawRecord) -> Sample:
        from schemas.sample import Origin

        if self.format.to_sample is None:
            raise UsageError(f"{self.format.name} has no canonical form")
        value = self._parsed(raw)
        if not isinstance(value, dict):
            raise self._error(raw, "expected an object", raw.start)
        origin = Origin(path=self.path, format=self.format.name, record=raw.index, byte=raw.start)
        return self.format.to_sample(value, origin)

    def _error(self, raw: RawRecord, why: str, offset: int) -> DataError:
        line = self._source.line_of([offset])[0]
        place = f", line {line}" if line else ""
        return DataError(f"{self.path}: record {raw.index}{place}: {why}")

    def __repr__(self) -> str:
        count = "" if self._length is None else f", {self._length} records"
        return f"Dataset({self.path!r}, format={self.format.name!r}{count})"

    def _repr_html_(self) -> str:
        return _html(repr(self), self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.format.name, self._max_bytes)


class View(Sequence[Any]):
    """Some records of a data set, by index; reads nothing until it is asked."""

    def __init__(self, dataset: Dataset, indices: range) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> View: ...
    def __getitem__(self, i: int | slice) -> Any:
        """Record `i` of the view, or a view of the view."""
        if isinstance(i, slice):
            return View(self.dataset, self.indices[i])
        return self.dataset[self.indices[i]]

    def raw(self, i: int) -> bytes:
        """The bytes of record `i` of the view."""
        return self.dataset.raw(self.indices[i])

    def sample(self, i: int) -> Sample:
        """Record `i` of the view in canonical form."""
        return self.dataset.sample(self.indices[i])

    def __repr__(self) -> str:
        return f"{self.dataset!r}[{self.indices.start}:{self.indices.stop}:{self.indices.step}]"

    def _repr_html_(self) -> str:
        return _html(repr(self), self)


def _reopen(path: str, format: str, max_record_bytes: int) -> Dataset:
    return open(path, format=format, max_record_bytes=max_record_bytes)


def _explain(error: ValidationError) -> str:
    """The first few of pydantic's errors, with JSON pointers."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [
        "/" + "/".join(map(str, e["loc"])) + f": {e['msg']}" if e["loc"] else e["msg"]
        for e in found[:_SHOWN_ERRORS]
    ]
    more = f"; and {len(found) - _SHOWN_ERRORS} more" if len(found) > _SHOWN_ERRORS else ""
    return "; ".join(parts) + more


def _html(title: str, records: Dataset | View) -> str:
    """A table of the first records, for notebooks."""
    rows = []
    readable = not isinstance(records, Dataset) or records._source.repeatable  # noqa: SLF001 - same module
    for i in range(min(len(records), _SHOWN_RECORDS) if readable else 0):
        text = records.raw(i).decode("utf-8", "replace")
        cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        rows.append(f"<tr><th>{i}</th><td style='text-align:left'><code>{escape(cut)}</code></td></tr>")
    return f"<p><code>{escape(title)}</code></p><table>{''.join(rows)}</table>"
