"""A few GeoPixel records with masks as RLE and as polygons, with pictures without masks, and of text alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmdata import masks

Record = dict[str, Any]


def rectangle(size: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """A mask (h, w) of one rectangle."""
    mask = np.zeros(size, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "bot", "value": answer}]


def write(folder: Path, name: str, records: list[Record]) -> Path:
    path = folder / name
    path.write_text(json.dumps(records))
    return path


def make(folder: Path, count: int = 4) -> dict[str, Path]:
    """One file a kind: ``rle``, ``polygons``, ``image`` and ``text``; pictures of several sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    kinds: dict[str, list[Record]] = {"rle": [], "polygons": [], "image": [], "text": []}
    for k in range(count):
        size = (60 + 4 * k, 80 - 6 * k)
        picture = rng.integers(0, 256, (*size, 3), np.uint8)
        mine = rectangle(size, 5, 8, 30, 40)
        picture[mine == 1] = (200, 30, 30)
        Image.fromarray(picture).save(folder / f"{k}.png")
        image = {"id": k, "image": f"{k}.png"}
        one = "The <p> red square </p> [SEG]."
        two = "The <p> red square </p> [SEG] and the <p> corner </p> [SEG]."
        other = rectangle(size, 0, 0, 9, 9)
        kinds["rle"].append(
            {
                **image,
                "segmentation": [masks.encode(m) for m in ([mine, other] if k % 2 else [mine])],
                "conversations": turns("<ImageHere>Where is the red square?", two if k % 2 else one),
            }
        )
        (folder / f"{k}.json").write_text(json.dumps({"polygons": [[[[8, 5], [39, 5], [39, 29], [8, 29]]]]}))
        kinds["polygons"].append(
            {**image, "polygons": f"{k}.json", "conversations": turns("<ImageHere>Where is it?", one)}
        )
        kinds["image"].append(
            {**image, "conversations": turns("<ImageHere>What is it?", "A red square " * (k + 1))}
        )
        kinds["text"].append({"id": k, "conversations": turns("What is red?", "left right " * (k + 1))})
    return {kind: write(folder, f"{kind}.records.json", records) for kind, records in kinds.items()}
