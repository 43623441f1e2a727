"""`convert`: files of records from any format to any other, with a ledger, crash-safe and resumable.

The output grows in a folder beside its final place and takes that place in one rename. Records are cut into batches that
depend on the sources alone; each finished batch is a file of its own, so that a run that was killed goes on where it
stopped, and the bytes are the same whatever the number of processes.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from mmdata import __version__
from mmdata.containers import Container, WriteJob, all_containers
from mmdata.encoding import EncodeOptions
from mmdata.errors import UnknownName, UsageError
from mmdata.io.read import open_source
from mmdata.io.record import RawRecord
from mmdata.media.paths import is_url
from mmdata.options import Options
from mmdata.plan import DataSet, make_plan
from mmdata.recordconvert import SCRATCH, Outcome, RecordConverter, Task, target

BATCH_BYTES = 4 << 20
BATCH_RECORDS = 2000
PARTS = SCRATCH
STATE = ".state.json"
REPORT = "report.json"
REJECTS = "rejects.jsonl"


@dataclass(slots=True)
class Conversion:
    """What a conversion did: the content of ``report.json``.

    Attributes:
        read: records read, broken ones included.
        written: records written.
        rejected: records in ``rejects.jsonl``.
        outputs: paths relative to the output, data files first.
        losses: field -> records that lost it (not carried).
        fields: field -> {"kept", "approximated", "carried", "lost", "how", "mean_error", "max_error"}.
        rejections: code -> records.
        sources: per source: path, format, read, written, rejected.
        problems: kind -> what lay between records and is no record.
        fingerprint: of the command and the sources.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    outputs: list[str] = field(default_factory=list)
    losses: dict[str, int] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejections: dict[str, int] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)
    fingerprint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in ``report.json``."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def exit_code(self) -> int:
        """0 everything was written; 1 something was rejected."""
        return 1 if self.rejected or self.problems else 0

    def summary(self) -> str:
        """A few lines for people."""
        lines = [f"{self.read} records read = {self.written} written + {self.rejected} rejected"]
        for name, entry in self.fields.items():
            fates = ", ".join(
                f"{entry[fate]} {fate}"
                for fate in ("kept", "approximated", "carried", "lost")
                if entry.get(fate)
            )
            error = (
                f" (error mean {entry['mean_error']}, max {entry['max_error']})"
                if "mean_error" in entry
                else ""
            )
            how = f": {'; '.join(entry['how'])}" if entry["how"] else ""
            lines.append(f"  {name}: {fates}{error}{how}")
        lines += [f"  rejected {code}: {count}" for code, count in self.rejections.items()]
        lines += [f"  between records, {kind}: {count}" for kind, count in self.problems.items()]
        return "\n".join(lines)


def convert(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    to: str,
    format: str | None = None,
    jobs: int = 1,
    carry: bool = True,
    on_loss: str = "warn",
    media_files: str = "keep",
    relative_to: str | os.PathLike[str] | None = None,
    force: bool = False,
    plan: bool = False,
    invert: bool = False,
    template: str = "internvl2_5",
) -> Conversion:
    """Convert data sets into files that another trainer reads as they are.

    Args:
        sources: data files, globs, directories, ``data.txt`` or InternVL meta files (all data sets that they name).
        output: the directory to write; it appears when everything is in it.
        to: target, as `mmdata.recordconvert.targets` lists them.
        format: format of the sources; None judges each by its content.
        jobs: processes; the bytes written do not depend on it.
        carry: add the key ``mmdata_carry`` with what the target cannot say (see `mmdata.carry`).
        on_loss: ``"warn"``, or ``"error"``: reject records that would lose something.
        media_files: ``"keep"`` media where they are, ``"link"`` or ``"copy"`` them into the output.
        relative_to: the directory that the target's trainer starts relative paths from; None is `output`.
        force: replace what lies at `output`.
        plan: say what would happen, write nothing.
        invert: masks as answers become region questions, and the other way round.
        template: InternVL template of the target model; only ``internvl2_5`` takes a system turn.

    Raises:
        UsageError: no such source, unknown target or option, the output is there already, or the disk is full.
    """
    paths = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    for word, known, what in (
        (on_loss, ("warn", "error"), "--on-loss"),
        (media_files, ("keep", "link", "copy"), "--media-files"),
    ):
        if word not in known:
            raise UnknownName(f"word for {what}", word, known)
    if jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {jobs}")
    target(to)
    final = os.path.abspath(os.fspath(output))
    base = os.path.abspath(os.fspath(relative_to)) if relative_to is not None else final
    found = make_plan([os.fspath(p) for p in paths], format=format, options=Options(template=template))  # type: ignore[arg-type]
    datasets = [item for item in found.items if isinstance(item, DataSet)]
    if not datasets:
        raise UsageError(f"{', '.join(str(path) for path in paths)}: names no data set that is there")
    folder = os.path.join(os.path.dirname(final), f".{os.path.basename(final)}.mmdata-partial")
    if plan:
        folder += "-plan"
    options = EncodeOptions(invert=invert, template=template)
    tasks = [
        Task(
            number=number,
            path=one.path,
            source=one.format.name,
            root=one.root,
            listed_in=one.listed_in,
            to=to,
            folder=folder,
            base=base,
            output=final,
            carry=carry,
            on_loss=on_loss,
            media_files=media_files,
            options=options,
        )
        for number, one in enumerate(datasets)
    ]
    mark = _fingerprint(tasks)
    if not plan and _occupied(final) and not force:
        done = _finished(final, mark)
        if done is not None:
            return done
        raise UsageError(f"{final}: is there already; --force replaces it")
    run = _Run(tasks, folder, final, mark)
    try:
        if plan:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                run.batches(jobs)
                return run.report()
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        run.prepare()
        run.batches(jobs)
        report = run.assemble()
        run.publish()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UsageError(
                f"{folder}: the disk is full; make room and run the same command again, it goes on where it stopped"
            ) from None
        raise UsageError(f"{error.filename or folder}: {error.strerror or error}") from error
    return report


def _fingerprint(tasks: Sequence[Task]) -> str:
    """Of everything that decides the bytes of the output, but for where it lies."""
    facts: list[Any] = [__version__]
    for task in tasks:
        stat = os.stat(task.path) if os.path.exists(task.path) else None
        facts.append(
            [
                os.path.abspath(task.path),
                stat and [stat.st_size, stat.st_mtime_ns],
                task.source,
                task.root,
                task.to,
                None if task.base == task.output else task.base,
                [task.carry, task.on_loss, task.media_files, task.options.invert, task.options.template],
            ]
        )
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def _occupied(path: str) -> bool:
    return os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path))


def _finished(final: str, mark: str) -> Conversion | None:
    """The report of a run of the same command that has finished."""
    try:
        with open(os.path.join(final, REPORT), "rb") as file:
            value = json.load(file)
        return Conversion(**value) if value["fingerprint"] == mark else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Run:
    def __init__(self, tasks: list[Task], folder: str, final: str, mark: str) -> None:
        self.tasks = tasks
        self.folder = folder
        self.final = final
        self.mark = mark
        self.counts = [0] * len(tasks)
        self.problems: Counter[str] = Counter()
        self.format, _ = target(tasks[0].to)

    def prepare(self) -> None:
        """Keep the work of a killed run of the same command; throw away that of another."""
        state = os.path.join(self.folder, STATE)
        try:
            with open(state, encoding="utf-8") as file:
                same = json.load(file) == self.mark
        except (OSError, ValueError):
            same = False
        if not same:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, exist_ok=True)
        _write(state, json.dumps(self.mark).encode())

    def batches(self, jobs: int) -> None:
        """Convert every batch that is not there yet."""
        if jobs == 1:
            for number, batch, records in self._cut():
                if not os.path.exists(_part(self.tasks[number], batch, "json")):
                    _convert_batch(self.tasks[number], batch, records)
            return
        context = multiprocessing.get_context("spawn")
        with context.Pool(jobs) as pool:
            waiting: deque[Any] = deque()
            for number, batch, records in self._cut():
                if os.path.exists(_part(self.tasks[number], batch, "json")):
                    continue
                waiting.append(pool.apply_async(_convert_batch, (self.tasks[number], batch, records)))
                if len(waiting) >= 2 * jobs:
                    waiting.popleft().get()
            while waiting:
                waiting.popleft().get()

    def _cut(self) -> Iterator[tuple[int, int, list[RawRecord]]]:
        for task in self.tasks:
            batch: list[RawRecord] = []
            size = number = 0
            with open_source(task.path) as source:
                for item in source.records():
                    if not isinstance(item, RawRecord):
                        if item.kind != "container":
                            self.problems[item.kind] += 1
                        continue
                    if item.problem is not None and item.problem.kind == "too-large" and source.seekable:
                        item = item._replace(data=source.read_at(item.problem.start, item.problem.end))
                    batch.append(item)
                    size += len(item.data)
                    if size >= BATCH_BYTES or len(batch) >= BATCH_RECORDS:
                        yield task.number, number, batch
                        batch, size, number = [], 0, number + 1
            if batch:
                yield task.number, number, batch
                number += 1
            self.counts[task.number] = number

    def _summaries(self) -> Iterator[tuple[Task, int, dict[str, Any]]]:
        for task in self.tasks:
            for batch in range(self.counts[task.number]):
                with open(_part(task, batch, "json"), encoding="utf-8") as file:
                    yield task, batch, json.load(file)

    def report(self) -> Conversion:
        """The ledger of all batches, without outputs."""
        total = Conversion(fingerprint=self.mark, problems=dict(self.problems))
        total.sources = [
            {"path": task.path, "format": task.source, "read": 0, "written": 0, "rejected": 0}
            for task in self.tasks
        ]
        errors: dict[str, list[float]] = {}
        for task, _, summary in self._summaries():
            mine = total.sources[task.number]
            for name in ("read", "written", "rejected"):
                mine[name] += summary[name]
                setattr(total, name, getattr(total, name) + summary[name])
            for code, count in summary["rejections"].items():
                total.rejections[code] = total.rejections.get(code, 0) + count
            for name, entry in summary["fields"].items():
                into = total.fields.setdefault(
                    name, {"kept": 0, "approximated": 0, "carried": 0, "lost": 0, "how": []}
                )
                for fate in ("kept", "approximated", "carried", "lost"):
                    into[fate] += entry.get(fate, 0)
                into["how"] += [how for how in entry["how"] if how not in into["how"]]
                known = errors.setdefault(name, [0.0, 0, 0.0])
                known[0] += entry["error_sum"]
                known[1] += entry["error_count"]
                known[2] = max(known[2], entry["error_max"])
        for name, entry in total.fields.items():
            if errors[name][1]:
                entry["mean_error"] = round(errors[name][0] / errors[name][1], 6)
                entry["max_error"] = round(errors[name][2], 6)
            if entry["lost"]:
                total.losses[name] = entry["lost"]
        return total

    def assemble(self) -> Conversion:
        """The data files from the batches, then what lies beside them, then the report."""
        report = self.report()
        array = self.format.container != "jsonl"
        stems = _stems(self.tasks)
        files: dict[str, list[tuple[Task, int, str]]] = {}
        counts: Counter[str] = Counter()
        kinds = self.format.name in ("geopixel", "xcomposer", "xcomposer-2.0")
        suffix = "jsonl" if self.format.container == "jsonl" else "json"
        rejects = []
        for task, batch, summary in self._summaries():
            for kind, count in summary["kinds"].items():
                name = f"{stems[task.number]}-{kind}.{suffix}" if kinds else f"{stems[task.number]}.{suffix}"
                files.setdefault(name, []).append((task, batch, kind))
                counts[name] += count
            if summary["rejected"]:
                rejects.append((task, batch, "rejects"))
        kind = all_containers().get(self.format.container)
        if kind is not None:
            return self._pack(kind, files, rejects, report)
        for name, parts in files.items():
            self._join(
                name,
                parts,
                b"[\n" if array else b"",
                b",\n" if array else b"\n",
                b"\n]\n" if array else b"\n",
            )
        report.outputs = list(files)
        for name, text in self._mixture(counts):
            _write(os.path.join(self.folder, name), text.encode())
            report.outputs.append(name)
        return self._finish(rejects, report)

    def _finish(self, rejects: list[tuple[Task, int, str]], report: Conversion) -> Conversion:
        """What lies beside every output: the rejects and the report."""
        if rejects:
            self._join(REJECTS, rejects, b"", b"\n", b"\n")
            report.outputs.append(REJECTS)
        report.outputs.append(REPORT)
        text = json.dumps(report.as_dict(), ensure_ascii=False, indent=1) + "\n"
        _write(os.path.join(self.folder, REPORT), text.encode("utf-8", "surrogatepass"))
        return report

    def _pack(
        self,
        kind: Container,
        files: dict[str, list[tuple[Task, int, str]]],
        rejects: list[tuple[Task, int, str]],
        report: Conversion,
    ) -> Conversion:
        """Give the records to the writer of a container that is no text."""
        for name, parts in files.items():
            task = parts[0][0]
            job = WriteJob(
                folder=self.folder,
                stem=name.removesuffix(".json"),
                records=lambda parts=parts: _lines(parts),
                locate=partial(_place, task.base),
                embed=kind.embeds == "always" or (kind.embeds == "copy" and task.media_files == "copy"),
            )
            report.outputs += kind.write(job)
            for problem, count in job.problems.items():
                report.problems[problem] = report.problems.get(problem, 0) + count
        return self._finish(rejects, report)

    def _join(
        self, name: str, parts: list[tuple[Task, int, str]], head: bytes, between: bytes, tail: bytes
    ) -> None:
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(head)
            for number, (task, batch, kind) in enumerate(parts):
                # A part has one record a line; records have no line breaks of their own.
                with open(_part(task, batch, kind), "rb") as part:
                    for line, data in enumerate(part):
                        file.write((between if number or line else b"") + data.rstrip(b"\n"))
            file.write(tail)
            file.flush()
            os.fsync(file.fileno())

    def _mixture(self, counts: Counter[str]) -> Iterator[tuple[str, str]]:
        """The mixture file that the target's trainer is given."""
        if self.format.name == "internvl":
            root = os.path.relpath(self.tasks[0].base, self.final)
            meta = {
                os.path.splitext(name)[0]: {
                    "root": root if root != "." else "./",
                    "annotation": name,
                    "data_augment": False,
                    "repeat_time": 1,
                    "length": count,
                }
                for name, count in counts.items()
            }
            if meta:
                yield "meta.json", json.dumps(meta, ensure_ascii=False, indent=1) + "\n"
        elif self.format.name in ("geopixel", "xcomposer", "xcomposer-2.0") and counts:
            yield "data.txt", "".join(f"{name} {thousands(count)}\n" for name, count in counts.items())

    def publish(self) -> None:
        """Put the finished folder in its place."""
        shutil.rmtree(os.path.join(self.folder, PARTS), ignore_errors=True)
        for root, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(root, name)
                if not Path(path).is_symlink():
                    _sync(path)
            _sync(root)
        os.unlink(os.path.join(self.folder, STATE))
        old = None
        if _occupied(self.final):
            old = f"{self.folder}-old"
            shutil.rmtree(old, ignore_errors=True)
            Path(self.final).rename(old)
        Path(self.folder).rename(self.final)
        _sync(os.path.dirname(self.final))
        if old is not None:
            if os.path.isdir(old):
                shutil.rmtree(old)
            else:
                os.unlink(old)


def thousands(count: int) -> str:
    """The number for ``data.txt`` by which ``int(float(number) * 1000)`` is `count`."""
    text = f"{count / 1000:.3f}"
    return text if int(float(text) * 1000) == count else f"{(count + 0.5) / 1000:.4f}"


def _stems(tasks: list[Task]) -> list[str]:
    """A name for each source, each once; spaces would break ``data.txt``."""
    stems: list[str] = []
    for task in tasks:
        name = os.path.basename(task.path.rstrip("/")) if task.path != "-" else "stdin"
        for ending in (".gz", ".zst", ".zstd", ".json", ".jsonl"):
            name = name.removesuffix(ending)
        stem = "_".join(name.split()) or "data"
        if stem in ("report", "rejects", "meta", "data"):
            stem += "-records"
        number, wanted = 2, stem
        while stem in stems:
            stem, number = f"{wanted}-{number}", number + 1
        stems.append(stem)
    return stems


def _lines(parts: list[tuple[Task, int, str]]) -> Iterator[bytes]:
    """The records of part files, one after another."""
    for task, batch, kind in parts:
        with open(_part(task, batch, kind), "rb") as part:
            for line in part:
                yield line.rstrip(b"\n")


def _place(base: str, path: str) -> str:
    """Where a file lies that a record of the output names."""
    return path if is_url(path) or "::" in path else os.path.join(base, path)


def _part(task: Task, batch: int, kind: str) -> str:
    return os.path.join(task.folder, PARTS, f"{task.number:03d}", f"{batch:06d}.{kind}")


@lru_cache(maxsize=8)
def _converter(task: Task) -> RecordConverter:
    return RecordConverter(task)


def _convert_batch(task: Task, batch: int, records: list[RawRecord]) -> None:
    """Convert a batch into part files; its summary comes last and says that it is whole."""
    converter = _converter(task)
    kinds: dict[str, list[bytes]] = {}
    rejects: list[bytes] = []
    fields: dict[str, dict[str, Any]] = {}
    rejections: Counter[str] = Counter()
    for raw in records:
        outcome = converter.convert(raw)
        if outcome.code:
            rejects.append(_reject(task, raw, outcome))
            rejections[outcome.code] += 1
            continue
        kinds.setdefault(outcome.kind, []).append(outcome.data)
        _count(outcome, fields)
    for kind, lines in (*kinds.items(), ("rejects", rejects)):
        if lines:
            _write(_part(task, batch, kind), b"\n".join(lines) + b"\n")
    summary = {
        "read": len(records),
        "written": len(records) - len(rejects),
        "rejected": len(rejects),
        "kinds": {kind: len(lines) for kind, lines in kinds.items()},
        "rejections": rejections,
        "fields": fields,
    }
    _write(_part(task, batch, "json"), json.dumps(summary).encode())


_WORST = {"kept": 0, "approximated": 1, "carried": 2, "lost": 3}


def _count(outcome: Outcome, fields: dict[str, dict[str, Any]]) -> None:
    """Count each field of a record once, by the worst that became of it."""
    worst: dict[str, str] = {}
    for note in outcome.notes:
        if _WORST[note.fate] >= _WORST[worst.get(note.field, "kept")]:
            worst[note.field] = note.fate
        entry = fields.setdefault(
            note.field, {"how": [], "error_sum": 0.0, "error_count": 0, "error_max": 0.0}
        )
        if note.how and note.how not in entry["how"] and len(entry["how"]) < 20:
            entry["how"].append(note.how)
        if note.error is not None:
            entry["error_sum"] += note.error
            entry["error_count"] += 1
            entry["error_max"] = max(entry["error_max"], note.error)
    for name, fate in worst.items():
        fields[name][fate] = fields[name].get(fate, 0) + 1


def _reject(task: Task, raw: RawRecord, outcome: Outcome) -> bytes:
    value: dict[str, Any] = {
        "path": task.path,
        "record": raw.index,
        "byte": raw.start,
        "code": outcome.code,
        "reason": outcome.reason,
    }
    try:
        value["original"] = raw.data.decode()
    except UnicodeDecodeError:
        value["base64"] = base64.b64encode(raw.data).decode()
    return json.dumps(value).encode()


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["Conversion", "convert", "thousands"]
