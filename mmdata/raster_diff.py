"""`raster-diff`: how much the raster rule matters for a data file, by drawing every ring mask by both rules."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmdata.errors import DataError, UsageError
from mmdata.io.record import HARMLESS, Problem
from mmdata.masks.placed import DrawnMask, MaskSource
from mmdata.progress import Progress, Silent
from schemas.sample import Sample

BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Lower ends of the histogram's classes; the last one is exactly 1: the rules agree on every pixel."""

MAX_BETWEEN = 1000
"""Texts between records that are named."""

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One mask by both rules.

    Attributes:
        record: 0-based index in the file.
        object: object of the record.
        frame: frame key, ``""`` for a picture.
        pointer: JSON pointer of the mask in the record, or of the polygon file's path.
        iou: pixels in both by pixels in either; 1 where both are empty.
        opencv: pixels by OpenCV's rule.
        coco: pixels by COCO's rule.
        differing: pixels in one and not in the other.
    """

    record: int
    object: int
    frame: str
    pointer: str
    iou: float
    opencv: int
    coco: int
    differing: int


@dataclass(slots=True)
class Comparison:
    """What the choice of rule changes.

    Attributes:
        path: the file.
        format: its format.
        records: records read.
        masks: masks given as rings, drawn by both rules.
        rles: masks given as RLE (or null), which no rule changes.
        rejects: (record, why) of records or masks that cannot be drawn by both.
        between: text between records that is no record: where it lies and what it is, at most `MAX_BETWEEN` times.
        more_between: how often beyond these.
        ious: of all compared masks, float32 (masks,), in file order.
        worst: the masks with the smallest IoU, worst first.
        opencv: pixels of all masks by OpenCV's rule; `coco` by COCO's.
        differing: pixels in which they differ, all masks together.
    """

    path: str
    format: str
    records: int = 0
    masks: int = 0
    rles: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    more_between: int = 0
    ious: Any = None
    worst: list[Difference] = field(default_factory=list)
    opencv: int = 0
    coco: int = 0
    differing: int = 0

    @property
    def clean(self) -> bool:
        """Whether everything in the file was a record whose masks, if any, were drawn by both rules."""
        return not self.rejects and not self.between

    def text_between(self, problem: Problem) -> None:
        """Something that lies between records."""
        if problem.kind in HARMLESS:
            return
        if len(self.between) < MAX_BETWEEN:
            self.between.append(f"byte {problem.start}: {' '.join(problem.message.split())}")
        else:
            self.more_between += 1

    def histogram(self) -> list[tuple[float, int]]:
        """(lower end, masks) of every class of `BINS`."""
        at = np.searchsorted(BINS, self.ious, side="right") - 1
        return list(zip(BINS, np.bincount(at, minlength=len(BINS)).tolist(), strict=True))

    def quantiles(self) -> dict[float, float]:
        """IoU at each of `QUANTILES`; empty without masks."""
        return {q: float(np.quantile(self.ious, q)) for q in QUANTILES} if len(self.ious) else {}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single IoUs, for JSON."""
        return {
            "path": self.path,
            "format": self.format,
            "records": self.records,
            "masks": self.masks,
            "rles": self.rles,
            "pixels": {"opencv": self.opencv, "coco": self.coco, "differing": self.differing},
            "quantiles": {f"{q:g}": v for q, v in self.quantiles().items()},
            "histogram": [{"from": low, "masks": n} for low, n in self.histogram()],
            "worst": [{name: getattr(d, name) for name in Difference.__slots__} for d in self.worst],
            "rejects": [{"record": record, "error": why} for record, why in self.rejects],
            "between_records": self.between,
            "more_between_records": self.more_between,
        }


def raster_diff(
    path: str,
    *,
    format: str | None = None,
    media_root: str | None = None,
    worst: int = 10,
    progress: Progress | None = None,
) -> Comparison:
    """Draw every mask that is given as rings by ``opencv`` and by ``coco`` and compare the pixels.

    Args:
        path: the data file.
        format: its format; None tells it by its content.
        media_root: directory that relative paths start from, where it is not the working directory.
        worst: how many masks to name; 0 names all that differ.
        progress: told how many bytes of the file are done.

    Raises:
        UsageError: no such file, or records of its format have no masks.
    """
    from mmdata.dataset import open as open_dataset

    progress = progress or Silent()
    with open_dataset(path, format=format) as dataset:
        if dataset.format.to_sample is None:
            raise UsageError(f"{path}: {dataset.format.name} records have no masks")
        result = Comparison(path, dataset.format.name)
        sources = MaskSource(media_root, "opencv"), MaskSource(media_root, "coco")
        ious: list[float] = []
        heap: list[tuple[float, int, Difference]] = []
        progress.start(path, None)
        for raw in dataset.raw_records(result.text_between):
            result.records += 1
            progress.advance(len(raw.data))
            try:
                sample = dataset.sample_of(raw)
                for found in _compared(sample, raw.index, sources, result):
                    ious.append(found.iou)
                    heapq.heappush(heap, (-found.iou, -len(ious), found))
                    if 0 < worst < len(heap):
                        heapq.heappop(heap)
            except DataError as error:
                result.rejects.append((raw.index, str(error)))
    result.masks = len(ious)
    result.ious = np.array(ious, np.float32)
    result.worst = [d for _, _, d in sorted(heap, reverse=True) if d.differing]
    return result


def _compared(
    sample: Sample, record: int, sources: tuple[MaskSource, MaskSource], result: Comparison
) -> Iterator[Difference]:
    for number, one in enumerate(sample.objects):
        for frame, mask in one.masks.items():
            if mask is None or mask.kind == "rle":
                result.rles += 1
                continue
            pair = [source.place(sample, number, frame, mask) for source in sources]
            try:
                yield _difference(pair[0], pair[1], record, _pointer(sample, number, frame), result)
            except DataError as error:
                result.rejects.append((record, str(error)))


def _difference(a: DrawnMask, b: DrawnMask, record: int, pointer: str, result: Comparison) -> Difference:
    first, second = a.draw(), b.draw()
    opencv, coco = int(np.count_nonzero(first)), int(np.count_nonzero(second))
    both = int(np.count_nonzero(first & second))
    either = opencv + coco - both
    result.opencv += opencv
    result.coco += coco
    result.differing += either - both
    return Difference(
        record, a.object, a.frame, pointer, both / either if either else 1.0, opencv, coco, either - both
    )


def _pointer(sample: Sample, number: int, frame: str) -> str:
    """Where the mask lies in the record."""
    key = frame.replace("~", "~0").replace("/", "~1")
    name = sample.origin.format if sample.origin else ""
    if name == "geopixel":
        return "/polygons"
    if name == "videorefer":
        return f"/annotation/{number}/{key}/segmentation"
    return f"/masks/{number}/{key}" if key else f"/masks/{number}"
