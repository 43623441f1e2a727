"""Train masks from words in a few minutes on a CPU: ``python examples/grounding.py [FOLDER]``.

Generates scenes (shapes on textures) as GeoPixel records, half with their masks as RLE and half as polygon files, trains a
tiny language model and a tiny SAM 2 from random weights with `mmtrain`, and measures the masks on scenes that it never saw.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from mmdata import masks

if TYPE_CHECKING:
    from mmtrain.loading import Model

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
    """One scene: a picture of two or three shapes of different colours, and a GeoPixel record that asks for most."""
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
    picture.save(folder / "images" / f"{number}.png", compress_level=1)
    asked = rng.sample(objects, len(objects) - (rng.random() < 0.25))
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


def say_again(path: Path, count: int) -> None:
    """Text that teaches a random language model to say a phrase again after ``[SEG]``: a released model knows words."""
    rng = random.Random(2)
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            colors = rng.sample(list(COLORS), rng.randint(1, 3))
            names = [f"{color} {rng.choice(SHAPES)}" for color in colors]
            answer = " and the ".join(f"<p> {name} </p> [SEG] {name}" for name in names)
            turns = [
                {"from": "human", "value": f"Segment the {' and the '.join(names)}."},
                {"from": "gpt", "value": f"The {answer}."},
            ]
            file.write(json.dumps({"id": number, "conversations": turns}) + "\n")


def gallery(model: Model, files: list[Path], path: Path, count: int = 4, side: int = 192) -> None:
    """A picture of some scenes, and below them the masks that the model draws when asked as their records ask."""
    from mmtrain.predict import overlay

    sheet = Image.new("RGB", (count * side, 2 * side))
    for column in range(count):
        file = files[column % len(files)]
        record = json.loads(file.read_text())[column]
        image = file.parent / record["image"]
        question = record["conversations"][0]["value"].replace("<ImageHere>", "")
        drawn = model.answer(str(image), question, max_new_tokens=64).masks
        with Image.open(image) as picture:
            for row, shown in enumerate((picture, overlay(picture, drawn))):
                sheet.paste(shown.resize((side, side), Image.Resampling.LANCZOS), (column * side, row * side))
    sheet.save(path)


def run(*words: str) -> None:
    """A verb of mmtrain in a process of its own, as on the command line; a fork, so that torch is imported once."""
    print("$ mmtrain", *words, flush=True)
    started = multiprocessing.get_context("fork").Process(target=mmtrain, args=(words,))
    started.start()
    started.join()
    if started.exitcode:
        sys.exit(started.exitcode)


def mmtrain(words: tuple[str, ...]) -> None:
    """What the command line calls."""
    from mmtrain.cli import main as command

    command(list(words))


def main(folder: Path, steps: int, scenes: int) -> float:
    """Everything from nothing to a measured model; returns the mean IoU on held-out scenes."""
    from mmdata.templates import get_template
    from mmtrain.evaluate.grounding import evaluate
    from mmtrain.loading import load
    from mmtrain.predict import predict
    from mmtrain.quiet import quiet
    from mmtrain.tiny import Shape, make_tiny
    from mmtrain.tiny_sam2 import make_tiny_sam2

    quiet()
    import torch

    torch.set_num_threads(1)  # of a model this small, threads wait for each other longer than they compute
    began = time.perf_counter()
    files = make(folder, scenes, 60)
    say_again(folder / "words.jsonl", 4000)
    lines = [turn["value"].replace("<ImageHere>", "") for path in files["train"]
             for record in json.loads(path.read_text())[:300] for turn in record["conversations"]]  # fmt: skip
    system = get_template("internvl2_5").system or ""
    shape = Shape(hidden_size=64, heads=4, vocab_size=700, deviation=0.08)
    make_tiny("internvl", folder / "vlm", text=[*lines, *[system] * 20], shape=shape, force=True)
    make_tiny_sam2(folder / "sam2", side=SIDE, force=True)

    tiny = {"bf16": False, "deepspeed": "zero0", "report_to": "none", "weight_decay": 0.0, "warmup_ratio": 0.05,
            "save_steps": 0, "dataloader_num_workers": 0, "resume": None, "logging_steps": 50}  # fmt: skip
    language = {
        "model_name_or_path": str(folder / "vlm"),
        "output_dir": str(folder / "words-run"),
        "data": {"train": {"path": str(folder / "words.jsonl"), "format": "internvl"}},
        "max_length": 1024,
        "learning_rate": 3e-3,
        "max_steps": 250,
    }

    def sources(name: str) -> list[dict[str, str]]:
        return [{"path": str(path), "media_root": str(path.parent)} for path in files[name]]

    grounding = {
        "recipe": "grounding",
        "model_name_or_path": str(folder / "words-model"),
        "output_dir": str(folder / "run"),
        "data": {"train": sources("train"), "eval": sources("held-out")},
        # The encoder begins at random too, so it is trained as well. Dice counts more than GeoPixel's 0.5 here.
        "grounding": {"decoder_name_or_path": str(folder / "sam2"), "encoder": {"tuning": "full"},
                      "losses": {"dice": 1.0}},
        "packing": False,
        "max_dynamic_patch": 1,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 15,
        "learning_rate": 1e-3,
        "max_steps": steps,
        "eval_steps": steps,
    }  # fmt: skip
    for name, config in (("words", language), ("run", grounding)):
        (folder / f"{name}.yaml").write_text(json.dumps({**config, **tiny}, indent=1))  # JSON is YAML
    run("launch", str(folder / "words.yaml"))
    run("export", str(folder / "words-run"), "-o", str(folder / "words-model"), "--force")
    run("launch", str(folder / "run.yaml"))
    run("export", str(folder / "run"), "-o", str(folder / "model"), "--force")
    trained = time.perf_counter() - began

    model = load(folder / "model")
    total, count = 0.0, 0
    for path in files["held-out"]:
        output = folder / f"scores-{path.stem}"
        found = evaluate(
            model, str(path), media_root=str(path.parent), output=output, max_new_tokens=64, batch_size=15
        ).scores
        print(
            f"{path.name}: gIoU {found.giou:.3f} cIoU {found.ciou:.3f} AP50 {found.ap50:.3f} of {found.masks} masks"
        )
        total, count = total + found.giou * found.masks, count + found.masks
    first = json.loads(files["held-out"][0].read_text())[0]
    question = first["conversations"][0]["value"].replace("<ImageHere>", "")
    shown = predict(model, str(files["held-out"][0].parent / first["image"]), question, folder / "prediction")
    print(f"{question} -> {shown.answer.text}  ({shown.overlay})")
    mean = total / count
    gallery(model, files["held-out"], folder / "masks.png")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        f"mean IoU {mean:.3f} on {count} masks of held-out scenes; {trained:.0f} s from nothing to the model, "
        f"{sum(one.ru_utime + one.ru_stime for one in used):.0f} s of one core for everything"
    )
    return mean


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="grounding-demo", type=Path)
    parser.add_argument("--steps", type=int, default=600, help="optimizer steps of eight scenes")
    parser.add_argument("--scenes", type=int, default=2400, help="training scenes")
    chosen = parser.parse_args()
    main(chosen.folder, chosen.steps, chosen.scenes)
