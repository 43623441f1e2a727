"""`open_source`: a file of records, wherever it lies and however it is packed.

    with open_source("train.json") as source:
        for item in source.records():
            ...                            # RawRecord, or Problem where something lies between records

`Source.records` is exact and easy. Where speed matters, take `Source.blocks` and parse the slices yourself::

    for block in source.blocks():
        for item in block.pending:
            handle(item)
        i = 0
        while i < len(block.starts):
            try:
                value = loads(block.data[block.starts[i] : block.ends[i]])
            except (ValueError, RecursionError):   # what the fast parser raises
                items, i = source.repair(block, i)
                for item in items:
                    handle(item)               # what upstream's parser accepts has problem None: jsontext.parse it
            else:
                check(block.first + i, value)
                i += 1

Every slice must be parsed, because only that proves the cuts (see `mmdata.io.json_array`).

Byte ranges are read in parallel, each by its own `Source`, without a scan. In an array, a range begins at a guess; the
chain of ranges is verified afterwards. The first range begins at the head and needs no check. Let `expected` be the
`next_start` that the chain has come to. If ``range_holds(expected, hi, first_start)``, what the range gave is right;
otherwise take ``records_in(expected, hi, at_record=True)`` instead. After a range that had a record, `expected` is its
`next_start`; else it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmdata.io.rows import RowSource
from mmdata.io.source import BLOCK_BYTES, MAX_RECORD_BYTES, Source

if TYPE_CHECKING:
    from mmdata.containers import Container

CONTAINER_HEAD = 1 << 16
"""Bytes by which a container that is no text is told."""


def open_source(
    path: str, *, max_record_bytes: int = MAX_RECORD_BYTES, block_bytes: int = BLOCK_BYTES
) -> Source:
    """Open a data file.

    Args:
        path: a local path (plain, gzip or Zstandard, told by content), ``-`` for standard input, or any fsspec URL.
        max_record_bytes: a longer record is skipped with a problem.
        block_bytes: how much is read at a time, at least.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        MissingExtra: a library is not installed that the URL or the container needs.
    """
    source = Source(path, max_record_bytes=max_record_bytes, block_bytes=block_bytes)
    try:
        kind = _container(source)
    except BaseException:
        source.close()
        raise
    if kind is None:
        return source
    return RowSource(source, kind)


def _container(source: Source) -> Container | None:
    """The container that is no text which a file is; told by its first bytes."""
    head = source.head(CONTAINER_HEAD)
    if not head or head[:1] == b"[":
        return None
    from mmdata.containers import recognise

    return recognise(head)


__all__ = ["open_source"]
