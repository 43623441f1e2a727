"""`dedup`: of records that are the same in some respect, the first one stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

from mmdata.dataset_ops.fields import canonical
from mmdata.dataset_ops.groups import media_paths
from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.perceptual import MAX_DISTANCE, Fingerprint, NearIndex, fingerprint
from mmdata.dataset_ops.repeats import Members, Repeats
from mmdata.dataset_ops.stream import Outputs, read_records, read_values, twice_readable, value_of
from mmdata.errors import DataError, UsageError
from mmdata.io.record import RawRecord
from mmdata.media.paths import resolve
from mmdata.progress import Progress

By = Literal["record", "content", "id", "media", "image"]
BYS: tuple[By, ...] = ("record", "content", "id", "media", "image")


def dedup(
    path: str,
    output: str,
    *,
    by: By = "record",
    distance: int = 4,
    media_root: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Write a file without its repetitions; of equal records the first one stays.

    ======== ==============================================================================================
    by       equal are
    ======== ==============================================================================================
    record   records with the same JSON value, whatever the order of keys and the spacing
    content  the same without ``id``
    id       records with the same id; those without one all stay
    media    records whose pictures and videos are the same files, byte for byte; those without any all stay
    image    records whose pictures look alike one by one; those without any all stay
    ======== ==============================================================================================

    Two passes in bounded memory, except ``image``: about 1 kB for each different picture.

    Args:
        path: the file.
        output: file to write.
        by: see above.
        distance: bits of 128 in which alike pictures may differ, see `mmdata.dataset_ops.perceptual`.
        media_root: directory that relative media paths start from; None for the working directory.
        force: replace the output.
        progress: told how far it is.
        ledger: to fill in; a new one if None. Pictures that cannot be read are named in its notes, their records stay.

    Raises:
        UsageError: an unknown respect, a distance out of range, a file that cannot be read or written.
    """
    books = ledger or Ledger("dedup")
    if by not in BYS:
        raise UsageError(f"--by is {', '.join(BYS)}, got {by!r}")
    if not 0 <= distance <= MAX_DISTANCE:
        raise UsageError(f"--distance lies between 0 and {MAX_DISTANCE}, got {distance}")
    if by != "image":
        twice_readable(path, "dedup")
    with Outputs([output], inputs=[path], force=force, ledger=books) as out:
        first_of = (
            _alike(path, distance, media_root, books)
            if by == "image"
            else _equal(path, by, media_root, books, progress)
        )
        for raw in read_records(path, books, progress):
            first = first_of(raw)
            if first is None:
                out.writers[0].write(raw.data)
            else:
                books.drop(
                    path,
                    raw.index,
                    "near-duplicate" if by == "image" else "duplicate",
                    f"of record {first}",
                    raw.data,
                )
    return books


def _equal(
    path: str, by: By, media_root: str | None, books: Ledger, progress: Progress | None
) -> Callable[[RawRecord], int | None]:
    files = _Files(media_root, path, books)
    repeats = Repeats()
    for raw, value in read_values(path, None, progress):
        key = _key(value, by, files)
        if key is not None:
            repeats.add(key, raw.index)
    members = Members(*repeats.found())
    return lambda raw: members.first_of(raw.index)


def _key(value: Any, by: By, files: _Files) -> bytes | None:
    if by == "record":
        return canonical(value)
    if by == "content":
        return canonical({k: v for k, v in value.items() if k != "id"} if isinstance(value, dict) else value)
    if by == "id":
        found = value.get("id") if isinstance(value, dict) else None
        return None if found is None else canonical(found)
    keys = [files.content(p) for p in media_paths(value)]
    return b"".join(keys) if keys else None


class _Files:
    """Media files by their content."""

    def __init__(self, media_root: str | None, path: str, books: Ledger) -> None:
        self._root, self._path, self._books = media_root, path, books
        self.content = lru_cache(maxsize=65536)(self._content)
        self.look = lru_cache(maxsize=4096)(self._look)

    def _content(self, path: str) -> bytes:
        """16 bytes that stand for a file's bytes; of a file that cannot be read, for its path."""
        hashed = blake2b(digest_size=16)
        try:
            with open(resolve(path, base=self._root), "rb") as file:
                while block := file.read(1 << 20):
                    hashed.update(block)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._books.note(f"{self._path}: {path}: {reason}; compared by its path")
            return blake2b(
                os.path.normpath(path).encode("utf-8", "surrogatepass"), digest_size=16, key=b"path"
            ).digest()
        return hashed.digest()

    def _look(self, path: str) -> Fingerprint | None:
        try:
            return fingerprint(resolve(path, base=self._root))
        except DataError as error:
            self._books.note(f"{self._path}: {error}; its records stay")
            return None


def _alike(
    path: str, distance: int, media_root: str | None, books: Ledger
) -> Callable[[RawRecord], int | None]:
    files = _Files(media_root, path, books)
    index = NearIndex(distance)
    others: dict[int, list[Fingerprint]] = {}

    def first_of(raw: RawRecord) -> int | None:
        value = value_of(raw)
        paths = (
            list(media_paths({k: v for k, v in value.items() if k in ("image", "images")}))
            if isinstance(value, dict)
            else []
        )
        looks = [files.look(p) for p in paths]
        known = [look for look in looks if look is not None]
        if not known or len(known) < len(looks):
            return None
        for item in index.find(known[0]):
            rest = others.get(item, [])
            if len(rest) == len(known) - 1 and all(
                a.alike(b, distance) for a, b in zip(rest, known[1:], strict=True)
            ):
                return item
        index.add(known[0], raw.index)
        if len(known) > 1:
            others[raw.index] = known[1:]
        return None

    return first_of


__all__ = ["BYS", "By", "dedup"]
