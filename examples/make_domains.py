"""Make mini data sets of every domain: ``python examples/make_domains.py DIR``.

The files lie as their projects publish them, small and drawn here:

- ``DIR/drivelm``: two scenes of three key frames, six cameras each, and DriveLM's annotation (``v1_1_train_nus.json``,
  ``v1_1_val_nus_q_only.json``, and the challenge's ``test.json`` with tags);
- ``DIR/mme``: MME-RealWorld: multiple choice about driving, and a question of another subtask;
- ``DIR/bdd``: frames of driving videos with a question each, in InternVL's own JSON Lines;
- ``DIR/rsvqa``, ``DIR/rsvqa_high``: aerial tiles with questions, answers and images as RSVQA's low- and high-resolution
  sets have them;
- ``DIR/dior``: aerial tiles with a VOC XML file each, and split files of object numbers;
- ``DIR/geochat``: the same tiles with conversations and turned boxes;
- ``DIR/fit_rs``: the same tiles with a question each, in InternVL's own JSON Lines;
- ``DIR/medical``: scans with a question each, in InternVL's own JSON Lines.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200), "white": (235, 235, 235), "black": (25, 25, 25)}
TILE = 256


# --- driving ----------------------------------------------------------------------------------------------------------


def make_drivelm(folder: Path, scenes: int = 2, frames: int = 3) -> None:
    """Scenes with a car in every camera; pictures of 1600 x 900 pixels, key frames in no order of time."""
    train: dict[str, Any] = {}
    for s in range(scenes):
        scene = f"scene{s:02d}"
        listed = {}
        for f in random.Random(s).sample(range(frames), frames):
            frame = f"frame{f:02d}"
            rng = random.Random(100 * s + f)
            paths, objects = {}, {}
            for n, camera in enumerate(CAMERAS):
                stamp = 1_533_280_036_000_000 + 1_000_000 * (100 * s + f) + n
                name = f"nuscenes/samples/{camera}/n015-{scene}__{camera}__{stamp}.jpg"
                colour = rng.choice(list(COLOURS))
                box = draw_street(folder / name, COLOURS[colour], rng)
                paths[camera] = f"../{name}"
                if n < 3:
                    x, y = round((box[0] + box[2]) / 2, 1), round((box[1] + box[3]) / 2, 1)
                    objects[f"<c{n + 1},{camera},{x},{y}>"] = {
                        "Category": "Vehicle",
                        "Status": "Moving" if n == 0 else None,
                        "Visual_description": f"{colour.capitalize()} car.",
                        "2d_bbox": [float(value) for value in box],
                    }
            listed[frame] = {
                "key_object_infos": objects,
                "QA": street_questions(objects),
                "image_paths": paths,
            }
        train[scene] = {"scene_description": "The ego vehicle goes on.", "key_frames": listed}
    write_json(folder / "v1_1_train_nus.json", train)
    write_json(folder / "test.json", train)
    for content in train.values():
        for frame in content["key_frames"].values():
            del frame["key_object_infos"]
            for questions in frame["QA"].values():
                for question in questions:
                    question.update(A="", tag=[0])
    write_json(folder / "v1_1_val_nus_q_only.json", train)


def draw_street(path: Path, colour: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int, int]:
    """A road and a car; the car's box in pixels."""
    image = Image.new("RGB", (1600, 900), (150, 190, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 450, 1600, 900), fill=(95, 120, 80))
    draw.polygon([(700, 450), (900, 450), (1500, 900), (100, 900)], fill=(90, 90, 95))
    x, y, width = rng.randint(200, 1100), rng.randint(470, 650), rng.randint(120, 300)
    box = (x, y, x + width, y + width // 2)
    draw.rectangle(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=85)
    return box


def street_questions(objects: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Questions of the four types about tagged objects."""
    tags = list(objects)
    empty = {"C": None, "con_up": None, "con_down": None, "cluster": None, "layer": None}
    # How the challenge scores a question: 0 to the letter, 1 by a judge, 2 by language metrics, 3 by its points.
    tags_of = {"perception": [[2, 3], [0]], "prediction": [[0]], "planning": [[1]], "behavior": [[0, 1]]}
    asked = {
        "perception": [
            (
                "What are the important objects in the current scene?",
                f"The IDs of these objects are {', '.join(tags)}.",
            ),
            (f"What is the observed status of object {tags[0]}?", "Moving."),
        ],
        "prediction": [(f"Will {tags[1]} be in the moving direction of the ego vehicle?", "No.")],
        "planning": [("What actions could the ego vehicle take?", f"Keep going, mind {tags[2]}.")],
        "behavior": [("Predict the behavior of the ego vehicle.", "The ego vehicle is going straight.")],
    }
    return {
        kind: [{"Q": q, "A": a, **empty, "tag": t} for (q, a), t in zip(pairs, tags_of[kind], strict=True)]
        for kind, pairs in asked.items()
    }


def make_mme(folder: Path, pictures: int = 2) -> None:
    """Multiple choice about streets; one row of another subtask, whose picture is not there."""
    rows = []
    for i in range(pictures):
        colour = list(COLOURS)[i]
        name = f"AutonomousDriving/{i}.jpg"
        draw_street(folder / "data" / name, COLOURS[colour], random.Random(40 + i))
        choices = [f"({letter}) {one}" for letter, one in zip("ABCD", COLOURS, strict=True)]
        choices.append("(E) The image does not feature the object")
        for task, category in (("Perception", "Object_Count"), ("Reasoning", "Attention_TrafficSignal")):
            rows.append(
                {
                    "Question_id": f"{task.lower()}/{i}",
                    "Image": name,
                    "Text": "What is the colour of the car?",
                    "Question Type": "Multiple Choice",
                    "Answer choices": choices,
                    "Ground truth": "ABCD"[i],
                    "Category": category,
                    "Task": task,
                    "Subtask": "Autonomous_Driving",
                }
            )
    rows.append({**rows[0], "Question_id": "other/0", "Subtask": "Monitoring", "Image": "Monitoring/0.jpg"})
    write_json(folder / "MME_RealWorld.json", rows)


def make_bdd(folder: Path, clips: int = 3, frames: int = 2) -> None:
    """Clips as several pictures, with a question about what the car does."""
    lines = []
    for i in range(clips):
        names = [f"clip_{i}/{k}.jpg" for k in range(frames)]
        for k, name in enumerate(names):
            draw_street(folder / "frames" / name, COLOURS["red"], random.Random(50 + 10 * i + k))
        head = "".join(f"Frame{k + 1}: <image>\n" for k in range(frames))
        turns = [
            {"from": "human", "value": f"{head}What is the vehicle doing?"},
            {"from": "gpt", "value": "The car goes on."},
        ]
        lines.append({"id": i, "image": names, "conversations": turns})
    write_lines(folder / "bdd.jsonl", lines)


# --- remote sensing ---------------------------------------------------------------------------------------------------


def draw_tile(path: Path, seed: int) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Fields and three storage tanks; colour and box (pixels, xyxy) of every tank."""
    rng = random.Random(seed)
    image = Image.new("RGB", (TILE, TILE), (110, 140, 90))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = rng.randint(0, TILE), rng.randint(0, TILE)
        draw.rectangle((x, y, x + 70, y + 50), fill=(rng.randint(90, 160), rng.randint(110, 160), 70))
    tanks = []
    for i, colour in enumerate(rng.sample(list(COLOURS), 3)):
        size = rng.randint(24, 48)
        x, y = 10 + 80 * i + rng.randint(0, 20), rng.randint(5, TILE - size - 5)
        draw.ellipse((x, y, x + size, y + size), fill=COLOURS[colour])
        tanks.append((colour, (x, y, x + size, y + size)))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return tanks


def make_rsvqa(folder: Path, tiles: int = 4, *, high: bool = False) -> None:
    """A training split of low or high resolution; the last tile belongs to another one and is there as a stub."""
    pictures, start = ("Data", "USGS") if high else ("Images_LR", "LR")
    questions: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for i in range(tiles):
        tanks = draw_tile(folder / pictures / f"{i}.tif", i)
        here = []
        colours = [colour for colour, _ in tanks]
        asked = [
            ("presence", "Is a red tank present?", "yes" if "red" in colours else "no"),
            ("count", "How many tanks are there?", str(len(tanks))),
            ("area", "What is the area covered by tanks?", f"{sum(area(box) for _, box in tanks)}m2")
            if high
            else ("rural_urban", "Is it a rural or an urban area", "rural"),
        ]
        for kind, question, answer in asked:
            number = len(questions)
            here.append(number)
            more = {"date_added": 0.0, "people_id": 0, "active": True}
            questions.append(
                {
                    "id": number,
                    "img_id": i,
                    "type": kind,
                    "question": question,
                    "answers_ids": [number],
                    **more,
                }
            )
            answers.append({"id": number, "question_id": number, "answer": answer, **more})
        images.append({"id": i, "original_name": f"tile_{i}.tif", "questions_ids": here, "active": True})
    for rows, first in ((questions, -3), (answers, -3), (images, -1)):
        rows[first:] = [{"id": row["id"], "active": False} for row in rows[first:]]
    for name, rows in (("questions", questions), ("answers", answers), ("images", images)):
        write_json(folder / f"{start}_split_train_{name}.json", {name: rows})


def area(box: tuple[int, int, int, int]) -> int:
    """Of the circle in a square box, in pixels."""
    return round(0.7854 * (box[2] - box[0]) ** 2)


def make_dior(folder: Path, tiles: int = 4) -> None:
    """An XML file a tile; every fourth object is for testing."""
    objects = 0
    for i in range(tiles):
        name = f"{i + 1:05d}.jpg"
        members = ""
        for colour, (x1, y1, x2, y2) in draw_tile(folder / "JPEGImages" / name, 10 + i):
            objects += 1
            members += (
                f"<object><name>storagetank</name><pose>Unspecified</pose><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
                f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox><description>A {colour} storage tank</description></object>"
            )
        path = folder / "Annotations" / f"{i + 1:05d}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = f"<size><width>{TILE}</width><height>{TILE}</height><depth>3</depth></size>"
        path.write_text(f"<annotation><filename>{name}</filename>{size}{members}</annotation>\n", "utf-8")
    for split, numbers in (
        ("train", [n for n in range(objects) if n % 4]),
        ("test", [n for n in range(objects) if n % 4 == 0]),
    ):
        (folder / f"{split}.txt").write_text("".join(f"{n}\n" for n in numbers), "utf-8")


def make_geochat(folder: Path, tiles: int = 3) -> None:
    """Conversations with upright and turned boxes, 0 to 100."""
    records = []
    for i in range(tiles):
        name = f"tile_{i}.png"
        (colour, box), *_ = draw_tile(folder / "final_images_llava" / name, 20 + i)
        shown = "".join(f"<{round(100 * value / TILE)}>" for value in box)
        records.append(
            {
                "id": f"tile_{i}",
                "image": name,
                "conversations": [
                    {"from": "human", "value": f"<image>\n[refer] where is <p>the {colour} tank</p> ?"},
                    {"from": "gpt", "value": f"<p>the {colour} tank</p> {{{shown}|<{90 * (i % 2)}>}}"},
                    {"from": "human", "value": "How many tanks are there?"},
                    {"from": "gpt", "value": "3"},
                ],
            }
        )
    write_json(folder / "GeoChat_Instruct.json", records)


def make_fit_rs(folder: Path, tiles: int = 3) -> None:
    """A question a tile."""
    lines = []
    for i in range(tiles):
        draw_tile(folder / "imgv2_split_512_100_vaild" / f"{i}.png", 60 + i)
        turns = [
            {"from": "human", "value": "<image>\nHow many tanks are there?"},
            {"from": "gpt", "value": "3"},
        ]
        lines.append({"id": i, "image": f"{i}.png", "conversations": turns})
    write_lines(folder / "fit_rs_vqa_100k.jsonl", lines)


# --- medicine ---------------------------------------------------------------------------------------------------------


def make_medical(folder: Path, scans: int = 4) -> None:
    """Grey scans, some with a bright spot, and a question about each."""
    lines = []
    for i in range(scans):
        rng = random.Random(30 + i)
        image = Image.new("L", (224, 224), 10)
        draw = ImageDraw.Draw(image)
        draw.ellipse((30, 15, 194, 209), fill=90, outline=200, width=6)
        spot = i % 2 == 0
        if spot:
            x, y = rng.randint(70, 140), rng.randint(70, 140)
            draw.ellipse((x, y, x + 18, y + 18), fill=240)
        path = folder / "medical_images" / f"scan_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        question = "<image>\nIs there a bright spot in this scan?\nA. Yes\nB. No"
        lines.append(
            {
                "id": i,
                "image": f"scan_{i}.png",
                "conversations": [
                    {"from": "human", "value": question},
                    {"from": "gpt", "value": "A" if spot else "B"},
                ],
            }
        )
    write_lines(folder / "medical_sft_sample500k.jsonl", lines)


def write_json(path: Path, value: Any) -> None:
    """An indented JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")


def make_all(folder: Path) -> None:
    """Every domain below one directory."""
    make_drivelm(folder / "drivelm")
    make_mme(folder / "mme")
    make_bdd(folder / "bdd")
    make_rsvqa(folder / "rsvqa")
    make_rsvqa(folder / "rsvqa_high", high=True)
    make_dior(folder / "dior")
    make_geochat(folder / "geochat")
    make_fit_rs(folder / "fit_rs")
    make_medical(folder / "medical")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make_all(Path(sys.argv[1]))
