"""COCO instances: one JSON object with lists of images, annotations and categories; a record is an image.

A record joins what COCO keeps apart::

    {"image": {…}, "annotations": [{…}, …], "categories": [those that the annotations name]}

Annotations need not be sorted: one pass notes where each lies (24 bytes an annotation), a second reads them image by
image. Annotations of an image that is not there come last, as records without an image. What stands beside the lists
(``info``, ``licenses``, categories that nothing names, unknown keys) rides with the first sound record, under ``mmdata_file``, so
that it comes back when COCO is written again. The carry lies in the image's own entry.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator

import orjson

from mmdata.containers import Container, Fault, Row
from mmdata.containers._coco_index import LISTS, Index, loads
from mmdata.containers._coco_write import write
from mmdata.containers._outline import Ending, outline
from mmdata.converting import carry
from mmdata.io.jsontext import problem

_HINT = re.compile(rb'"(?:images|annotations|categories)"\s*:\s*\[')


def recognise(head: bytes) -> bool:
    """An object with a list of images or annotations as COCO has them, before any conversation."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{" or not _HINT.search(head):
        return False
    for item in outline(head, LISTS):
        if isinstance(item, tuple):
            key, span = item
            try:
                value = orjson.loads(head[span.start : span.end])
            except orjson.JSONDecodeError:
                value = None
            if not isinstance(value, dict):
                # A first entry that is longer than what is looked at, such as one with a large carry.
                return key == "images" and span.end >= len(head) and b'"file_name"' in head[span.start :]
            if key == "images":
                return "file_name" in value or ("id" in value and "width" in value)
            if key == "annotations":
                return "image_id" in value
        elif isinstance(item, Ending) or item.key in ("conversations", "messages", "conversation"):
            return False
        elif (
            item.key in ("images", "annotations")
            and b'"categories"' in head
            and not head[item.value.start : item.value.end].strip(b"[] \t\r\n")
        ):
            # An empty list: the other one decides, or the file has neither picture nor annotation.
            return True
    return False


class CocoRows:
    """An annotations file, read image by image."""

    def __init__(self, path: str, shown: str) -> None:
        del shown
        self._file = open(path, "rb")  # noqa: SIM115 - `close` closes it
        self._map: mmap.mmap | bytes = b""
        if os.fstat(self._file.fileno()).st_size:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._index: Index | None = None

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._map, mmap.mmap):
            self._map.close()
        self._map = b""
        self._file.close()

    def member(self, locator: str) -> bytes:
        """COCO files hold no media."""
        raise KeyError(locator)

    def count(self) -> int:
        """Images, and ids that annotations name and no image has."""
        return self._indexed().total

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The images in the file's order, then annotations without an image, grouped by the id that they name."""
        index = self._indexed()
        if first == 0:
            yield from index.faults
        for number in range(first, index.total):
            yield self._row(index, number)

    def _indexed(self) -> Index:
        if self._index is None:
            self._index = Index(self._map)
        return self._index

    def _row(self, index: Index, number: int) -> Row:
        image, carried = b"null", b""
        if number < len(index.images) // 2:
            image = self._map[index.images[2 * number] : index.images[2 * number + 1]]
            if wrong := problem(image):
                return Fault(wrong.kind, f"the image's entry: {wrong.message}", image)
            if b'"mmdata_carry"' in image:
                value = loads(image)
                if isinstance(value, dict) and carry.KEY in value:
                    carried = orjson.dumps(value.pop(carry.KEY))
                    image = orjson.dumps(value)
        places = index.annotations_of(number)
        pieces = [self._map[index.places[2 * k] : index.places[2 * k + 1]] for k in places]
        used = dict.fromkeys(index.category_of[k] for k in places)
        known = [text for k in used if (text := index.category_text(k)) is not None]
        line = [b'{"image":', image, b',"annotations":[', b",".join(pieces), b'],"categories":[']
        line += [b",".join(known), b"]"]
        notes = index.notes.get(number)
        if notes:
            line += [b',"mmdata_faults":', orjson.dumps(notes)]
        if number == index.bearer and index.head is not None:
            line += [b',"mmdata_file":', index.head]
        if carried:
            line += [b',"mmdata_carry":', carried]
        whole = b"".join([*line, b"}"])
        # A line break can only stand between values, and a record is a line wherever records are written.
        return whole.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in whole or b"\r" in whole else whole


CONTAINER = Container(name="coco", recognise=recognise, open=CocoRows, write=write)
