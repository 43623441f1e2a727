"""Parquet files as Hugging Face `datasets` writes and reads them: a row is a record, pictures are ``{bytes, path}``.

A column, or a list in one, of ``struct<bytes: binary, path: string>`` is a picture (or video) as `datasets` stores it:
the record has its path, or where the bytes lie in the file, ``train.parquet!//17/images/0/a.png``. Other bytes are named
the same way. Absent and null are one in a table, so that a null column of a row is no key of its record. Reading goes
row group by row group and leaves the bytes of pictures alone.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import orjson

from mmdata.containers import Container, Fault, Row, WriteJob
from mmdata.containers._members import KEYS, base_name, content, each
from mmdata.converting import carry
from mmdata.errors import MissingExtra, UsageError
from mmdata.media.members import member_path

BATCH_ROWS = 256
GROUP_ROWS = 1000
GROUP_BYTES = 64 << 20

MORE = "mmdata_more"
"""Column with a JSON object of the keys whose values no one type of Arrow holds; it outlives other tools' rewriting."""


def recognise(head: bytes) -> bool:
    """The magic of Parquet."""
    return head[:4] == b"PAR1"


def _pyarrow(purpose: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", purpose) from None
    return pa, pq


# --- reading -------------------------------------------------------------------------------------------------------------


class ParquetRows:
    """A Parquet file, read row group by row group."""

    def __init__(self, path: str, shown: str) -> None:
        self.pa, pq = _pyarrow(f"reading {shown}")
        self.shown = shown
        try:
            self._file = pq.ParquetFile(path)
        except (self.pa.ArrowException, OSError) as error:
            raise UsageError(
                f"{shown}: begins as a Parquet file and cannot be read as one: {error}"
            ) from None
        self.schema = self._file.schema_arrow
        self._held: tuple[int, str, Any] | None = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def count(self) -> int:
        """Rows of the file."""
        return int(self._file.metadata.num_rows)

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The rows in order."""
        start = 0
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if start + size > first:
                try:
                    yield from self._group(group, start, max(0, first - start))
                except (self.pa.ArrowException, OSError) as error:
                    yield Fault(
                        "truncated",
                        f"row group {group} (rows {start} to {start + size - 1}) cannot be read: {error}",
                    )
            start += size

    def _group(self, group: int, start: int, skip: int) -> Iterator[Row]:
        here = start
        for batch in self._file.iter_batches(BATCH_ROWS, row_groups=[group], columns=self._columns(group)):
            if here + batch.num_rows - start > skip:
                for number, row in enumerate(batch.to_pylist()):
                    if here + number - start >= skip:
                        yield self._record(group, here + number, row)
            here += batch.num_rows

    def _columns(self, group: int) -> list[str]:
        """Every leaf but the bytes of pictures whose presence the statistics tell."""
        meta = self._file.metadata.row_group(group)
        wanted = []
        for number in range(meta.num_columns):
            column = meta.column(number)
            path = column.path_in_schema
            if (
                path.endswith(".bytes")
                and self._is_media(path.partition(".")[0])
                and _settled(column) is not None
            ):
                continue
            wanted.append(path)
        return wanted

    def _is_media(self, name: str) -> bool:
        return is_media(self.pa, self.schema.field(name).type)

    def _bytes_known(self, group: int, name: str) -> bool | None:
        """Whether the pictures of a column have bytes: all, none, or None where each row must say."""
        meta = self._file.metadata.row_group(group)
        for number in range(meta.num_columns):
            column = meta.column(number)
            if column.path_in_schema.endswith(".bytes") and column.path_in_schema.partition(".")[0] == name:
                return _settled(column)
        return False

    def _record(self, group: int, number: int, row: dict[str, Any]) -> Row:
        record: dict[str, Any] = {}
        odd: list[str] = []
        for name, value in row.items():
            if value is None:
                continue
            if name == MORE and isinstance(value, str):
                record |= _object(value)
            elif self._is_media(name):
                known = self._bytes_known(group, name)
                record[name] = self._media(number, name, value, known)
            else:
                record[name] = self._plain(value, f"{number}/{name}", odd)
        if odd:
            return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return orjson.dumps(record)

    def _media(self, number: int, name: str, value: Any, known: bool | None) -> Any:
        if isinstance(value, list):
            return [
                self._picture(f"{number}/{name}/{k}", one, known) if one is not None else None
                for k, one in enumerate(value)
            ]
        return self._picture(f"{number}/{name}", value, known)

    def _picture(self, place: str, value: dict[str, Any], known: bool | None) -> str | None:
        inside = value.get("bytes") is not None if known is None else known
        path: str | None = value.get("path")
        if not inside:
            return path
        return member_path(self.shown, f"{place}/{os.path.basename(path) if path else ''}".rstrip("/"))

    def _plain(self, value: Any, place: str, odd: list[str]) -> Any:
        """A value of Arrow as JSON has it."""
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, int):
            if not -(1 << 63) <= value < 1 << 64:
                odd.append(place)
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                odd.append(place)
            return value
        if isinstance(value, bytes):
            return member_path(self.shown, place)
        if isinstance(value, dict):
            return {k: self._plain(v, f"{place}/{k}", odd) for k, v in value.items() if v is not None}
        if isinstance(value, (list, tuple)):
            return [self._plain(one, f"{place}/{k}", odd) for k, one in enumerate(value)]
        if isinstance(value, (dt.datetime, dt.date, dt.time)):
            return value.isoformat()
        if isinstance(value, decimal.Decimal):
            return str(value)
        return str(value)

    def member(self, locator: str) -> bytes:
        """The bytes at ``row/column/…``, as `rows` names them."""
        row, name, *rest = locator.split("/")
        group, start = self._group_of(int(row))
        if self._held is None or self._held[:2] != (group, name):
            self._held = (group, name, self._file.read_row_group(group, columns=[name]).column(name))
        value = self._held[2][int(row) - start].as_py()
        for step in rest:
            if isinstance(value, bytes) or (
                isinstance(value, dict) and isinstance(value.get("bytes"), bytes)
            ):
                break
            if isinstance(value, list):
                value = value[int(step)]
            elif isinstance(value, dict) and step in value:
                value = value[step]
        if isinstance(value, dict):
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise KeyError(locator)
        return value

    def _group_of(self, row: int) -> tuple[int, int]:
        start = 0
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if row < start + size:
                return group, start
            start += size
        raise KeyError(str(row))


def _object(text: str) -> dict[str, Any]:
    """The members of a JSON object; the text itself where it is none."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {MORE: text}


def is_media(pa: Any, kind: Any) -> bool:
    """Whether a type is that of pictures and videos in `datasets`, or a list of it."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return (
        pa.types.is_struct(kind)
        and {kind.field(k).name for k in range(kind.num_fields)} == {"bytes", "path"}
        and (
            pa.types.is_binary(kind.field("bytes").type) or pa.types.is_large_binary(kind.field("bytes").type)
        )
    )


def _settled(column: Any) -> bool | None:
    """Whether a column of bytes has some in every place (True), in none (False), or as its values say (None)."""
    stats = column.statistics
    if stats is None or not stats.has_null_count:
        return None
    if stats.null_count == column.num_values:
        return False
    return True if stats.null_count == 0 else None


# --- writing -----------------------------------------------------------------------------------------------------------


class ParquetWriter:
    """Writes records as rows, in row groups of bounded size, after one pass that finds the type of every column."""

    def __init__(self, job: WriteJob) -> None:
        self.job = job
        self.pa, self.pq = _pyarrow("writing Parquet")
        self._kinds: dict[str, set[str]] = {}

    def write(self) -> dict[str, int]:
        """Write the file; returns its name and number of rows."""
        for text in self.job.records():
            for key, value in orjson.loads(text).items():
                self._kinds.setdefault(key, set()).add(self._kind(key, value))
        schema = self._schema()
        name = f"{self.job.stem}.parquet"
        path = os.path.join(self.job.folder, name)
        count = 0
        with self.pq.ParquetWriter(path, schema, compression="zstd", write_statistics=True) as out:
            rows: list[dict[str, Any]] = []
            size = 0
            for text in self.job.records():
                row = self._row(orjson.loads(text), count)
                rows.append(row)
                size += len(text) + sum(
                    len(one["bytes"] or b"") for key in KEYS for one in _listed(row.get(key))
                )
                count += 1
                if len(rows) >= GROUP_ROWS or size >= GROUP_BYTES:
                    out.write_table(self.pa.Table.from_pylist(rows, schema=schema), row_group_size=GROUP_ROWS)
                    rows, size = [], 0
            if rows:
                out.write_table(self.pa.Table.from_pylist(rows, schema=schema), row_group_size=GROUP_ROWS)
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
        return {name: count}

    def _kind(self, key: str, value: Any) -> str:
        """What a value needs of its column."""
        if key in KEYS:
            return "medium" if isinstance(value, str) else "media"
        if key == "conversations":
            plain = isinstance(value, list) and all(
                isinstance(t, dict)
                and t.keys() == {"from", "value"}
                and all(type(v) is str for v in t.values())
                for t in value
            )
            return "turns" if plain else "json"
        if key == "masks":
            plain = isinstance(value, list) and all(
                m is None
                or (isinstance(m, dict) and m.keys() == {"size", "counts"} and type(m["counts"]) is str)
                for m in value
            )
            return "masks" if plain else "json"
        if type(value) is int:
            return "int" if -(1 << 63) <= value < 1 << 63 else "json"
        return {str: "str", bool: "bool", float: "float"}.get(type(value), "json")

    def _type(self, key: str) -> Any:
        pa, kinds = self.pa, self._kinds[key]
        if key in KEYS:
            one = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            return one if kinds == {"medium"} else pa.list_(one)
        only = next(iter(kinds)) if len(kinds) == 1 else "json"
        return {
            "turns": pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
            "masks": pa.list_(pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])),
            "str": pa.string(),
            "int": pa.int64(),
            "float": pa.float64(),
            "bool": pa.bool_(),
        }.get(only)

    def _schema(self) -> Any:
        fields = []
        self._types: dict[str, Any] = {}
        for key in self._kinds:
            kind = self._types[key] = self._type(key)
            if kind is not None:
                fields.append(self.pa.field(key, kind))
        if None in self._types.values():
            fields.append(self.pa.field(MORE, self.pa.string()))
        features = {field.name: self._feature(field) for field in fields}
        info = json.dumps({"info": {"features": features}})
        return self.pa.schema(fields, metadata={"huggingface": info})

    def _feature(self, field: Any) -> Any:
        """A column's type in the words of `datasets`."""
        kind = field.type
        if field.name in KEYS:
            what = "Image" if KEYS[field.name] == "image" else "Video"
            return [{"_type": what}] if self.pa.types.is_list(kind) else {"_type": what}
        if self.pa.types.is_list(kind):
            inner = kind.value_type
            members = {inner.field(k).name: inner.field(k).type for k in range(inner.num_fields)}
            return [{name: self._value(one) for name, one in members.items()}]
        return self._value(kind)

    def _value(self, kind: Any) -> Any:
        if self.pa.types.is_list(kind):
            return [self._value(kind.value_type)]
        names = {"double": "float64", "bool": "bool"}
        return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}

    def _row(self, record: dict[str, Any], number: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        more: dict[str, Any] = {}

        def seen(_key: str, place: str, path: str) -> str:
            if not self.job.embed:
                return path
            return member_path("", f"{number}/{place}/{base_name(path)}")

        for key, value in list(record.items()):
            if key in KEYS:
                if isinstance(value, str) and self.pa.types.is_list(self._types[key]):
                    value = record[key] = [value]
                pictures = [self._picture(path) for path in ([value] if isinstance(value, str) else value)]
                row[key] = pictures[0] if isinstance(value, str) else pictures
            elif self._types[key] is None:
                more[key] = value
            else:
                row[key] = value
        if more:
            row[MORE] = orjson.dumps(more).decode()
        if carry.KEY in record:
            as_read = each(record, seen)
            row[carry.KEY] = carry.resealed(record[carry.KEY], as_read)
        return row

    def _picture(self, path: str) -> dict[str, Any]:
        if self.job.embed:
            return {"bytes": content(path, self.job.base), "path": base_name(path)}
        return {"bytes": None, "path": path}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def write(job: WriteJob) -> dict[str, int]:
    """Write one Parquet file."""
    return ParquetWriter(job).write()


CONTAINER = Container(
    name="parquet", suffixes=(".parquet",), recognise=recognise, open=ParquetRows, write=write, embeds="copy"
)
