"""`Output`: data files that grow in a folder beside their final place, which they take in one rename.

Each part is appended as it comes. The journal then says how long every file is, so that a run that was killed goes on from
there: what was appended after the last entry is cut off. Data reach the disk at `SYNC_BYTES` and at the end; after a restart
of the machine only entries up to such a point count.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

from mmdata.containers import WriteJob, media_mode, suffixes
from mmdata.converting.ledger import Entry, Ledger
from mmdata.converting.media import MEDIA, SCRATCH
from mmdata.converting.parts import Part, Reject
from mmdata.converting.report import Conversion
from mmdata.converting.room import Piece
from mmdata.converting.task import Task

JOURNAL = ".journal.jsonl"
REPORT = "report.json"
REJECTS = "rejects.jsonl"
SYNC_BYTES = 256 << 20


class Output:
    """The output of one conversion; a `Sink`.

    Args:
        tasks: the sources.
        folder: where the output grows.
        mark: fingerprint of the command and its sources; the work of a killed run is kept where it is the same.
        dry: write nothing, count only.

    Attributes:
        ledger: of everything appended.
        sources: the ledger of each source: read, written, rejected, and outputs, name -> records.
    """

    def __init__(self, tasks: list[Task], folder: str, mark: str, *, dry: bool = False) -> None:
        self.tasks = tasks
        self.folder = folder
        self.mark = mark
        self.dry = dry
        self.array = tasks[0].array
        self.stems = stems(tasks)
        self.ledger = Ledger()
        self.sources: list[dict[str, Any]] = [
            {"path": task.path, "format": task.source, "read": 0, "written": 0, "rejected": 0, "outputs": {}}
            for task in tasks
        ]
        self.sizes: dict[str, int] = {}
        self._done: dict[int, tuple[int, int]] = {}
        self._open: dict[str, IO[bytes]] = {}
        self._journal: IO[bytes] | None = None
        self._unsynced = 0
        self._fresh: list[str] = []
        if not dry:
            self._begin()

    # --- beginning, or going on --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        kept = self._kept()
        if kept is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder, exist_ok=True)
            kept = [json.dumps({"mark": self.mark, "boot": _boot()}).encode() + b"\n"]
        shutil.rmtree(os.path.join(self.folder, SCRATCH), ignore_errors=True)
        for line in kept[1:]:
            self._replay(json.loads(line))
        for name in self._data_files():
            path = os.path.join(self.folder, name)
            if name in self.sizes:
                os.truncate(path, self.sizes[name])
            else:
                os.unlink(path)
        journal = os.path.join(self.folder, JOURNAL)
        temporary = f"{journal}.tmp"
        with open(temporary, "wb") as file:
            file.writelines(kept)
        os.replace(temporary, journal)
        self._journal = open(journal, "ab")  # noqa: SIM115 - closed by `close`

    def _kept(self) -> list[bytes] | None:
        """The lines of a killed run's journal that can be trusted; None where nothing can."""
        try:
            with open(os.path.join(self.folder, JOURNAL), "rb") as file:
                lines = [line for line in file if line.endswith(b"\n")]
            head = json.loads(lines[0])
            entries = [json.loads(line) for line in lines[1:]]
        except (OSError, ValueError, IndexError):
            return None
        if head.get("mark") != self.mark:
            return None
        count = len(entries)
        if not head["boot"] or head["boot"] != _boot():
            if os.path.exists(os.path.join(self.folder, MEDIA)):
                return None  # nothing says which of the copies had reached the disk
            count = max((number + 1 for number, one in enumerate(entries) if one["synced"]), default=0)
        there = {name: os.path.getsize(os.path.join(self.folder, name)) for name in self._data_files()}
        sizes: dict[str, int] = {}
        for number, entry in enumerate(entries[:count]):
            sizes |= entry["sizes"]
            if any(there.get(name, -1) < size for name, size in sizes.items()):
                count = number
                break
        return lines[: count + 1]

    def _data_files(self) -> list[str]:
        with os.scandir(self.folder) as entries:
            return [one.name for one in entries if one.is_file() and not one.name.startswith(".")]

    def _replay(self, entry: dict[str, Any]) -> None:
        self.sizes |= entry["sizes"]
        self._done[entry["task"]] = (entry["batch"] + 1, entry["next"])
        ledger = entry["ledger"]
        ledger["fields"] = {name: Entry(**one) for name, one in ledger["fields"].items()}
        self._count(entry["task"], Ledger(**ledger), entry["counts"])

    # --- appending -----------------------------------------------------------------------------------------------------

    def done(self, task: Task) -> tuple[int, int]:
        """How many batches of a source are there, and where the record after them starts."""
        return self._done.get(task.number, (0, 0))

    def append(self, task: Task, part: Part, outputs: Mapping[str, Sequence[Piece] | str]) -> None:
        """The next part of a source.

        Args:
            task: of the source.
            part: what became of a batch.
            outputs: kind -> its records, in pieces or as the file that holds them.

        Raises:
            OSError: it cannot be written.
        """
        names = {kind: self._name(task, kind) for kind in outputs}
        if not self.dry:
            for kind, data in outputs.items():
                self._add(names[kind], data)
            if part.rejects:
                first = self.sources[task.number]["read"]
                lines = [_reject(task, one, first) for one in part.rejects]
                self._write(REJECTS, b"".join(lines))
            self._fresh += part.files
        else:
            waiting = [data for data in outputs.values() if isinstance(data, str)]
            for name in (*waiting, *(os.path.join(self.folder, one) for one in part.files)):
                with suppress(FileNotFoundError):
                    os.unlink(name)
        counts = {names[kind]: count for kind, count in part.counts.items()}
        self._count(task.number, part.ledger, counts)
        if self._journal is not None:
            for file in self._open.values():
                file.flush()
            synced = self._unsynced >= SYNC_BYTES
            if synced:
                self._sync()
            entry = {
                "task": task.number,
                "batch": part.number,
                "next": part.next_start,
                "sizes": self.sizes,
                "counts": counts,
                "ledger": asdict(part.ledger),
                "synced": synced,
            }
            self._journal.write(json.dumps(entry).encode("utf-8", "surrogatepass") + b"\n")
            self._journal.flush()
            if synced:
                os.fsync(self._journal.fileno())

    def _count(self, number: int, ledger: Ledger, counts: dict[str, int]) -> None:
        source = self.sources[number]
        source["read"] += ledger.read
        source["rejected"] += ledger.rejected
        source["written"] = source["read"] - source["rejected"]
        for name, count in counts.items():
            source["outputs"][name] = source["outputs"].get(name, 0) + count
        self.ledger.add(ledger)

    def kinds(self) -> dict[str, str]:
        """Data file -> the kind of its records, where each kind has a file of its own."""
        return {
            name: name.removeprefix(f"{stem}-").rpartition(".")[0]
            for stem, source in zip(self.stems, self.sources, strict=True)
            for name in source["outputs"]
        }

    def _name(self, task: Task, kind: str) -> str:
        suffix = "json" if self.array else "jsonl"
        stem = self.stems[task.number]
        return f"{stem}-{kind}.{suffix}" if task.by_kind else f"{stem}.{suffix}"

    def _add(self, name: str, data: Sequence[Piece] | str) -> None:
        """Append the records of a part, given in pieces or as the file that holds them."""
        self._write(name, (b",\n" if name in self.sizes else b"[\n") if self.array else b"")
        if isinstance(data, str):
            with open(data, "rb") as part:
                while text := part.read(1 << 20):
                    self._write(name, text)
            os.unlink(data)
        else:
            for piece in data:
                self._write(name, piece)
        if not self.array:
            self._write(name, b"\n")

    def _write(self, name: str, data: Piece) -> None:
        file = self._open.get(name)
        if file is None:
            if len(self._open) > 64:
                self._close_files()
            file = self._open[name] = open(os.path.join(self.folder, name), "ab")  # noqa: SIM115 - kept open
        file.write(data)
        self.sizes[name] = self.sizes.get(name, 0) + len(data)
        self._unsynced += len(data)

    def _close_files(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _sync(self) -> None:
        for name in self.sizes:
            sync(os.path.join(self.folder, name))
        for name in self._fresh:
            with suppress(FileNotFoundError):
                sync(os.path.join(self.folder, name))
        sync(self.folder)
        self._fresh.clear()
        self._unsynced = 0

    # --- the end ---------------------------------------------------------------------------------------------------------

    def report(self) -> Conversion:
        """The ledger of everything appended, without outputs."""
        sources = self.sources
        if self.dry and self.tasks[0].packed is not None:  # its writer alone knows the names
            sources = [{**one, "outputs": {}} for one in sources]
        report = Conversion(format=self.tasks[0].format, fingerprint=self.mark, sources=sources)
        self.ledger.fill(report)
        return report

    def finish(
        self, mixture: Iterable[tuple[str, bytes]], mixtures: list[dict[str, Any]], left_aside: list[str]
    ) -> Conversion:
        """Close the data files, and write the mixture file and the report.

        Args:
            mixture: name and content of the mixture files of the output.
            mixtures: for the report: the mixture files that were read.
            left_aside: for the report: the files that were not.
        """
        report = self.report()
        report.mixtures, report.left_aside = mixtures, left_aside
        names = [name for name in self.sizes if name != REJECTS]
        packed = self._pack(report) if self.tasks[0].packed is not None else None
        for name in names:
            if self.array:
                self._write(name, b"\n]\n")
        self._close_files()
        if self._journal is not None:
            # From here on the files are no longer as the journal has them.
            self._journal.close()
            os.unlink(os.path.join(self.folder, JOURNAL))
        report.outputs = names
        if packed is not None:
            for name in names:
                os.unlink(os.path.join(self.folder, name))
                del self.sizes[name]
            report.outputs = packed
        for name, content in mixture:
            _put(os.path.join(self.folder, name), content)
            report.outputs.append(name)
        if REJECTS in self.sizes:
            report.outputs.append(REJECTS)
        report.outputs.append(REPORT)
        text = json.dumps(report.as_dict(), ensure_ascii=False, indent=1) + "\n"
        _put(os.path.join(self.folder, REPORT), text.encode("utf-8", "surrogatepass"))
        return report

    def _pack(self, report: Conversion) -> list[str]:
        """Give the records to the writer of the container; until it is done, a killed run finds them here again."""
        kind = self.tasks[0].packed
        assert kind is not None
        self._close_files()
        written: list[str] = []
        for number, source in enumerate(self.sources):
            task = self.tasks[number]
            outputs: dict[str, int] = {}
            for name in source["outputs"]:
                job = WriteJob(
                    folder=self.folder,
                    stem=name.removesuffix(".jsonl"),
                    records=partial(_lines, os.path.join(self.folder, name)),
                    base=task.base,
                    shard_bytes=task.options.shard_bytes,
                    embed=media_mode(kind, task.media_files) == "embed",
                )
                outputs |= kind.write(job)
                for problem, count in job.problems.items():
                    report.problems[problem] = report.problems.get(problem, 0) + count
            source["outputs"] = outputs
            written += outputs
        return written

    def publish(self, final: str) -> None:
        """Put the finished folder in its place; what lies there is replaced as a whole."""
        shutil.rmtree(os.path.join(self.folder, SCRATCH), ignore_errors=True)
        for root, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(root, name)
                if not Path(path).is_symlink():
                    sync(path)
            sync(root)
        if occupied(final):
            old = exchange(self.folder, final)
        else:
            Path(self.folder).rename(final)
            old = None
        sync(os.path.dirname(final))
        if old is not None:
            remove(old)

    def close(self) -> None:
        """Close every file, whatever happened."""
        for file in (*self._open.values(), *([self._journal] if self._journal is not None else [])):
            with suppress(OSError):  # a full disk says so once
                file.close()
        self._open.clear()


def exchange(new: str, final: str) -> str:
    """Let `new` take the place of what lies at `final`; returns where that lies now.

    At no moment nothing lies there, where the system can exchange two names at once (Linux).
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        if renameat2(here, os.fsencode(new), here, os.fsencode(final), both) == 0:
            return new
    except (AttributeError, OSError, TypeError):  # no such call, or no such library
        pass
    old = set_aside(new)
    remove(old)
    Path(final).rename(old)
    Path(new).rename(final)
    return old


def set_aside(folder: str) -> str:
    """Where what lies at the output's place waits for the growing output to be there instead."""
    return f"{folder}-old"


def remove(path: str) -> None:
    """Remove whatever lies at a path, if anything does."""
    if os.path.isdir(path) and not Path(path).is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def occupied(path: str) -> bool:
    """Whether something lies at a path, an empty directory apart."""
    return os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path))


def sync(path: str) -> None:
    """Have a file or directory on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stems(tasks: list[Task]) -> list[str]:
    """A name for each source, each once; spaces would break ``data.txt``."""
    found: list[str] = []
    for task in tasks:
        name = os.path.basename(task.path.rstrip("/")) if task.path != "-" else "stdin"
        for ending in (".gz", ".zst", ".zstd", ".json", ".jsonl", *suffixes()):
            name = name.removesuffix(ending)
        # A name that begins with a dot is one of our own: the journal's.
        stem = "_".join(name.split()).lstrip(".") or "data"
        if stem in ("report", "rejects", "meta", "data"):
            stem += "-records"
        number, wanted = 2, stem
        while stem in found:
            stem, number = f"{wanted}-{number}", number + 1
        found.append(stem)
    return found


def _lines(path: str) -> Iterator[bytes]:
    """The records of a file that has one a line."""
    with open(path, "rb") as file:
        for line in file:
            yield line.rstrip(b"\n")


def _put(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _reject(task: Task, one: Reject, first: int) -> bytes:
    value: dict[str, Any] = {
        "path": task.path,
        "record": first + one.index,
        "byte": one.start,
        "code": one.code,
        "reason": one.reason,
    }
    try:
        value["original"] = one.data.decode()
    except UnicodeDecodeError:
        value["base64"] = base64.b64encode(one.data).decode()
    return json.dumps(value).encode() + b"\n"


def _boot() -> str:
    """What tells one run of the machine from the next; empty where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


__all__ = ["REJECTS", "REPORT", "Output", "exchange", "occupied", "remove", "set_aside", "stems", "sync"]
