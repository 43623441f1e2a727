"""The files of one record: palette pictures, or an archive of arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from mmdata.errors import DataError
from mmdata.io.writer import Writable, atomic_writer
from mmdata.masks.placed import DrawnMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_COLOURS = 255
"""Objects that a palette holds beside the background; files with more are 16-bit grey."""


class RecordFiles:
    """Writes the masks of records into a directory.

    Args:
        output: the directory.
        colours: the palette, 768 bytes.

    Attributes:
        made: names of the files made since `start`.
    """

    def __init__(self, output: str, colours: bytes) -> None:
        self.output, self.colours = output, colours
        self.made: list[str] = []

    def start(self) -> None:
        """Forget the files of the record before."""
        self.made = []

    def remove_made(self) -> None:
        """Remove the files made since `start`: a rejected record leaves nothing behind."""
        for name in self.made:
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self.output, name)

    def npz(self, index: int, masks: list[DrawnMask]) -> dict[str, Any]:
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

    def object_png(self, index: int, mask: DrawnMask, pixels: NDArray[np.uint8]) -> dict[str, Any]:
        """One object on one frame."""
        name = f"{index:06}{_suffix(mask.frame)}_o{mask.object:03}.png"
        self._png(name, pixels, palette=True)
        return {"file": name, "object": mask.object, "frame": mask.frame, "pixels": int(pixels.sum())}

    def frame_pngs(self, index: int, masks: list[DrawnMask], objects: int) -> Iterator[dict[str, Any]]:
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
                yield self.object_png(index, mask, mask.draw())

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


def by_frame(masks: list[DrawnMask]) -> Iterator[list[DrawnMask]]:
    """The masks of one frame after the other, in order of first appearance."""
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
