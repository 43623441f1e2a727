"""A COCO instances file as the ones in use: pictures of 640 x 480, polygons, a tenth of RLE and some crowds."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness import DATA

WIDTH, HEIGHT, CATEGORIES, PER_IMAGE = 640, 480, 80, 7


def coco(images: int = 6000) -> Path:
    """Instances of that many pictures, seven to each on average, annotations in no order; 4 KB a picture."""
    path = DATA / f"coco_{images}" / "annotations" / "instances_train.json"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent.parent / "images").mkdir(exist_ok=True)  # datumaro wants it
    rng = random.Random(5)
    found = [_annotation(rng, number + 1, images) for number in range(images * PER_IMAGE)]
    whole = {
        "info": {"description": "generated", "year": 2026},
        "licenses": [{"id": 1, "name": "none"}],
        "images": [
            {
                "license": 1,
                "file_name": f"{n:012}.jpg",
                "height": HEIGHT,
                "width": WIDTH,
                "date_captured": "2026-11-21 00:00:00",
                "id": n,
            }
            for n in range(1, images + 1)
        ],
        "annotations": found,
        "categories": [
            {"supercategory": "thing", "id": n, "name": f"thing {n}"} for n in range(1, CATEGORIES + 1)
        ],
    }
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(whole))
    partial.rename(path)
    return path


def _annotation(rng: random.Random, number: int, images: int) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    # Sizes as in COCO: many small objects, few large ones.
    radius = min(200.0, 8 * math.exp(rng.expovariate(0.9)))
    x, y = rng.uniform(radius, WIDTH - radius), rng.uniform(radius, HEIGHT - radius)
    rings = [_ring(rng, x, y, radius)]
    if rng.random() < 0.1:  # an object in two parts
        rings.append(_ring(rng, x, y, radius / 2))
    rle: Any = coco_mask.merge(coco_mask.frPyObjects(rings, HEIGHT, WIDTH))
    box = [round(v, 2) for v in coco_mask.toBbox(rle).tolist()]
    area = float(coco_mask.area(rle))
    sort = rng.random()
    crowd = sort < 0.02
    mask: Any = rings
    if crowd:  # run lengths as numbers
        pixels = coco_mask.decode(rle).flatten(order="F")
        edges = [0, *((pixels[1:] != pixels[:-1]).nonzero()[0] + 1).tolist(), pixels.size]
        runs = [b - a for a, b in pairwise(edges)]
        mask = {"counts": runs if not pixels[0] else [0, *runs], "size": [HEIGHT, WIDTH]}
    elif sort < 0.12:
        mask = {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}
    return {
        "segmentation": mask,
        "area": area,
        "iscrowd": int(crowd),
        "image_id": rng.randint(1, images),
        "bbox": box,
        "category_id": rng.randint(1, CATEGORIES),
        "id": number,
    }


def _ring(rng: random.Random, x: float, y: float, radius: float) -> list[float]:
    """A closed outline around a point, with more points the larger it is: [x1, y1, x2, y2, …]."""
    count = rng.randint(8, 20 + int(radius / 2))
    flat = []
    for k in range(count):
        angle, far = 2 * math.pi * k / count, radius * rng.uniform(0.7, 1)
        flat += [round(x + far * math.cos(angle), 2), round(y + far * math.sin(angle), 2)]
    return flat
