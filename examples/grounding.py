"""Train masks from words in about two minutes on a CPU: ``python examples/grounding.py [FOLDER]``.

Generates scenes (shapes on textures) as GeoPixel records, half with their masks as RLE and half as polygon files, trains a
tiny language model and a tiny SAM 2 from random weights with `mmtrain`, and measures the masks on scenes that it never saw.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mmdata import masks

COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 230), "yellow": (230, 210, 40)}
SHAPES = ("circle", "square", "triangle")
SIDE = 128


def ring(shape: str, x: float, y: float, r: float) -> list[list[int]]:
    """The outline of a shape of size `r` around (x, y), in pixels."""
    count, turn = {"circle": (24, 0.0), "square": (4, math.pi / 4), "triangle": (3, -math.pi / 2)}[shape]
    angles = [turn + 2 * math.pi * k / count for k in range(count)]
    return [[round(x + r * math.cos(a)), round(y + r * math.sin(a))] for a in angles]


def texture(rng: np.random.Generator) -> Image.Image:
    """Coarse noise of a muted colour."""
    coarse = rng.integers(0, 70, (8, 8, 3)) + rng.integers(40, 90, 3)
    return Image.fromarray(coarse.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def scene(number: int, folder: Path, seed: int) -> dict[str, object]:
    """One scene: a picture of two or three shapes of different colours, and a GeoPixel record that asks for some."""
    rng, noise = random.Random(f"{seed}/{number}"), np.random.default_rng([seed, number])
    picture = texture(noise)
    draw = ImageDraw.Draw(picture)
    cells = rng.sample([(a, b) for a in range(2) for b in range(2)], rng.randint(2, 3))
    objects = []
    for (a, b), color in zip(cells, rng.sample(list(COLORS), len(cells)), strict=True):
        shape, r = rng.choice(SHAPES), rng.uniform(15, 24)
        x, y = (SIDE * (c + 0.5) / 2 + rng.uniform(-7, 7) for c in (a, b))
        outline = ring(shape, x, y, r)
        draw.polygon([tuple(p) for p in outline], fill=COLORS[color])
        objects.append((f"{color} {shape}", outline))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    picture.save(folder / "images" / f"{number}.png")
    asked = rng.sample(objects, rng.randint(1, len(objects)))
    names = " and the ".join(name for name, _ in asked)
    answer = " and the ".join(f"<p> {name} </p> [SEG]" for name, _ in asked)
    record: dict[str, object] = {
        "id": number,
        "image": f"images/{number}.png",
        "conversations": [
            {"from": "human", "value": f"<ImageHere>Segment the {names}."},
            {"from": "bot", "value": f"The {answer}."},
        ],
    }
    rings = [[outline] for _, outline in asked]
    if number % 2:
        (folder / "polygons").mkdir(exist_ok=True)
        (folder / "polygons" / f"{number}.json").write_text(json.dumps({"polygons": rings}))
        record["polygons"] = f"polygons/{number}.json"
    else:
        drawn = [masks.rasterize(one, (SIDE, SIDE), "opencv") for one in rings]
        record["segmentation"] = [masks.encode(mask) for mask in drawn]
    return record


def make(folder: Path, train: int, held_out: int) -> dict[str, list[Path]]:
    """Write the scenes; GeoPixel reads polygons and RLE from files of their own."""
    found: dict[str, list[Path]] = {}
    for name, count, seed in (("train", train, 0), ("held-out", held_out, 1)):
        home = folder / name
        home.mkdir(parents=True, exist_ok=True)
        records = [scene(k, home, seed) for k in range(count)]
        files = {"rle": records[::2], "polygons": records[1::2]}
        for kind, some in files.items():
            (home / f"{kind}.json").write_text(json.dumps(some))
        found[name] = [home / f"{kind}.json" for kind in files]
    return found
