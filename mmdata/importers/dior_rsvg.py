"""DIOR-RSVG: a VOC XML file a picture, its objects with a box in pixels and a description.

The data set's split files (``train.txt``, ``val.txt``, ``test.txt``) hold numbers of objects, counted from 0 over all
XML files; its own loader counts in whatever order the file system lists them, which is by name on the authors' machine
and here. Written: ``NAME.jsonl`` to train on, in InternVL's grounding form, or with ``--purpose eval`` ``NAME.json``, an
array with the keys of the published ``dior_rsvg_test.json`` (InternVL, ``eval/domain_specific/rs_det/evaluate.py``):
``image`` (below ``images/``), ``prompt``, ``bbox`` (pixels, xyxy) and ``size`` ([width, height]).

Boxes become whole numbers from 0 to 1000 over width and height, to the nearest, halves to even; the pixels stay in
``bbox`` and ``size``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from mmdata.errors import DataError
from mmdata.importing import Importer, ImportLedger, ImportOptions, Sink
from mmdata.progress import Progress

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FOLDER = "DIOR-RSVG/JPEGImages"
"""Where the pictures lie below ``images/``."""

INSTRUCTION = "Detect "
"""What the published evaluation puts before the description."""


def run(
    paths: Sequence[str], options: ImportOptions, sink: Sink, ledger: ImportLedger, progress: Progress
) -> None:
    """Read XML files, or every one below directories, in order of name."""
    files = [file for path in paths for file in _files(path)]
    wanted = None if options.split is None else _numbers(options.split)
    name = options.name or "dior_rsvg"
    instruction = INSTRUCTION if options.instruction is None else options.instruction
    progress.start("reading", len(files))
    number = -1
    for path in files:
        root = _root(path)
        picture = (root.findtext("filename") or "").strip()
        size = _size(root)
        for member in root.findall("object"):
            number += 1
            ledger.read["objects"] += 1
            here = f"{path}: object {number}"
            text = (member.findtext("description") or "").strip()
            box = _box(member)
            if wanted is not None and number not in wanted:
                ledger.leave("objects", here, "not in the split")
            elif not picture or os.path.basename(picture) != picture:
                ledger.leave("objects", here, "no file name in `filename`", picture)
            elif not text:
                ledger.leave("objects", here, "no description")
            elif size is None:
                ledger.leave("objects", here, "no width and height in `size`")
            elif box is None:
                ledger.leave("objects", here, "no four whole numbers in `bndbox`")
            elif not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
                ledger.leave("objects", here, "box is empty or outside of the picture", f"{box} in {size}")
            else:
                ledger.written["objects"] += 1
                image = f"{FOLDER}/{picture}"
                if options.purpose == "eval":
                    sink.row(
                        f"{name}.json",
                        {"image": image, "prompt": text, "bbox": list(box), "size": list(size)},
                    )
                    continue
                shown = [round(Fraction(n * 1000, size[i % 2])) for i, n in enumerate(box)]
                record = {
                    "id": number,
                    "image": image,
                    "category": (member.findtext("name") or "").strip(),
                    "bbox": list(box),
                    "size": list(size),
                    "conversations": [
                        {"from": "human", "value": f"<image>\n{instruction}{text}"},
                        {"from": "gpt", "value": f"<ref>{text}</ref><box>[{shown}]</box>"},
                    ],
                }
                sink.line(f"{name}.jsonl", record)
        progress.advance(1)
    if wanted is not None and wanted and max(wanted) > number:
        raise DataError(
            f"{options.split}: object {max(wanted)} is wanted, the annotations have {number + 1}: an incomplete directory?"
        )


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    found = sorted(os.path.join(path, name) for name in os.listdir(path) if name.endswith(".xml"))
    if not found:
        raise DataError(f"{path}: no .xml file in this directory")
    return found


def _numbers(path: str) -> frozenset[int]:
    try:
        with open(path, encoding="utf-8") as file:
            return frozenset(int(line) for line in file if line.strip())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a number a line: {error}") from None


def _root(path: str) -> Element:
    from xml.etree.ElementTree import ParseError, fromstring

    try:
        with open(path, "rb") as file:
            data = file.read()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise DataError(f"{path}: has a document type; annotations have none, and entities can be a trap")
        return fromstring(data)  # noqa: S314 - entities, the danger, are refused above
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ParseError, ValueError) as error:
        raise DataError(f"{path}: not XML: {error}") from None


def _size(root: Element) -> tuple[int, int] | None:
    width, height = (_whole(root.findtext(f"size/{name}")) for name in ("width", "height"))
    return (width, height) if width and height else None


def _box(member: Element) -> tuple[int, int, int, int] | None:
    """xmin, ymin, xmax, ymax by their names; upstream reads them by their places."""
    found = [_whole(member.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = found
    if left is None or top is None or right is None or bottom is None:
        return None
    return left, top, right, bottom


def _whole(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


IMPORTER = Importer(
    name="dior-rsvg",
    title="DIOR-RSVG: descriptions and boxes of objects in aerial pictures (VOC XML)",
    files="Annotations/ (--split train.txt)",
    takes=frozenset({"name", "purpose", "split", "instruction"}),
    run=run,
    expected=frozenset({"not in the split"}),
)
