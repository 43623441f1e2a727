"""Records in, records out: the bytes of a record pass through unchanged.

Paths in records (pictures, videos, GeoPixel's polygon files) are relative to the directory that training is run from, to
``--data_folder`` or to the meta file's root, never to the data file. So they mean the same in a new file, wherever that
lies, and no verb rewrites them.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from orjson import JSONDecodeError, loads

from mmdata.containers import suffixes
from mmdata.dataset_ops.ledger import Dropped, Ledger
from mmdata.errors import UsageError
from mmdata.io.jsontext import JSONProblem, has_long_number, parse, too_deep
from mmdata.io.read import open_source
from mmdata.io.record import HARMLESS, Item, Problem, RawRecord
from mmdata.io.streams import local_path
from mmdata.io.writer import Writable, atomic_writer
from mmdata.progress import Progress, Silent

Container = Literal["array", "jsonl"]
_BLOCK = 1 << 20


def container_of(path: str) -> Container:
    """How a file's records lie: an array, or one a line; an empty file goes by its name.

    Raises:
        UsageError: no such file, or a container that holds no records.
    """
    with open_source(path) as source:
        container = source.container
    if container == "empty":
        return "jsonl" if ".jsonl" in os.path.basename(path) else "array"
    if container == "object":
        # One record on one line is JSON Lines too; a single object over several lines is read as one record.
        return "jsonl"
    if container == "lines":
        raise UsageError(f"{path}: is plain text, no file of records")
    if container not in ("array", "jsonl"):
        raise UsageError(
            f"{path}: is {container}; name the output .json or .jsonl, and convert it back with mmdata convert --to {container}"
        )
    return container


def target_container(output: str, first_input: str) -> Container:
    """The output's container: by its name where that says it, else as the first input."""
    name = os.path.basename(output)
    for ending in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(ending)
    if name.endswith(".jsonl"):
        return "jsonl"
    if name.endswith(".json"):
        return "array"
    if name.endswith(suffixes()):
        raise UsageError(f"{output}: is written by mmdata convert alone; name the output .json or .jsonl")
    if not is_repeatable(first_input):
        raise UsageError(
            f"{first_input} can be read only once: name the output .json or .jsonl, so that its container is known"
        )
    return container_of(first_input)


def is_repeatable(path: str) -> bool:
    """Whether a file can be read more than once: everything but standard input and pipes."""
    with open_source(path) as source:
        return source.repeatable


def read_records(
    path: str, ledger: Ledger | None = None, progress: Progress | None = None
) -> Iterator[RawRecord]:
    """Every record of a file that is whole; broken ones go to the ledger, named.

    Args:
        path: the file.
        ledger: counts what is read and names what is broken; None for a second pass over the same file.
        progress: told of the bytes read.
    """
    shown = progress or Silent()
    with open_source(path) as source:
        if source.container == "lines":
            raise UsageError(f"{path}: is plain text, no file of records")
        shown.start(os.path.basename(path), source.size)
        last = 0
        for item in source.records():
            if isinstance(item, Problem):
                if ledger is not None and item.kind not in HARMLESS:
                    ledger.text_between(path, item.start, item.message)
                continue
            if item.start - last >= _BLOCK:
                shown.advance(item.start - last)
                last = item.start
            if ledger is not None:
                ledger.read[path] += 1
            if item.problem is not None:
                if ledger is not None:
                    ledger.drop_broken(path, item.index, item.problem, item.data)
                continue
            yield item


def read_values(
    path: str,
    ledger: Ledger | None = None,
    progress: Progress | None = None,
    settled: Callable[[int, bytes], bool] | None = None,
) -> Iterator[tuple[RawRecord, Any]]:
    """`read_records` with each record's value, parsed once; None where the trainer's parser refuses it after all.

    Args:
        path: the file.
        ledger: as for `read_records`.
        progress: told of the bytes read.
        settled: (index, bytes) -> whether it has dealt with a record, which is then not parsed. It must take no text
            that the trainer's parser refuses; of blocks that are not UTF-8 it is not asked.
    """
    shown = progress or Silent()
    with open_source(path) as source:
        if source.container == "lines":
            raise UsageError(f"{path}: is plain text, no file of records")
        shown.start(os.path.basename(path), source.size)
        for block in source.blocks():
            yield from _whole(block.pending, path, ledger)
            data, i, count = block.data, 0, 0
            numbers: bool | None = None
            ask = settled if settled is not None and _is_utf8(data) else None
            while i < len(block.starts):
                start = block.starts[i]
                piece = data[start : block.ends[i]]
                if ask is not None and ask(block.first + i, piece):
                    count += 1
                    i += 1
                    continue
                if numbers is None:
                    numbers = has_long_number(data)
                try:
                    value = loads(piece)
                    if numbers or too_deep(piece):
                        value = parse(piece)
                except (JSONDecodeError, JSONProblem):
                    items, i = source.repair(block, i)
                    data = block.data
                    numbers = None
                    ask = settled if ask is not None and _is_utf8(data) else None
                    yield from _whole(items, path, ledger)
                    continue
                if ledger is not None:
                    ledger.read[path] += 1
                yield RawRecord(block.first + i, block.base + start, piece, None), value
                i += 1
            if ledger is not None:
                ledger.read[path] += count
            shown.advance(len(block.data))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _whole(items: Sequence[Item], path: str, ledger: Ledger | None) -> Iterator[tuple[RawRecord, Any]]:
    """Those of the exact items that are whole records."""
    for item in items:
        if isinstance(item, Problem):
            if ledger is not None and item.kind not in HARMLESS:
                ledger.text_between(path, item.start, item.message)
            continue
        if ledger is not None:
            ledger.read[path] += 1
        if item.problem is None:
            yield item, value_of(item)
        elif ledger is not None:
            ledger.drop_broken(path, item.index, item.problem, item.data)


def value_of(raw: RawRecord) -> Any:
    """The record's value; None where the trainer's parser refuses it after all."""
    try:
        return parse(raw.data)
    except JSONProblem:
        return None


class RecordWriter:
    """Writes records into one file: an array with a record after another, or JSON Lines.

    A record that spans several lines keeps its bytes in an array; in JSON Lines its line breaks, which JSON allows only
    between tokens, are left out and counted in `reflowed`.
    """

    def __init__(self, out: Writable, container: Container) -> None:
        self._out = out
        self._container = container
        self._held: list[bytes] = []
        self._size = 0
        self.count = 0
        self.reflowed = 0

    def write(self, data: bytes) -> None:
        """Append a record."""
        self._held.append(data)
        self.count += 1
        self._size += len(data)
        if self._size >= _BLOCK:
            self._flush()

    def finish(self) -> None:
        """Close the array, and write what is held back."""
        self._flush()
        if self._container == "array":
            self._out.write(b"\n]\n" if self.count else b"[]\n")

    def _flush(self) -> None:
        held = self._held
        if not held:
            return
        if self._container == "array":
            self._out.write((b",\n" if self.count > len(held) else b"[\n") + b",\n".join(held))
        else:
            lines = b"\n".join(held) + b"\n"
            if b"\r" in lines or lines.count(b"\n") != len(held):
                broken = [b"\n" in one or b"\r" in one for one in held]
                self.reflowed += sum(broken)
                lines = b"".join([one.translate(None, b"\r\n") + b"\n" for one in held])
            self._out.write(lines)
        held.clear()
        self._size = 0


class Outputs:
    """Several output files that appear, each complete, when the block ends well, and not at all otherwise.

    Args:
        paths: the files.
        inputs: files that are read; none of them may be written.
        container: of all outputs, or None to go by each name and the first input.
        force: replace files that are there.
        ledger: gets the counts.

    Raises:
        UsageError: an output is there already, is an input, or is named twice.
    """

    def __init__(self, paths: Sequence[str], *, inputs: Sequence[str], force: bool, ledger: Ledger) -> None:
        if len({os.path.realpath(local_path(p)) for p in paths}) < len(paths):
            raise UsageError(f"{', '.join(paths)}: an output is named twice")
        for path in paths:
            check_output(path, inputs=inputs, force=force)
        self._paths, self._inputs, self._ledger = list(paths), list(inputs), ledger
        self._stack = ExitStack()
        self.writers: list[RecordWriter] = []

    def __enter__(self) -> Self:
        try:
            for path in self._paths:
                out = self._stack.enter_context(atomic_writer(path))
                self.writers.append(RecordWriter(out, target_container(path, self._inputs[0])))
        except BaseException:
            self._stack.__exit__(UsageError, UsageError("not begun"), None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                for path, writer in zip(self._paths, self.writers, strict=True):
                    writer.finish()
                    self._ledger.written[path] += writer.count
                    if writer.reflowed:
                        self._ledger.extra["reflowed"] = (
                            self._ledger.extra.get("reflowed", 0) + writer.reflowed
                        )
                assert self._ledger.balanced, self._ledger.to_dict()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)


def check_output(path: str, *, inputs: Sequence[str], force: bool) -> None:
    """Refuse an output that is an input, or is there without `force`.

    Raises:
        UsageError: it is.
    """
    target = os.path.realpath(local_path(path))
    if any(target == os.path.realpath(local_path(p)) for p in inputs if p != "-"):
        raise UsageError(f"{path}: is an input; write to another file")
    if os.path.lexists(target) and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")


def twice_readable(path: str, verb: str) -> None:
    """Refuse standard input and pipes, which can be read only once.

    Raises:
        UsageError: the file cannot be read twice, or is not there.
    """
    if not is_repeatable(path):
        raise UsageError(f"{path}: {verb} reads its input more than once; copy it to a file first")


@contextmanager
def rejects(path: str | None, ledger: Ledger, *, inputs: Sequence[str], force: bool) -> Iterator[None]:
    """Write every dropped record, with its reason and its bytes, to a JSON Lines file while the block runs.

    Bytes that are not UTF-8 stand as base64 under ``base64`` instead of ``text``; of a record that is too long to be held
    ``bytes`` says where it lies in the (decompressed) file.
    """
    if path is None:
        yield
        return
    check_output(path, inputs=inputs, force=force)
    with atomic_writer(path) as out:

        def write(entry: Dropped, data: bytes) -> None:
            row = entry.to_dict()
            if entry.span is None:
                try:
                    row["text"] = data.decode()
                except UnicodeDecodeError:
                    row["base64"] = base64.b64encode(data).decode()
            out.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")

        ledger.on_drop = write
        try:
            yield
        finally:
            ledger.on_drop = None


__all__ = [
    "Container",
    "Outputs",
    "RecordWriter",
    "check_output",
    "container_of",
    "is_repeatable",
    "read_records",
    "read_values",
    "rejects",
    "target_container",
    "twice_readable",
    "value_of",
]
