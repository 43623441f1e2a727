"""Containers that are no text of JSON records: COCO annotations, Parquet files, tar shards.

One file a container, as formats and reporters are: `mmdata/containers/<name>.py` holds one `Container` named
``CONTAINER``; packages of others add theirs with an entry point of the group ``mmdata.containers``. A container is told
by the first bytes of a file, gives its records as JSON texts in order, and writes files from such texts. Everything
else (detection, checks, conversion, `mmdata.open`) sees records, wherever they lie.

Records of a container have no lines, and no bytes of their own in the file: their positions count the characters of the
texts, one after another, one a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, TypeAlias

from mmdata.io.record import ProblemKind


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a container that is no record, or one that cannot be read.

    Attributes:
        kind: what it is, see `mmdata.io.record.ProblemKind`.
        message: one sentence for a person, with the place.
        data: the bytes of the record that cannot be read; None: it is no record.
    """

    kind: ProblemKind
    message: str
    data: bytes | None = None


Row: TypeAlias = bytes | Fault
"""One record as JSON text, or what is wrong."""


class Rows(Protocol):
    """An open container."""

    def rows(self, first: int = 0) -> Iterator[Row]:
        """Every record in order, from record `first` on, and what is wrong between them; bounded memory."""

    def count(self) -> int | None:
        """How many records there are, where that is known without reading them."""

    def member(self, locator: str) -> bytes:
        """The bytes of a media file that lies in the container.

        Raises:
            KeyError: nothing lies there.
        """

    def close(self) -> None:
        """Close the file."""


@dataclass(slots=True, kw_only=True)
class WriteJob:
    """What a writer is given.

    Attributes:
        folder: where the output grows.
        stem: name of the output file without an ending.
        records: the records in order; may be asked for more than once.
        base: absolute directory that relative paths in the records start from.
        embed: put the media into the output.
        shard_bytes: a shard is closed once it holds so many bytes.
        problems: kind -> how often; what the writer could not do as it was told goes here, never unsaid.
    """

    folder: str
    stem: str
    records: Callable[[], Iterable[bytes]]
    base: str
    embed: bool = False
    shard_bytes: int = 1 << 30
    problems: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Container:
    """One kind of container.

    Attributes:
        name: the word that `Source.container` gives; also that of its format.
        suffixes: file names of a directory that are taken for it.
        recognise: first bytes of a file -> whether it is one.
        open: (path of a local, uncompressed file, path as it was given) -> its rows.
        write: writes the output; returns its files, relative to the folder, and how many records each has.
        embeds: what becomes of media: ``"never"`` in the file, ``"always"``, or with ``--media-files copy``.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    recognise: Callable[[bytes], bool]
    open: Callable[[str, str], Rows]
    write: Callable[[WriteJob], dict[str, int]]
    embeds: str = "never"


@cache
def all_containers() -> Mapping[str, Container]:
    """Every container by name."""
    from mmdata.plugins import discover

    found: Mapping[str, Container] = discover("mmdata.containers", "mmdata.containers", attribute="CONTAINER")
    return found


def media_mode(kind: Container | None, word: str) -> str:
    """What ``--media-files`` comes to for a container: ``"embed"`` where the files go into it."""
    embeds = kind is not None and (kind.embeds == "always" or (kind.embeds == "copy" and word == "copy"))
    return "embed" if embeds else word


def recognise(head: bytes) -> Container | None:
    """The container that the first bytes of a file are of; None for text."""
    for one in all_containers().values():
        if one.recognise(head):
            return one
    return None


def suffixes() -> tuple[str, ...]:
    """Endings of file names that are taken for a container in a directory."""
    return tuple(s for one in all_containers().values() for s in one.suffixes)


__all__ = [
    "Container",
    "Fault",
    "Row",
    "Rows",
    "WriteJob",
    "all_containers",
    "media_mode",
    "recognise",
    "suffixes",
]
