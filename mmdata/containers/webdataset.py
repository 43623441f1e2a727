"""Tar shards: files that share a name up to the first dot of its last part are a sample; ``key.json`` is the record.

What the record says of media is matched with the files beside it, so that ``"image"`` is a path into the shard,
``shard.tar!//key.jpg``. Files of a sample that are no media and no record are listed under ``mmdata_members``.
Grouping is that of ``webdataset.tariterators``: only neighbours are one sample, endings count in lower case, and two
files of one ending are an error.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from mmdata.containers import Container, Fault, Row, WriteJob
from mmdata.containers._members import KEYS, content, each
from mmdata.converting import carry
from mmdata.io.jsontext import oddities, parse, problem
from mmdata.media.members import file_name, member_path

PICTURES = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "bmp",
        "ppm",
        "pgm",
        "pbm",
        "pnm",
        "tif",
        "tiff",
        "img",
        "image",
        "jp2",
        "avif",
        "heic",
    ]
)
VIDEOS = frozenset(["mp4", "avi", "mov", "mkv", "webm", "mpg", "mpeg", "m4v", "flv", "ogv", "wmv", "h264"])

_SPLIT = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
_META = re.compile(r"__[^/]*__($|/)")


def recognise(head: bytes) -> bool:
    """The magic of POSIX and GNU archives, or a header of the oldest kind whose checksum is right."""
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512 or not head[0] or head[148:156].strip(b" \0") == b"":
        return False
    try:
        wanted = int(head[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return sum(head[:148]) + 8 * 32 + sum(head[156:512]) == wanted and not any(head[257:512])


@dataclass(slots=True)
class _File:
    name: str
    ending: str
    offset: int
    size: int


@dataclass(slots=True)
class _Group:
    """The files of one sample."""

    key: str
    files: list[_File] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def file(self, ending: str) -> _File | None:
        return next((one for one in self.files if one.ending == ending), None)


class ShardRows:
    """A shard, read from front to back; a file in it by its name."""

    def __init__(self, path: str, shown: str) -> None:
        self.path = path
        self.shown = shown
        self._file = os.open(path, os.O_RDONLY)
        self._places: dict[str, tuple[int, int]] | None = None
        self._count: int | None = None

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def count(self) -> int | None:
        """How many samples there are, once they were read."""
        return self._count

    def member(self, locator: str) -> bytes:
        """The bytes of a file of the shard; of two of a name the first."""
        if self._places is None:
            self._places = {}
            for one in self._files():
                if isinstance(one, tarfile.TarInfo) and one.isreg():
                    self._places.setdefault(one.name, (one.offset_data, one.size))
        return self._read(*self._places[locator])

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The samples in order."""
        seen: set[int] = set()
        number = 0
        for item in self._groups():
            if isinstance(item, Fault):
                if first == 0:
                    yield item
                continue
            mark = hash(item.key)
            if mark in seen:
                item.faults.append(
                    f"the key {item.key!r} came before: webdataset makes samples of neighbours only"
                )
            seen.add(mark)
            if number >= first:
                yield self._row(item)
            number += 1
        self._count = number

    def _files(self) -> Iterator[tarfile.TarInfo | Fault]:
        end = 0
        try:
            with tarfile.open(name=self.path, mode="r:") as tar:
                while (one := tar.next()) is not None:
                    end = one.offset_data + -(-one.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    tar.members = []  # type: ignore[attr-defined]  # or every header stays in memory
                    yield one
        except tarfile.ReadError as error:
            yield Fault("truncated", f"the archive cannot be read any further: {error}")
            return
        # Python's reader takes a header that is cut or damaged for the end, unless it is the first.
        mark = self._read(end, tarfile.BLOCKSIZE)
        if mark.strip(b"\0"):
            yield Fault("truncated", f"no file header at byte {end}: what follows cannot be read")
        elif len(mark) < tarfile.BLOCKSIZE:
            yield Fault("truncated", "the archive has no end mark: files may be missing")

    def _groups(self) -> Iterator[_Group | Fault]:
        group: _Group | None = None
        size = os.fstat(self._file).st_size
        for one in self._files():
            if isinstance(one, Fault):
                yield one
                continue
            if one.isdir() or _META.match(one.name):
                continue
            match = _SPLIT.match(one.name)
            if not one.isreg() or match is None:
                what = "has no ending" if one.isreg() else "is no plain file"
                yield Fault("stray", f"{one.name!r} {what}, so that it is in no sample")
                continue
            if group is None or group.key != match[1]:
                if group is not None:
                    yield group
                group = _Group(match[1])
            if one.offset_data + one.size > size:
                yield Fault("truncated", f"the archive ends within {one.name!r}")
                continue
            ending = match[2].lower()
            if group.file(ending) is not None:
                group.faults.append(f"the ending {ending!r} comes twice, at which webdataset stops")
            group.files.append(_File(one.name, ending, one.offset_data, one.size))
        if group is not None:
            yield group

    def _read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file, size, offset)

    def _row(self, group: _Group) -> Row:
        record = group.file("json")
        data = (
            b"{}" if record is None else self._read(record.offset, record.size).strip(b"\xef\xbb\xbf \t\r\n")
        )
        wrong = problem(data)
        if wrong is not None:
            return Fault(wrong.kind, f"{record.name if record else group.key}: {wrong.message}", data)
        value = parse(data)
        if not isinstance(value, dict):
            return Fault("not-a-record", f"{group.key}.json is no JSON object", data)
        added = self._added(group, value)
        faults = added.get("mmdata_faults", [])
        if record is None:
            faults.append("the sample has no `json` file")
        # What is not changed stays as it stands in the file, oddities too.
        changed = {key: added.pop(key) for key in list(added) if key in value}
        if changed:
            odd = {one.kind for one in oddities(data)}
            faults += [f"{group.key}.json has a key twice"] if "duplicate-key" in odd else []
            data = json.dumps({**value, **changed}, ensure_ascii="lone-surrogate" in odd).encode()
        if faults:
            added["mmdata_faults"] = faults
        body = data.strip()[1:-1].strip()
        head = json.dumps(added).encode()[1:-1]
        return b"{" + head + (b"," if body else b"") + body + b"}"

    def _added(self, group: _Group, value: dict[str, Any]) -> dict[str, Any]:
        """Key, media and further files of a sample, as keys of the record."""
        added: dict[str, Any] = {"__key__": group.key}
        faults = list(group.faults)
        used: set[str] = set()
        names: dict[str, Any] = {}
        for kind, endings in (("image", PICTURES), ("video", VIDEOS)):
            files = [one for one in group.files if one.ending.rpartition(".")[2] in endings]
            keys = [key for key, what in KEYS.items() if what == kind and value.get(key)]
            if not keys and files:
                added[f"{kind}s"] = [self._member(one, used) for one in files]
            for key in keys:
                given = value[key]
                found = self._matched(given, files, used)
                if found is None and files:
                    count = len(given) if isinstance(given, list) else 1
                    faults.append(f"`{key}` names {count}, and the shard holds {len(files)} of that kind")
                elif found is None:
                    continue
                elif found != given:
                    added[key] = found
                    if not _by_ending(given, files):
                        names[key] = given
        others = {
            one.ending: member_path(self.shown, one.name)
            for one in group.files
            if one.name not in used and one.ending != "json"
        }
        if others:
            added["mmdata_members"] = others
        if names:
            added["mmdata_names"] = names
        if faults:
            added["mmdata_faults"] = faults
        return added

    def _member(self, one: _File, used: set[str]) -> str:
        used.add(one.name)
        return member_path(self.shown, one.name)

    def _matched(self, given: Any, files: list[_File], used: set[str]) -> Any:
        """The paths into the shard of what a record names: by ending, by file name, or in order where the numbers agree."""
        listed = given if isinstance(given, list) else [given]
        if not all(isinstance(one, str) for one in listed):
            return None
        found = []
        for one in listed:
            by_name = [
                f
                for f in files
                if f.ending == one.lower()
                or f.name == one
                or os.path.basename(f.name) == os.path.basename(one)
            ]
            found.append(by_name[0] if by_name else None)
        if None in found:
            if len(files) != len(listed):
                return None
            found = list(files)
        paths = [self._member(one, used) for one in found if one is not None]
        return paths if isinstance(given, list) else paths[0]


def _by_ending(given: Any, files: list[_File]) -> bool:
    endings = {one.ending for one in files}
    return all(one in endings for one in (given if isinstance(given, list) else [given]))


# --- writing -----------------------------------------------------------------------------------------------------------


class ShardWriter:
    """Writes samples into shards of bounded size, with headers that depend on names and sizes alone."""

    def __init__(self, job: WriteJob) -> None:
        self.job = job
        self.keys: set[str] = set()
        self.counts: dict[str, int] = {}
        self._tar: tarfile.TarFile | None = None
        self._file: Any = None
        self._name = ""

    def write(self) -> dict[str, int]:
        """Write all shards; returns their names and numbers of samples."""
        try:
            for number, text in enumerate(self.job.records()):
                self._sample(number, orjson.loads(text))
        finally:
            self._end()
        return self.counts

    def _sample(self, number: int, record: dict[str, Any]) -> None:
        key = self._key(number, record.pop("__key__", None))
        files: dict[str, bytes] = {}
        total = sum(len(v) if isinstance(v, list) else bool(v) for k, v in record.items() if k in KEYS)

        def put(_key: str, _place: str, path: str) -> str:
            data = content(path, self.job.base)
            ending = file_name(path, data).rpartition(".")[2].lower()
            if total > 1:
                ending = f"{len(files)}.{ending}"
            files[ending] = data
            return ending

        names = record.pop("mmdata_names", {})
        written = each(record, put)
        for ending, path in record.get("mmdata_members", {}).items():
            files.setdefault(ending, content(path, self.job.base))
        for special in carry.SPECIAL_KEYS:
            written.pop(special, None)
        written |= names
        if carry.KEY in written:
            shown = member_path("", "")
            seen = each(
                {k: v for k, v in record.items() if k not in carry.SPECIAL_KEYS}, lambda _k, _p, path: path
            )
            order = iter(files)
            seen = each(seen, lambda _k, _p, _path: f"{shown}{key}.{next(order)}")
            written[carry.KEY] = carry.resealed(written[carry.KEY], seen)
        files = {"json": orjson.dumps(written), **files}
        self._room(sum(-(-len(data) // 512) * 512 + 1536 for data in files.values()))
        for ending, data in files.items():
            self._add(f"{key}.{ending}", data)
        self.counts[self._name] += 1

    def _key(self, number: int, given: Any) -> str:
        key = (
            given
            if isinstance(given, str) and _usable(given)
            else f"{self.job.stem.replace('.', '_')}-{number:08d}"
        )
        if key in self.keys:
            self.job.problems["webdataset-key-renamed"] = (
                self.job.problems.get("webdataset-key-renamed", 0) + 1
            )
            key = f"{key}-{number:08d}"
        self.keys.add(key)
        return key

    def _room(self, size: int) -> None:
        """Go on to the next shard where the sample does not fit into this one."""
        if self._tar is not None and self._file.tell() + size + 1024 > self.job.shard_bytes:
            self._end()
        if self._tar is None:
            self._name = f"{self.job.stem}-{len(self.counts):06d}.tar"
            self.counts[self._name] = 0
            self._file = open(os.path.join(self.job.folder, self._name), "wb")  # noqa: SIM115 - closed by `_end`
            self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def _add(self, name: str, data: bytes) -> None:
        assert self._tar is not None
        header = tarfile.TarInfo(name)
        header.size = len(data)
        header.mode = 0o644
        self._tar.addfile(header, io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined]  # or every header stays in memory

    def _end(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._tar = None


def _usable(key: str) -> bool:
    """Whether a key comes back as it is when the shard is read."""
    match = _SPLIT.match(f"{key}.json")
    return match is not None and match[1] == key and not _META.match(key) and not key.endswith("/")


def write(job: WriteJob) -> dict[str, int]:
    """Write shards."""
    return ShardWriter(job).write()


CONTAINER = Container(
    name="webdataset", suffixes=(".tar",), recognise=recognise, open=ShardRows, write=write, embeds="always"
)
