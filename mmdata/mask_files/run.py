"""A run over one data file; it can be killed and run again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson

from mmdata.errors import DataError, UnknownName, UsageError
from mmdata.io.record import HARMLESS
from mmdata.io.writer import atomic_writer
from mmdata.mask_files.coco_file import COCO_FILE, annotation, write_coco
from mmdata.mask_files.journal import (
    INDEX,
    JOURNAL,
    between_of,
    index_lines,
    named_files,
    whole_lines,
    write_index,
)
from mmdata.mask_files.palette import read_palette
from mmdata.mask_files.record_files import RecordFiles, by_frame
from mmdata.mask_files.summary import Summary
from mmdata.masks.placed import DrawnMask, MaskSource
from mmdata.progress import Progress, Silent
from schemas.sample import RasterRule

if TYPE_CHECKING:
    from mmdata.dataset import Dataset
    from mmdata.io.record import Problem, RawRecord
    from schemas.sample import Sample

Target = Literal["png", "npz", "coco"]
Per = Literal["record", "object"]

VERSION = 2

MAX_BETWEEN = 1000
"""Texts between records that are named."""

_UNFINISHED = re.compile(r"\.(\d{6,}[^.]*\.(png|npz)|index\.[a-z.]+|instances\.json)\.[0-9a-f]{12}\.tmp")


def rasterize_file(
    path: str,
    output: str,
    *,
    to: Target = "png",
    format: str | None = None,
    rule: RasterRule | None = None,
    per: Per = "record",
    palette: str = "voc",
    media_root: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Write the masks of every record of a data file into a directory.

    Args:
        path: the data file.
        output: a directory; made if it is not there.
        to: ``png`` (palette, 0 is the background, object k is k + 1), ``npz`` (one uint8 array an object) or ``coco``
            (one ``instances.json`` with RLEs).
        format: the data file's format; None tells it by its content.
        rule: draw rings by this rule in place of the trainer's own.
        per: one PNG for each record and frame, or for each object.
        palette: ``voc``, ``grey`` or a file of 256 lines ``R G B``.
        media_root: directory that relative paths start from, where it is not the working directory.
        overwrite: start anew, where files were made from another file or with other settings.
        progress: told how many bytes of the data file are done.

    Raises:
        UsageError: a bad option, no such file, or the directory holds masks made otherwise.
    """
    from mmdata.dataset import open as open_dataset

    for kind, value, known in (("target", to, get_args(Target)), ("value for per", per, get_args(Per))):
        if value not in known:
            raise UnknownName(kind, value, known)
    if rule is not None and rule not in get_args(RasterRule):
        raise UnknownName("raster rule", rule, get_args(RasterRule))
    if not os.path.isfile(path):
        raise UsageError(f"{path}: no such file")
    colours = read_palette(palette)
    with open_dataset(path, format=format) as dataset:
        if dataset.format.to_sample is None:
            raise UsageError(f"{path}: {dataset.format.name} records have no masks")
        stat = os.stat(path)
        settings = {
            "version": VERSION,
            "source": os.path.abspath(path),
            "bytes": stat.st_size,
            "modified": stat.st_mtime_ns,
            "format": dataset.format.name,
            "to": to,
            "rule": rule,
            "per": per if to == "png" else None,
            "palette": palette if to == "png" else None,
            "media_root": media_root,
        }
        job = _Job(dataset, output, settings, MaskSource(media_root, rule), colours)
        return job.run(progress or Silent(), stat.st_size, overwrite=overwrite)


class _Job:
    """One run over one data file."""

    def __init__(
        self, dataset: Dataset, output: str, settings: dict[str, Any], source: MaskSource, colours: bytes
    ) -> None:
        self.dataset, self.output, self.settings = dataset, output, settings
        self.source, self.files = source, RecordFiles(output, colours)
        self.to: Target = settings["to"]
        self.summary = Summary()

    def run(self, progress: Progress, size: int, *, overwrite: bool) -> Summary:
        if not overwrite and self._up_to_date():
            return self.summary
        # A file that cannot be read at all is told before anything is made, or removed from the directory.
        records = self.dataset.raw_records(self._between)
        first = list(islice(records, 1))
        os.makedirs(self.output, exist_ok=True)
        done = self._resume(overwrite=overwrite)
        progress.start(os.path.basename(self.dataset.path), size)
        with open(self._path(JOURNAL), "ab") as journal:
            for raw in chain(first, records):
                if raw.index >= done:
                    entry = self._record(raw)
                    journal.write(orjson.dumps(entry) + b"\n")
                    journal.flush()
                    self._count(entry)
                progress.advance(len(raw.data))
        if self.to == "coco":
            write_coco(self._path(COCO_FILE), self._entries)
            self.summary.files += 1
        write_index(self._path(INDEX), self.settings, self.summary, self._entries())
        os.unlink(self._path(JOURNAL))
        return self.summary

    def _between(self, problem: Problem) -> None:
        if problem.kind in HARMLESS:
            return
        if len(self.summary.between) < MAX_BETWEEN:
            self.summary.between.append(f"byte {problem.start}: {' '.join(problem.message.split())}")
        else:
            self.summary.more_between += 1

    def _path(self, name: str) -> str:
        return os.path.join(self.output, name)

    def _complete(self, entry: dict[str, Any]) -> bool:
        """Whether all files of a finished record are there."""
        return all(os.path.isfile(self._path(f["file"])) for f in entry.get("files", ()))

    def _count(self, entry: dict[str, Any]) -> None:
        """Enter a record into the summary."""
        summary = self.summary
        summary.records += 1
        if "error" in entry:
            summary.rejects.append((entry["record"], entry["error"]))
        elif "files" in entry:
            summary.written += 1
            summary.files += len(entry["files"])
            summary.overlapping += any(o["hidden"] for f in entry["files"] for o in f.get("objects", ()))
        else:
            summary.without_masks += 1

    def _up_to_date(self) -> bool:
        """Whether an earlier run with the same settings wrote everything, and it is still there.

        Raises:
            UsageError: the directory holds the masks of something else.
        """
        if not os.path.isfile(self._path(INDEX)):
            return False
        lines = index_lines(self._path(INDEX))
        if next(lines, None) != self.settings:
            raise UsageError(
                f"{self._path(INDEX)} is of another file, an older state of it or other settings: "
                "choose another directory or --force"
            )
        whole = self.to != "coco" or os.path.isfile(self._path(COCO_FILE))
        for entry in lines:
            self._count(entry)
            if not whole or not self._complete(entry):
                self.summary = Summary()
                return False
        self.summary.between, self.summary.more_between = between_of(self._path(INDEX))
        self.summary.resumed, self.summary.up_to_date = self.summary.written, True
        self.summary.files += self.to == "coco"
        return True

    def _resume(self, *, overwrite: bool) -> int:
        """How many records an interrupted run finished; its journal is cut after the last whole one.

        Raises:
            UsageError: the unfinished run was another one.
        """
        path = self._path(JOURNAL)
        for name in os.listdir(self.output):
            if _UNFINISHED.fullmatch(name):  # a killed run was writing it
                os.unlink(self._path(name))
        if overwrite:
            self._remove_known()
        for name in (INDEX, COCO_FILE):
            if os.path.isfile(self._path(name)):
                os.unlink(self._path(name))
        keep = done = 0
        if not overwrite and os.path.isfile(path) and os.path.getsize(path):
            for number, (line, end) in enumerate(whole_lines(path)):
                if number == 0:
                    if line != {"settings": self.settings}:
                        raise UsageError(
                            f"{path} is of an unfinished run over another file, an older state of it or other "
                            "settings: choose another directory or --force"
                        )
                elif line.get("record") != done or not self._complete(line):
                    break
                else:
                    self._count(line)
                    done += 1
                keep = end
        if keep:
            os.truncate(path, keep)
        else:
            with atomic_writer(path) as file:
                file.write(orjson.dumps({"settings": self.settings}) + b"\n")
        self.summary.resumed = self.summary.written
        return done

    def _remove_known(self) -> None:
        """Remove the files of an earlier run: they would be mistaken for new ones."""
        for name in named_files(self.output):
            if name.endswith((".png", ".npz")) and os.path.isfile(self._path(name)):
                os.unlink(self._path(name))

    def _entries(self) -> Iterator[dict[str, Any]]:
        """The finished records, from the journal."""
        lines = whole_lines(self._path(JOURNAL))
        next(lines, None)
        for line, _ in lines:
            yield line

    def _record(self, raw: RawRecord) -> dict[str, Any]:
        index = raw.index
        self.files.start()
        entry: dict[str, Any] = {"record": index}
        try:
            sample = self.dataset.sample_of(raw)
            masks = list(self.source.masks(sample))
            if masks:
                self._write(entry, index, sample, masks)
        except (DataError, MemoryError) as error:
            self.files.remove_made()
            why = str(error) if isinstance(error, DataError) else "the masks are too large for the memory"
            return {"record": index, "error": why}
        return entry

    def _write(self, entry: dict[str, Any], index: int, sample: Sample, masks: list[DrawnMask]) -> None:
        if sample.media:
            entry["media"] = sample.media[0].paths[0]
        if self.to == "coco":
            entry["annotations"] = [annotation(mask) for mask in masks]
            entry["files"] = []
        elif self.to == "npz":
            entry["files"] = [self.files.npz(index, masks)]
        elif self.settings["per"] == "object":
            entry["files"] = [self.files.object_png(index, mask, mask.draw()) for mask in masks]
        else:
            entry["files"] = [
                f
                for frame in by_frame(masks)
                for f in self.files.frame_pngs(index, frame, len(sample.objects))
            ]
