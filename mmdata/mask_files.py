"""`rasterize`: the masks of a data file as pictures, arrays or a COCO file that people can open.

Every record is accounted for in ``index.json``: which files hold its masks, that it has none, or why it was refused.
The work can be killed and run again: each finished record is noted in a journal, each file appears whole or not at all.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import orjson

from mmdata.errors import DataError, UnknownName, UsageError
from mmdata.io.writer import Writable, atomic_writer
from mmdata.masks.placed import DrawnMask, MaskSource
from mmdata.progress import Progress, Silent
from schemas.sample import RasterRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmdata.dataset import Dataset
    from mmdata.io.record import RawRecord
    from schemas.sample import Sample

Target = Literal["png", "npz", "coco"]
Per = Literal["record", "object"]

INDEX = "index.json"
JOURNAL = "index.partial.jsonl"
COCO_FILE = "instances.json"
VERSION = 1

MOST_COLOURS = 255
"""Objects that a palette holds beside the background; files with more are 16-bit grey."""


_UNFINISHED = re.compile(r"\.(\d{6,}[^.]*\.(png|npz)|index\.[a-z.]+|instances\.json)\.[0-9a-f]{12}\.tmp")


@dataclass(slots=True)
class Summary:
    """What became of the records.

    Attributes:
        records: how many the file has.
        written: how many have masks in the files now; `resumed` of them were there already.
        without_masks: how many have none.
        rejects: (record, why) of those whose masks cannot be drawn.
        files: files with masks.
        overlapping: records in whose shared file an object covers pixels of another; those objects have files of
            their own.
        up_to_date: everything was there already.
    """

    records: int = 0
    written: int = 0
    resumed: int = 0
    without_masks: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list)
    files: int = 0
    overlapping: int = 0
    up_to_date: bool = False


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
        self.source, self.colours = source, colours
        self.to: Target = settings["to"]
        self.summary = Summary()
        self.made: list[str] = []

    def run(self, progress: Progress, size: int, *, overwrite: bool) -> Summary:
        os.makedirs(self.output, exist_ok=True)
        if not overwrite and self._up_to_date():
            return self.summary
        done = self._resume(overwrite=overwrite)
        progress.start(os.path.basename(self.dataset.path), size)
        with open(self._path(JOURNAL), "ab") as journal:
            for raw in self.dataset.raw_records():
                if raw.index >= done:
                    entry = self._record(raw)
                    journal.write(orjson.dumps(entry) + b"\n")
                    journal.flush()
                    self._count(entry)
                progress.advance(len(raw.data))
        if self.to == "coco":
            self._write_coco()
        self._write_index()
        os.unlink(self._path(JOURNAL))
        return self.summary

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
        lines = _index_lines(self._path(INDEX))
        if next(lines, None) != self.settings:
            raise UsageError(
                f"{self._path(INDEX)} is of another file, an older state of it or other settings: "
                "choose another directory or --overwrite"
            )
        whole = self.to != "coco" or os.path.isfile(self._path(COCO_FILE))
        for entry in lines:
            self._count(entry)
            if not whole or not self._complete(entry):
                self.summary = Summary()
                return False
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
            for number, (line, end) in enumerate(_whole_lines(path)):
                if number == 0:
                    if line != {"settings": self.settings}:
                        raise UsageError(
                            f"{path} is of an unfinished run over another file, an older state of it or other "
                            "settings: choose another directory or --overwrite"
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
        """Remove the files that an index or journal in the directory names: they would be mistaken for new ones."""
        known: list[Any] = []
        if os.path.isfile(self._path(INDEX)):
            known += _index_lines(self._path(INDEX))
        if os.path.isfile(self._path(JOURNAL)):
            known += (line for line, _ in _whole_lines(self._path(JOURNAL)))
        for entry in known:
            for file in entry.get("files", ()) if isinstance(entry, dict) else ():
                name = os.path.basename(str(file.get("file")))
                if name.endswith((".png", ".npz")) and os.path.isfile(self._path(name)):
                    os.unlink(self._path(name))

    def _entries(self) -> Iterator[dict[str, Any]]:
        """The finished records, from the journal."""
        lines = _whole_lines(self._path(JOURNAL))
        next(lines, None)
        for line, _ in lines:
            yield line

    # --- a record --------------------------------------------------------------------------------------------------

    def _record(self, raw: RawRecord) -> dict[str, Any]:
        index = raw.index
        self.made = []
        entry: dict[str, Any] = {"record": index}
        try:
            sample = self.dataset.sample_of(raw)
            masks = list(self.source.masks(sample))
            if masks:
                self._write(entry, index, sample, masks)
        except (DataError, MemoryError) as error:
            for name in self.made:  # a rejected record leaves nothing behind
                os.unlink(self._path(name))
            why = str(error) if isinstance(error, DataError) else "the masks are too large for the memory"
            return {"record": index, "error": why}
        return entry

    def _write(self, entry: dict[str, Any], index: int, sample: Sample, masks: list[DrawnMask]) -> None:
        if sample.media:
            entry["media"] = sample.media[0].paths[0]
        if self.to == "coco":
            entry["annotations"] = [_annotation(mask) for mask in masks]
            entry["files"] = []
        elif self.to == "npz":
            entry["files"] = [self._npz(index, masks)]
        elif self.settings["per"] == "object":
            entry["files"] = [self._object_png(index, mask, mask.draw()) for mask in masks]
        else:
            entry["files"] = [
                f for frame in _by_frame(masks) for f in self._frame_pngs(index, frame, len(sample.objects))
            ]

    def _npz(self, index: int, masks: list[DrawnMask]) -> dict[str, Any]:
        """One array after the other, so that one mask is held at a time."""
        import zipfile

        name = f"{index:06}.npz"
        arrays = []
        with (
            atomic_writer(self._path(name)) as file,
            zipfile.ZipFile(_Appending(file), "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for mask in masks:
                key = f"object_{mask.object}" + (f"_frame_{_safe(mask.frame)}" if mask.frame else "")
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, mask.draw())
                # A fixed date: the same masks give the same bytes.
                archive.writestr(zipfile.ZipInfo(f"{key}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)
                arrays.append({"key": key, "object": mask.object, "frame": mask.frame})
        return {"file": name, "arrays": arrays}

    def _object_png(self, index: int, mask: DrawnMask, pixels: NDArray[np.uint8]) -> dict[str, Any]:
        name = f"{index:06}{_suffix(mask.frame)}_o{mask.object:03}.png"
        self._png(name, pixels, palette=True)
        return {"file": name, "object": mask.object, "frame": mask.frame, "pixels": int(pixels.sum())}

    def _frame_pngs(self, index: int, masks: list[DrawnMask], objects: int) -> Iterator[dict[str, Any]]:
        """The shared file of a frame, and a file of its own for every object that another covers there."""
        size = masks[0].size
        for mask in masks[1:]:
            if mask.size != size:
                raise DataError(
                    f"{mask.name} is {mask.size}, {masks[0].name} {size} (height, width): use --per object"
                )
        shared = np.zeros(size, np.uint8 if objects <= MOST_COLOURS else np.uint16)
        if objects > 65535:
            raise DataError(f"{objects} objects do not fit one picture: use --per object")
        total = {}
        for mask in masks:
            pixels = mask.draw()
            total[mask.object] = int(pixels.sum())
            shared[pixels.view(np.bool_)] = mask.object + 1
        name = f"{index:06}{_suffix(masks[0].frame)}.png"
        self._png(name, shared, palette=shared.dtype == np.uint8)
        seen = np.bincount(shared.ravel(), minlength=objects + 1)
        hidden = {k: n - int(seen[k + 1]) for k, n in total.items() if n > seen[k + 1]}
        yield {
            "file": name,
            "frame": masks[0].frame,
            "objects": [
                {"object": k, "value": k + 1, "pixels": n, "hidden": hidden.get(k, 0)}
                for k, n in total.items()
            ],
        }
        for mask in masks:
            if mask.object in hidden:
                yield self._object_png(index, mask, mask.draw())

    def _png(self, name: str, pixels: NDArray[Any], *, palette: bool) -> None:
        from PIL import Image

        picture = Image.fromarray(pixels)
        if palette:
            picture.putpalette(self.colours)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        with atomic_writer(self._path(name)) as file:
            file.write(buffer.getvalue())
        self.made.append(name)

    # --- the files of the whole run --------------------------------------------------------------------------------

    def _write_coco(self) -> None:
        number = picture = 0
        self.summary.files += 1
        with atomic_writer(self._path(COCO_FILE)) as file:
            file.write(b'{"images":[')
            for entry, frame, some in _coco_images(self._entries()):
                height, width = some[0]["segmentation"]["size"]
                image = {
                    "id": picture,
                    "file_name": entry.get("media", ""),
                    "height": height,
                    "width": width,
                    "record": entry["record"],
                    **({"frame": frame} if frame else {}),
                }
                file.write((b"," if picture else b"") + orjson.dumps(image))
                picture += 1
            file.write(b'],\n"annotations":[')
            for at, (_, _, some) in enumerate(_coco_images(self._entries())):
                for one in some:
                    body = {"id": number + 1, "image_id": at, "category_id": 1, "iscrowd": 0, **one}
                    file.write((b",\n" if number else b"\n") + orjson.dumps(body))
                    number += 1
            file.write(b'],\n"categories":[{"id":1,"name":"object"}]}\n')

    def _write_index(self) -> None:
        summary = self.summary
        ledger = {
            "records": summary.records,
            "written": summary.written,
            "without_masks": summary.without_masks,
            "rejected": len(summary.rejects),
        }
        with atomic_writer(self._path(INDEX)) as file:
            file.write(b'{"settings":' + orjson.dumps(self.settings) + b',\n"ledger":' + orjson.dumps(ledger))
            rejects = [{"record": record, "error": why} for record, why in summary.rejects]
            file.write(b',\n"rejects":' + orjson.dumps(rejects) + b',\n"records":[')
            for number, entry in enumerate(self._entries()):
                entry.pop("annotations", None)  # they are in the COCO file
                file.write((b",\n" if number else b"\n") + orjson.dumps(entry))
            file.write(b"\n]}\n")


class _Appending:
    """A file that `zipfile` may write to; it has no place to seek."""

    def __init__(self, file: Writable) -> None:
        self._file = file

    def write(self, data: bytes, /) -> int:
        """Append bytes."""
        return self._file.write(data)

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """`atomic_writer` closes the file."""


def read_palette(name: str) -> bytes:
    """768 bytes: red, green and blue of the 256 values; value 0, the background, is black.

    Args:
        name: ``voc`` (the colours of PASCAL VOC), ``grey``, or a file of up to 256 lines ``R G B``.

    Raises:
        UsageError: no such palette, or no such lines.
    """
    if name == "voc":
        return bytes(
            sum(((value >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8))
            for value in range(256)
            for channel in range(3)
        )
    if name == "grey":
        return bytes(0 if v == 0 else 55 + 200 * v // 255 for v in range(256) for _ in range(3))
    if not os.path.isfile(name):
        raise UsageError(f"no palette {name!r}: voc, grey, or a file of lines `R G B`")
    colours = bytearray()
    with open(name, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                colour = bytes(int(word) for word in line.split())
            except ValueError:
                colour = b""
            if len(colour) != 3 or number > 256:
                raise UsageError(
                    f"{name}, line {number}: expected up to 256 lines of three numbers from 0 to 255"
                )
            colours += colour
    return bytes(colours).ljust(768, b"\xff")


def _annotation(mask: DrawnMask) -> dict[str, Any]:
    from mmdata.masks.rle import area, bbox_xywh
    from mmdata.masks.rle_encode import encode

    rle = encode(mask.draw())
    found = {"segmentation": rle, "area": area(rle), "bbox": list(bbox_xywh(rle)), "object": mask.object}
    return {**found, "frame": mask.frame} if mask.frame else found


def _coco_images(
    entries: Iterable[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], str, list[dict[str, Any]]]]:
    """Every picture or frame with masks, and its annotations."""
    for entry in entries:
        frames: dict[tuple[str, tuple[int, ...]], list[dict[str, Any]]] = {}
        for one in entry.get("annotations", ()):
            key = one.get("frame", ""), tuple(one["segmentation"]["size"])
            frames.setdefault(key, []).append(one)
        for (frame, _), some in frames.items():
            yield entry, frame, some


def _by_frame(masks: list[DrawnMask]) -> Iterator[list[DrawnMask]]:
    frames: dict[str, list[DrawnMask]] = {}
    for mask in masks:
        frames.setdefault(mask.frame, []).append(mask)
    yield from frames.values()


def _suffix(frame: str) -> str:
    return f"_f{_safe(frame)}" if frame else ""


def _safe(frame: str) -> str:
    """A frame key as part of a file name; `index.json` has the key itself."""
    if frame.isascii() and frame.isdigit() and len(frame) < 40:
        return frame
    return "x" + blake2b(frame.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _whole_lines(path: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The lines of a journal and where each ends; a last one that was cut off is left out."""
    end = 0
    with open(path, "rb") as file:
        for line in file:
            end += len(line)
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                return
            if not line.endswith(b"\n") or not isinstance(value, dict):
                return
            yield value, end


def _index_lines(path: str) -> Iterator[Any]:
    """The settings of an ``index.json``, then its records one by one, read line by line as they were written."""
    with open(path, "rb") as file:
        try:
            yield orjson.loads(file.readline().rstrip(b",\n") + b"}").get("settings")
            for line in file:
                if line.startswith(b'{"record":'):
                    yield orjson.loads(line.rstrip(b"\n").removesuffix(b","))
        except (orjson.JSONDecodeError, AttributeError):
            return
