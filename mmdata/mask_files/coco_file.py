"""All masks of a data file as one COCO ``instances.json``, written piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from mmdata.io.writer import atomic_writer

if TYPE_CHECKING:
    from mmdata.masks.placed import DrawnMask

COCO_FILE = "instances.json"


def annotation(mask: DrawnMask) -> dict[str, Any]:
    """A mask as an annotation, but for the ids."""
    from mmdata.masks.rle import area, bbox_xywh
    from mmdata.masks.rle_encode import encode

    rle = encode(mask.draw())
    found = {"segmentation": rle, "area": area(rle), "bbox": list(bbox_xywh(rle)), "object": mask.object}
    return {**found, "frame": mask.frame} if mask.frame else found


def write_coco(path: str, entries: Callable[[], Iterable[dict[str, Any]]]) -> None:
    """Write the file; `entries` gives the records anew at each call, for it is asked once for pictures, once for masks."""
    number = picture = 0
    with atomic_writer(path) as file:
        file.write(b'{"images":[')
        for entry, frame, some in _pictures(entries()):
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
        for at, (_, _, some) in enumerate(_pictures(entries())):
            for one in some:
                body = {"id": number + 1, "image_id": at, "category_id": 1, "iscrowd": 0, **one}
                file.write((b",\n" if number else b"\n") + orjson.dumps(body))
                number += 1
        file.write(b'],\n"categories":[{"id":1,"name":"object"}]}\n')


def _pictures(
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
