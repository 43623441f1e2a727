"""Make a small clean data set in every format: ``python examples/make_data.py DIR``.

The pictures are drawn here: an aerial scene of fields and round tanks, with the exact mask of every tank. The same
scenes are written as GeoPixel (polygons and RLE), XComposer, both VideoRefer dialects and InternVL, with the mixture
files that the trainers read (``data.txt``, InternVL's meta). Paths start from DIR: run the trainers, and
``mmdata validate``, from there.
"""

from __future__ import annotations

import json
import math
import random
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco

WIDTH, HEIGHT = 320, 240
SCENES = 6

Record = dict[str, Any]


@dataclass
class Tank:
    """A round tank: centre and radius in pixels, and its colour's name."""

    x: int
    y: int
    radius: int
    colour: str

    def ring(self, points: int = 24) -> list[list[int]]:
        """Its outline as a ring of [x, y]."""
        angles = [2 * math.pi * k / points for k in range(points)]
        return [
            [round(self.x + self.radius * math.cos(a)), round(self.y + self.radius * math.sin(a))]
            for a in angles
        ]


@dataclass
class Scene:
    """One picture and the tanks on it."""

    number: int
    tanks: list[Tank]

    @property
    def image(self) -> str:
        """Path of the picture, relative to the data set."""
        return f"images/scene_{self.number}.png"


def make_scene(number: int) -> Scene:
    """Three tanks at random places that do not touch."""
    rng = random.Random(number)
    tanks: list[Tank] = []
    for colour in ("white", "red", "blue"):
        while True:
            radius = rng.randint(14, 30)
            tank = Tank(
                rng.randint(radius, WIDTH - radius - 1),
                rng.randint(radius, HEIGHT - radius - 1),
                radius,
                colour,
            )
            if all(math.hypot(tank.x - t.x, tank.y - t.y) > tank.radius + t.radius + 6 for t in tanks):
                tanks.append(tank)
                break
    return Scene(number, tanks)


def draw(scene: Scene, shift: int = 0) -> Image.Image:
    """The picture of a scene; `shift` moves the tanks to the right, for the frames of a video."""
    rng = np.random.default_rng(scene.number)
    ground = np.array([96, 120, 72]) + rng.integers(-12, 12, (HEIGHT, WIDTH, 1))
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(picture)
    for x in range(0, WIDTH, 80):
        canvas.line([(x, 0), (x, HEIGHT)], fill=(140, 130, 100), width=3)
    for tank in scene.tanks:
        canvas.polygon([(x + shift, y) for x, y in tank.ring()], fill=tank.colour, outline="black")
    return picture


def rle(tank: Tank, shift: int = 0) -> dict[str, Any]:
    """The tank's mask as a compressed COCO RLE."""
    mask = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(mask).polygon([(x + shift, y) for x, y in tank.ring()], fill=1)
    encoded = coco.encode(np.asfortranarray(np.asarray(mask)))
    return {"size": [int(n) for n in encoded["size"]], "counts": encoded["counts"].decode()}


def turns(question: str, answer: str, *, user: str = "human", assistant: str = "gpt") -> list[dict[str, str]]:
    """One question and its answer."""
    return [{"from": user, "value": question}, {"from": assistant, "value": answer}]


def grounded(scene: Scene) -> str:
    """An answer in GeoPixel's words: each phrase followed by its mask token."""
    phrases = ", ".join(f"<p> {t.colour} tank </p> [SEG]" for t in scene.tanks)
    return f"Three storage tanks stand between the roads: {phrases}."


def geopixel_polygons(scene: Scene) -> Record:
    """A GeoPixel record whose masks lie in a polygon file."""
    answer = turns("Describe the scene and mark each object.", grounded(scene), assistant="bot")
    return {
        "id": scene.number,
        "conversations": answer,
        "image": scene.image,
        "polygons": f"polygons/scene_{scene.number}.json",
    }


def polygon_file(scene: Scene) -> Record:
    """The polygon file: object -> rings -> [x, y]."""
    return {
        "id": scene.number,
        "img": scene.image,
        "gcg_description": grounded(scene),
        "polygons": [[t.ring()] for t in scene.tanks],
    }


def geopixel_rle(scene: Scene) -> Record:
    """A GeoPixel record with its masks inline."""
    answer = turns("Describe the scene and mark each object.", grounded(scene), assistant="bot")
    return {
        "id": scene.number,
        "conversations": answer,
        "image": scene.image,
        "segmentation": [rle(t) for t in scene.tanks],
    }


def xcomposer(scene: Scene, following: Scene) -> Record:
    """An XComposer record with two pictures."""
    question = "Image1: <ImageHere>; Image2: <ImageHere>. How many tanks are there in all?"
    return {
        "id": str(scene.number),
        "conversations": turns(question, "Six.", user="user", assistant="assistant"),
        "image": [scene.image, following.image],
    }


def videorefer(scene: Scene) -> Record:
    """A VideoRefer v1 record: the red tank on two frames of a video given as a folder of frames."""
    red = scene.tanks[1]
    return {
        "id": scene.number,
        "video": f"frames/scene_{scene.number}",
        "conversations": turns("<video>\nWhat is <region> doing?", "The red tank slides to the right."),
        "annotation": [{"0": {"segmentation": rle(red)}, "2": {"segmentation": rle(red, shift=2)}}],
        "height": HEIGHT,
        "width": WIDTH,
    }


def videorefer_vl3(scene: Scene) -> Record:
    """The same in the VideoLLaMA3 dialect: one `<region>` for each mask."""
    red = scene.tanks[1]
    return {
        "id": scene.number,
        "video": [f"frames/scene_{scene.number}"],
        "conversations": turns(
            "<video>\nCompare <region> with <region>.", "The red tank has moved to the right."
        ),
        "masks": [{"0": rle(red), "2": rle(red, shift=2)}],
        "height": HEIGHT,
        "width": WIDTH,
    }


def internvl(scene: Scene) -> Record:
    """An InternVL record with a box in 0-1000 coordinates."""
    t = scene.tanks[0]
    box = [
        (t.x - t.radius) / WIDTH,
        (t.y - t.radius) / HEIGHT,
        (t.x + t.radius + 1) / WIDTH,
        (t.y + t.radius + 1) / HEIGHT,
    ]
    corners = [min(1000, max(0, round(1000 * v))) for v in box]
    answer = f"<ref>the white tank</ref><box>[[{', '.join(map(str, corners))}]]</box>"
    return {
        "id": scene.number,
        "image": scene.image,
        "conversations": turns("<image>\nWhere is the white tank?", answer),
    }


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def write_jsonl(path: Path, records: list[Record]) -> None:
    """Write one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")


def main(directory: str = "data") -> Path:
    """Write the whole data set below a directory and return it."""
    root = Path(directory)
    scenes = [make_scene(n) for n in range(SCENES)]
    (root / "images").mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        draw(scene).save(root / scene.image)
        write_json(root / "polygons" / f"scene_{scene.number}.json", polygon_file(scene))
    for scene in scenes[:2]:
        frames = root / "frames" / f"scene_{scene.number}"
        frames.mkdir(parents=True, exist_ok=True)
        for k in range(4):
            draw(scene, shift=k).save(frames / f"{scene.number}_{k}.png")

    write_json(root / "geopixel.json", [geopixel_polygons(s) for s in scenes])
    write_json(root / "geopixel_rle.json", [geopixel_rle(s) for s in scenes])
    write_json(root / "xcomposer.json", [xcomposer(a, b) for a, b in pairwise(scenes)])
    write_json(root / "videorefer.json", [videorefer(s) for s in scenes[:2]])
    write_json(root / "videorefer_vl3.json", [videorefer_vl3(s) for s in scenes[:2]])
    write_jsonl(root / "internvl.jsonl", [internvl(s) for s in scenes])
    meta = {
        "tanks": {
            "root": "",
            "annotation": "internvl.jsonl",
            "data_augment": False,
            "repeat_time": 1,
            "length": SCENES,
        }
    }
    write_json(root / "internvl_meta.json", meta)
    (root / "data.txt").write_text("geopixel.json 0.006\ngeopixel_rle.json 0.006\n", "utf-8")
    return root


if __name__ == "__main__":
    print(f"wrote {main(*sys.argv[1:2])}")
