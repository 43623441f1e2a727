"""The data pipeline against a plain `datasets` + processor collator: samples a second, and how long a step waits for data.

Both read the same records and JPEGs, cut tiles of 448 pixels with the same limits for the same (tiny) InternVL tokenizer and
processor, and make batches in as many worker processes of torch's DataLoader. The plain one opens pictures with PIL, lets
the processor tokenize and cut, pads, and masks padding and pictures: what training scripts of the hub do. Ours measures,
packs, encodes, and labels the answers alone. The step stands for an accelerator: it sleeps as long as its samples take there and leaves the
processor cores to the workers. Start-up (before the first batch) is not counted here; see `bench_startup`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.harness import DATA

os.environ.setdefault("HF_HUB_OFFLINE", "1")
RECORDS = 600
PICTURES = 48
TILES = 6
WORKERS = 1
SKIPPED = 4
MEASURED = 160
STEP = 0.08
"""Seconds that a sample keeps the accelerator busy: 12.5 samples of some 1500 tokens a second, a model of about 2B on a GPU."""


def main(runs: int = 3) -> None:
    """Print samples a second of both, their ratio, and the share of the step time spent waiting."""
    folder = prepare()
    found: dict[str, list[list[float]]] = {"plain": [], "mmtrain": []}
    for _ in range(runs):
        for name in random.sample(sorted(found), len(found)):
            command = [sys.executable, "-m", "benchmarks.bench_pipeline", name, str(folder)]
            done = subprocess.run(
                command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"\ndata pipeline: {RECORDS} records, up to {TILES} tiles a picture, {WORKERS} worker process")
    print(
        f"{'':<10}{'samples/s':>11}{'x plain':>9}{'waiting, step of ' + format(STEP, 'g') + ' s a sample':>36}"
    )
    base = median(rate for rate, _ in found["plain"])
    for name, rows in found.items():
        rate, waiting = (median(row[i] for row in rows) for i in range(2))
        print(f"{name:<10}{rate:>11.1f}{rate / base:>9.2f}{waiting:>36.1%}")
    ratios = sorted(a[0] / b[0] for a, b in zip(found["mmtrain"], found["plain"], strict=True))
    print(f"ratio of the interleaved pairs: {', '.join(f'{r:.2f}' for r in ratios)}")


def prepare() -> Path:
    """The records, pictures and model, made once."""
    import numpy as np
    from PIL import Image

    from mmtrain.tiny import Shape, make_tiny

    folder = DATA / "pipeline"
    data = folder / "records.jsonl"
    if data.exists():
        return folder
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    for number in range(PICTURES):
        width, height = rng.choice([(640, 480), (1024, 768), (800, 800), (1600, 900), (480, 640)])
        noise = np.random.default_rng(number).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
        picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        picture.save(folder / "pictures" / f"{number}.jpg", quality=90)
    make_tiny("internvl", folder / "model", shape=Shape(tile=448), force=True)
    words = [
        "the",
        "a",
        "red",
        "white",
        "tank",
        "circle",
        "building",
        "left",
        "right",
        "above",
        "below",
        "image",
        "scene",
        "region",
        "object",
    ]
    with open(folder / "records.partial", "w", encoding="utf-8") as out:
        for number in range(RECORDS):
            say = [" ".join(rng.choices(words, k=int(rng.lognormvariate(3, 0.7)) + 3)) for _ in range(4)]
            turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(say)]
            record = {"id": number, "conversations": turns}
            if number % 4:
                turns[0]["value"] = "<image>\n" + turns[0]["value"]
                record["image"] = f"{number % PICTURES}.jpg"
            out.write(json.dumps(record) + "\n")
    os.replace(folder / "records.partial", data)
    return folder


def plain(folder: Path, workers: int):
    """`datasets`, PIL, the model's processor, a padded batch of four."""
    import datasets
    import torch
    from torch.utils.data import DataLoader

    datasets.disable_progress_bars()
    rows = datasets.load_dataset("json", data_files=str(folder / "records.jsonl"), split="train")
    loader = DataLoader(
        rows,
        batch_size=4,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
        collate_fn=Collator(folder),
        num_workers=workers,
        prefetch_factor=4,
        multiprocessing_context="spawn",
    )
    while True:
        for batch in loader:
            yield len(batch["input_ids"]), batch


class Collator:
    """Messages and pictures through the processor; labels are everything but padding and pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processor = None

    def __call__(self, rows):
        """A padded batch of some rows."""
        from PIL import Image

        from mmtrain.tiny import load_processor

        if self.processor is None:
            self.processor = load_processor(self.folder / "model")
            self.processor.tokenizer.padding_side = "right"
        texts, pictures = [], []
        for row in rows:
            messages = []
            for turn in row["conversations"]:
                content = [{"type": "text", "text": turn["value"].removeprefix("<image>\n")}]
                if turn["value"].startswith("<image>"):
                    pictures.append(Image.open(self.folder / "pictures" / row["image"]).convert("RGB"))
                    content.insert(0, {"type": "image"})
                messages.append(
                    {"role": "user" if turn["from"] == "human" else "assistant", "content": content}
                )
            texts.append(self.processor.apply_chat_template(messages, tokenize=False))
        limits = {"crop_to_patches": True, "max_patches": TILES} if pictures else {}
        batch = self.processor(
            text=texts, images=pictures or None, padding=True, return_tensors="pt", **limits
        )
        labels = batch["input_ids"].clone()
        labels[batch["attention_mask"] == 0] = -100
        labels[labels == self.processor.image_token_id] = -100
        batch["labels"] = labels
        return batch


def ours(folder: Path, workers: int):
    """What a training run iterates over: measured, packed, encoded; two sequences ahead hold what four padded batches do."""
    from mmtrain.data.encode import Size
    from mmtrain.data.loader import Batches, Jobs, loader
    from mmtrain.data.measuring import Measuring
    from mmtrain.data.mixing import mixture
    from mmtrain.data.order import Order
    from mmtrain.data.packing import Rows
    from mmtrain.data.sources import Reader, Source
    from mmtrain.recipes.chat import make_encoder
    from mmtrain.settings import Settings

    source = Source(path=str(folder / "records.jsonl"), media_root=str(folder / "pictures"))
    settings = Settings(
        model=str(folder / "model"), output_dir="", train=(source,), max_tiles=TILES, max_length=8192
    )
    encoder = make_encoder(settings)
    reader = Reader(settings.train, encoder, max_length=settings.max_length, max_tiles=32)
    drawn = mixture(settings.train)
    order = Order(lambda epoch: drawn.plan(epoch, seed=0), None)

    def measure(position: int):
        place = order[position]
        return reader.measure(place.source, place.record)

    measuring = Measuring(measure, ahead=2 * settings.packing_window if workers else 0)
    rows = Rows(order, measuring, capacity=Size(settings.max_length, 32), window=settings.packing_window)
    jobs = Jobs(order, rows, rank=0, world=1, batch=1, accumulation=1)
    batches = Batches(reader, packing=True, filler=True, reduction="token", stop=True)
    for batch in loader(jobs, batches, workers=workers, prefetch=2, pin=False):
        yield batch.samples, batch


def child(name: str, folder: Path) -> None:
    """Samples a second without a step, then the share of waiting with one."""
    import time

    import torch

    torch.set_num_threads(1)
    batches = {"plain": plain, "mmtrain": ours}[name](folder, WORKERS)
    for _ in range(SKIPPED):
        next(batches)
    count, began = 0, time.perf_counter()
    while count < MEASURED:
        count += next(batches)[0]
    rate = count / (time.perf_counter() - began)
    count, waited, began = 0, 0.0, time.perf_counter()
    while count < MEASURED:
        asked = time.perf_counter()
        got, _ = next(batches)
        waited += time.perf_counter() - asked
        count += got
        time.sleep(got * STEP)
    print(json.dumps([rate, waited / (time.perf_counter() - began)]))
    sys.stdout.flush()
    os._exit(0)  # an endless loader has no end to wait for


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]))
