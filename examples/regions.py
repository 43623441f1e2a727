"""Train answers about regions of videos in about two minutes on a CPU: ``python examples/regions.py [FOLDER]``.

Generates videos of moving shapes as VideoRefer records of both dialects, trains a tiny model from random weights with
`mmtrain`, and asks it about videos that it never saw: multiple choice in the layout of VideoRefer-Bench-Q, then the same
questions with the masks of the two objects swapped. A picture shows one of them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mmdata import masks

Record = dict[str, Any]

COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 230), "yellow": (230, 210, 40)}
SHAPES = ("circle", "square", "triangle")
SIDE, FRAMES = 56, 4
CHOOSE = ". Answer with the option's letter from the given choices directly."
"""As VideoRefer ends its questions."""


def drawn(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, fill: Any) -> None:
    """A shape of size `r` around (x, y)."""
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    else:
        draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=fill)


def video(path: Path, rng: random.Random) -> list[tuple[str, dict[str, Record]]]:
    """Write the frames of three shapes of different colours; of each its colour and masks by frame, what hides it left out."""
    path.mkdir(parents=True, exist_ok=True)
    things = []
    for color, row in zip(rng.sample(list(COLORS), 3), rng.sample(range(3), 3), strict=True):
        r = rng.uniform(7, 9)
        start, speed = rng.uniform(r, SIDE - r), rng.uniform(-8, 8)
        things.append((color, rng.choice(SHAPES), (row + 0.5) * SIDE / 3, r, start, speed))
    background = tuple(rng.randrange(60, 120) for _ in range(3))
    found: list[tuple[str, dict[str, Record]]] = [(thing[0], {}) for thing in things]
    for frame in range(FRAMES):
        picture = Image.new("RGB", (SIDE, SIDE), background)
        owner = Image.new("L", (SIDE, SIDE), 0)
        for number, (color, shape, y, r, start, speed) in enumerate(things):
            x = min(max(start + speed * frame, r), SIDE - r)
            drawn(ImageDraw.Draw(picture), shape, x, y, r, COLORS[color])
            drawn(ImageDraw.Draw(owner), shape, x, y, r, number + 1)
        picture.save(path / f"{frame:02}.png")
        for number, (_, own) in enumerate(found):
            mask = (np.asarray(owner) == number + 1).astype(np.uint8)
            own[str(frame)] = {"segmentation": masks.encode(mask)}
    return found


def questions(name: str, found: list[tuple[str, dict[str, Record]]], rng: random.Random) -> list[Record]:
    """Two questions about a video, as VideoRefer-Bench-Q has them; `swapped`: what is true with the masks swapped."""
    (one, mine), (two, other) = rng.sample(found, 2)
    options = {color: f"({letter}) {color}" for letter, color in zip("ABCD", COLORS, strict=True)}
    same = {"video": name, "options": list(options.values()), "frame_idx": rng.randrange(FRAMES)}
    second = rng.random() < 0.5
    if second:
        question = "Next to <object0><region>, what colour is <object1><region>?"
    else:
        question = "What colour is <object0><region>, next to <object1><region>?"
    return [
        {
            **same,
            "Question": "What colour is <object0><region>?",
            "Answer": options[one],
            "type": "Basic Questions",
            "annotation": [mine],
        },
        {
            **same,
            "Question": question,
            "Answer": options[two if second else one],
            "type": "Relationship Questions",
            "annotation": [mine, other],
            "swapped": options[one if second else two],
        },
    ]


def some(masks_of: dict[str, Record], rng: random.Random) -> dict[str, Record]:
    """One to three of an object's masks."""
    return {frame: masks_of[frame] for frame in sorted(rng.sample(sorted(masks_of), rng.randint(1, 3)))}


def train_records(entries: list[Record], rng: random.Random) -> tuple[list[Record], list[Record]]:
    """The questions as training records of both dialects, and now and then one without a region."""
    first, second = [], []
    for number, entry in enumerate(entries):
        question = entry["Question"].replace("<region>", "[<region>]") + " " + " ".join(entry["options"])
        turns = [
            {"from": "human", "value": f"<video>\n{question}{CHOOSE}"},
            {"from": "gpt", "value": entry["Answer"]},
        ]
        size = {"height": SIDE, "width": SIDE}
        body = {"id": number, "conversations": turns, **size}
        kept = [some(one, rng) for one in entry["annotation"]]
        if number % 4 == 3:  # VideoLLaMA3's dialect: a placeholder for every mask
            one_each = [
                {frame: value["segmentation"] for frame, value in list(one.items())[:1]} for one in kept
            ]
            second.append({**body, "video": [entry["video"]], "masks": one_each})
        else:
            first.append({**body, "video": entry["video"], "annotation": kept})
        if number % 16 == 0:
            plain = [
                {"from": "human", "value": "<video>\nHow many shapes are there?"},
                {"from": "gpt", "value": "three"},
            ]
            first.append({"id": f"plain-{number}", "video": entry["video"], "conversations": plain})
    return first, second


def make(folder: Path, train: int, held_out: int) -> None:
    """Write videos, training records and held-out questions."""
    for name, count in (("train", train), ("held-out", held_out)):
        home = folder / name
        entries: list[Record] = []
        for number in range(count):
            rng = random.Random(f"{name}/{number}")
            entries += questions(f"videos/{number}", video(home / "videos" / str(number), rng), rng)
        if name == "train":
            v1, vl3 = train_records(entries, random.Random(0))
            (home / "v1.json").write_text(json.dumps(v1))
            (home / "vl3.json").write_text(json.dumps(vl3))
        else:
            (home / "questions.json").write_text(json.dumps(entries))
            pairs = [entry for entry in entries if len(entry["annotation"]) == 2]
            swapped = [
                {**one, "annotation": one["annotation"][::-1], "Answer": one["swapped"]} for one in pairs
            ]
            (home / "swapped.json").write_text(json.dumps(swapped))


def picture(model: Any, folder: Path) -> Path:
    """Ask about two objects of the first held-out video, with masks on two frames, and draw what was asked and answered."""
    from mmtrain.predict import predict

    home = folder / "held-out"
    entries = json.loads((home / "questions.json").read_text())
    entry = next(one for one in entries if len(one["annotation"]) == 2)
    regions = []
    for number, own in enumerate(entry["annotation"]):
        paths = []
        for frame in ("0", str(FRAMES - 1)):
            path = folder / f"mask-{number}-{frame}.png"
            Image.fromarray(masks.decode(own[frame]["segmentation"]) * np.uint8(255)).save(path)
            paths.append(f"{frame}={path}")
        regions.append(",".join(paths))
    question = f"\n{entry['Question']} {' '.join(entry['options'])}{CHOOSE}".replace("<region>", "[<region>]")
    video_of = str(home / entry["video"])
    done = predict(
        model, video_of, question, folder / "picture", regions=regions, video=True, max_new_tokens=8
    )
    assert done.overlay is not None
    return done.overlay


def run(*words: str) -> None:
    """A verb of mmtrain, as on the command line."""
    print("$ mmtrain", *words, flush=True)
    subprocess.run([sys.executable, "-m", "mmtrain", *words], check=True)


def main(folder: Path, steps: int, videos: int, held_out: int) -> float:
    """Everything from nothing to a measured model; returns the accuracy on held-out questions."""
    from mmdata.templates import get_template
    from mmtrain.evaluate.regions import evaluate
    from mmtrain.loading import load
    from mmtrain.quiet import quiet
    from mmtrain.tiny import Shape, make_tiny

    quiet()
    began = time.perf_counter()
    make(folder, videos, held_out)
    home = folder / "train"
    lines = [turn["value"].replace("<region>", "").replace("<video>", "")
             for record in json.loads((home / "v1.json").read_text())[:200] for turn in record["conversations"]]  # fmt: skip
    system = get_template("internvl2_5").system or ""
    shape = Shape(hidden_size=64, heads=4, vocab_size=700, tile=SIDE, deviation=0.08)
    frame_words = ["Frame-1: Frame-2: Frame-3: Frame-4:"] * 200
    make_tiny(
        "internvl", folder / "tiny", text=[*lines, *[system] * 20, *frame_words], shape=shape, force=True
    )
    files = [
        {"path": str(home / "v1.json"), "media_root": str(home), "format": "videorefer"},
        {"path": str(home / "vl3.json"), "media_root": str(home), "format": "videorefer-vl3"},
    ]
    config = {
        "recipe": "regions",
        "model_name_or_path": str(folder / "tiny"),
        "output_dir": str(folder / "run"),
        "data": {"train": files},
        # Two frames evenly, and those with masks.
        "video_frames": 2,
        "packing": False,
        "per_device_train_batch_size": 16,
        "learning_rate": 2e-3,
        "weight_decay": 0.0,
        "max_steps": steps,
        "bf16": False, "deepspeed": "zero0", "report_to": "none", "warmup_ratio": 0.05, "save_steps": 0,
        "dataloader_num_workers": 0, "resume": None, "logging_steps": 50,
    }  # fmt: skip
    (folder / "run.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML
    run("launch", str(folder / "run.yaml"))
    run("export", str(folder / "run"), "-o", str(folder / "model"), "--force")
    trained = time.perf_counter() - began

    model = load(folder / "model")
    accuracies = {}
    for name in ("questions", "swapped"):
        asked = folder / "held-out" / f"{name}.json"
        found = evaluate(
            model,
            str(asked),
            media_root=str(asked.parent),
            output=folder / f"scores-{name}",
            max_new_tokens=8,
        )
        (score,) = found.scores.cards["upstream"].scores
        kinds = {kind: one.value for kind, one in found.scores.cards["upstream"].kinds.items()}
        print(f"{asked.name}: accuracy {score.value:.3f} of {score.rows} {kinds}")
        accuracies[name] = float(score.value or 0.0)
    print(f"picture: {picture(model, folder)}")
    used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{used:.0f} s of computing in all")
    print(f"{trained:.0f} s from nothing to the model")
    return accuracies["questions"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="regions-demo", type=Path)
    parser.add_argument("--steps", type=int, default=400, help="optimizer steps of sixteen questions")
    parser.add_argument("--videos", type=int, default=1000, help="training videos")
    parser.add_argument("--held-out", type=int, default=100, help="held-out videos")
    chosen = parser.parse_args()
    main(chosen.folder, chosen.steps, chosen.videos, chosen.held_out)
