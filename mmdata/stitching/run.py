"""`stitch`: every frame of an annotation as one picture, in parallel, picking up where an earlier run stopped.

Each canvas says in its own comment (JPEG) or text chunk (PNG) how it was made: layout, font and the paths of its views.
A file that says just that is done; any other file of that name is left alone and reported, unless it may be replaced.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from mmdata.errors import DataError, UsageError
from mmdata.progress import Progress, Silent
from mmdata.stitching.canvas import Canvas
from mmdata.stitching.drawing import OWN_FONT, draw_view, font_title, load_font, read_view
from mmdata.stitching.frames import Frame, local_path

Outcome = Literal["written", "done", "refused", "failed"]

BLOCKS = 8
"""Pieces of memory of at most 16 MiB that a thread has in use: a picture, half resized, resized, and the canvas."""

ENDINGS = {"jpg": "JPEG", "png": "PNG"}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one frame.

    Attributes:
        frame: the frame.
        outcome: ``written`` now; ``done`` by an earlier run; ``refused``: another file of that name is there;
            ``failed``: a view is missing or damaged. Nothing is written for the last two.
        path: of the canvas.
        problems: one sentence each, naming scene, frame and view.
    """

    frame: Frame
    outcome: Outcome
    path: str
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class StitchReport:
    """Counts of one run and everything that went wrong.

    Attributes:
        counts: frames by outcome; they add up to the frames of the annotation.
        font: name of the letters, "" without labels.
        problems: one sentence each.
        unused: views of frames that the grid does not show -> how many pictures.
    """

    counts: dict[str, int] = field(default_factory=dict)
    font: str = ""
    problems: list[str] = field(default_factory=list)
    unused: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "frames": sum(self.counts.values()),
            **{name: self.counts.get(name, 0) for name in ("written", "done", "refused", "failed")},
            "font": self.font,
            "views_not_shown": self.unused,
            "problems": self.problems,
        }


@dataclass(frozen=True, slots=True)
class Stitcher:
    """How canvases are made.

    Attributes:
        canvas: the grid.
        data_root: directory that relative paths of pictures start from.
        folder: where the canvases go.
        font: see `mmdata.stitching.drawing.load_font`.
        ending: ``jpg`` or ``png``.
        quality: of JPEG; 75 is what upstream's script writes.
        force: replace files that are there.
    """

    canvas: Canvas
    data_root: str
    folder: str
    font: str = OWN_FONT
    ending: str = "jpg"
    quality: int = 75
    force: bool = False

    def one(self, frame: Frame) -> Result:
        """Make one canvas."""
        from PIL import Image

        path = os.path.join(self.folder, f"{frame.id}.{self.ending}")
        made = self._how(frame)
        if not self.force and os.path.lexists(path):
            if made_as(path) == made:
                return Result(frame, "done", path)
            return Result(
                frame,
                "refused",
                path,
                (
                    f"{frame.where}: {path} is there and was not made from these pictures with this layout; "
                    "--force replaces it",
                ),
            )
        drawn = Image.new("RGB", self.canvas.size)
        problems = []
        # One after the other, also after a fault: all faults of a frame are told, and one picture is held at a time.
        for view in self.canvas.views:
            if view not in frame.paths:
                problems.append(f"{frame.where}: no picture of {view} in the annotation")
                continue
            place = local_path(frame.paths[view], self.data_root)
            try:
                draw_view(drawn, self.canvas, view, read_view(place), font=self.font)
            except DataError as error:
                problems.append(f"{frame.where}, {view}: {place}: {error}")
        if problems:
            return Result(frame, "failed", path, tuple(problems))
        data = _encoded(drawn, self.ending, self.quality, made)
        _put(path, data)
        return Result(frame, "written", path)

    def _how(self, frame: Frame) -> str:
        """What a canvas says of itself; short and stable, without machine paths."""
        paths = json.dumps([frame.paths.get(view) for view in self.canvas.views], ensure_ascii=False)
        return json.dumps(
            {
                "stitch": 1,
                "grid": f"{self.canvas.columns}x{self.canvas.rows}",
                "tile": f"{self.canvas.tile[0]}x{self.canvas.tile[1]}",
                "views": self.canvas.views,
                "font": font_title(self.font),
                "quality": self.quality if self.ending == "jpg" else None,
                "paths": hashlib.sha256(paths.encode()).hexdigest()[:16],
            }
        )


_ENDS = (b"\xff\xd9", b"\x00\x00\x00\x00IEND\xaeB`\x82")
"""The last bytes of a whole JPEG and a whole PNG."""


def _put(path: str, data: bytes) -> None:
    """Write a file that appears whole or not at all.

    It is not forced to the disk, which would take longer than drawing it: if the machine itself goes down, a canvas may
    be cut short, and `made_as` does not take that for done.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise UsageError(f"{path}: cannot write: {error.strerror or error}") from error
        raise


def made_as(path: str) -> str | None:
    """What a canvas says of how it was made; None if it says nothing or its end is missing."""
    from PIL import Image

    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 12))
            if not file.read().endswith(_ENDS):
                return None
            file.seek(0)
            with Image.open(file) as image:
                said = image.info.get("comment")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _encoded(image: Any, ending: str, quality: int, made: str) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    out = io.BytesIO()
    if ending == "png":
        info = PngInfo()
        info.add_text("comment", made)
        image.save(out, "PNG", pnginfo=info)
    else:
        image.save(out, "JPEG", quality=quality, comment=made)
    return out.getvalue()


def stitch(
    frames: Sequence[Frame], stitcher: Stitcher, *, jobs: int = 1, progress: Progress | None = None
) -> StitchReport:
    """Make the canvas of every frame.

    Threads are enough: Pillow decodes, resizes and encodes outside Python's lock. At most two frames a thread are in
    memory. A frame that fails does not stop the others; all are in the report.

    Args:
        frames: what to make.
        stitcher: how.
        jobs: threads.
        progress: told of frames.

    Raises:
        UsageError: the folder cannot be written, the font is none.
    """
    if stitcher.ending not in ENDINGS:
        raise UsageError(f"{stitcher.ending}: expected jpg or png")
    load_font(stitcher.font)
    try:
        os.makedirs(stitcher.folder, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{stitcher.folder}: cannot be made: {error.strerror or error}") from None
    report = StitchReport(font=font_title(stitcher.font))
    shown = progress or Silent()
    shown.start("stitching", len(frames))
    with _memory_kept(BLOCKS * max(1, jobs)):
        for result in _mapped(frames, stitcher, max(1, jobs)):
            report.counts[result.outcome] = report.counts.get(result.outcome, 0) + 1
            report.problems.extend(result.problems)
            for view in result.frame.paths:
                if view not in stitcher.canvas.views:
                    report.unused[view] = report.unused.get(view, 0) + 1
            shown.advance(1)
    return report


@contextmanager
def _memory_kept(blocks: int) -> Iterator[None]:
    """Pillow keeps so many blocks of freed pictures for the next ones, whose pages need not be asked for again."""
    from PIL import Image

    core: Any = Image.core  # type: ignore[attr-defined]
    before = core.get_blocks_max()
    core.set_blocks_max(max(before, blocks))
    try:
        yield
    finally:
        core.set_blocks_max(before)


def _mapped(frames: Iterable[Frame], stitcher: Stitcher, jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(stitcher.one, frames)
        return
    with ThreadPoolExecutor(jobs, thread_name_prefix="mmdata-stitch") as threads:
        waiting: set[Future[Result]] = set()
        try:
            for frame in frames:
                waiting.add(threads.submit(stitcher.one, frame))
                if len(waiting) >= 2 * jobs:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for one in done:
                        yield one.result()
            for one in waiting:
                yield one.result()
        finally:
            for one in waiting:
                one.cancel()
