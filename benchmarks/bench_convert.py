"""Conversion against `json.loads` + `json.dumps` of the same records, one process and two, with and without numba; mask
pairs; memory.
"""

from __future__ import annotations

import json
import os
import random
import time
from multiprocessing import Pool
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks import data
from benchmarks.harness import DATA, compare, label, measure, show

ONE = [
    "json_convert",
    "mmdata_convert",
    "mmdata_convert_bare",
    "mmdata_convert_plain",
    "mmdata_convert_bare_plain",
]
TWO = ["mmdata_convert_2", "mmdata_convert_bare_2"]
SIZE = 1024


def main(runs: int = 3) -> None:
    """Print the tables."""
    path = data.jsonl(200)
    _compile()
    title = "InternVL JSONL, 200 MB, to XComposer, output checks on"
    show(f"{title}: wall clock", compare([*ONE, *TWO], path, runs=runs), base="json")
    _show_cpu(f"{title}: CPU time, loading numba and the kernel included", ONE, path, runs)
    # The peak of a process counts in those that it starts, so files are made by one that starts none.
    with Pool(1) as pool:
        files = pool.apply(masked, (2000,))
    for title, path in files.items():
        title = f"{title}, 2000 records to InternVL (boxes)"
        rivals = ["json_convert", "mmdata_convert", "mmdata_convert_plain"]
        show(title, compare([*rivals, "mmdata_convert_2"], path, runs=runs), base="json")
        _show_cpu(f"{title}: CPU time, loading numba included", rivals, path, runs)
    print("\npeak resident memory, MiB")
    for gigabytes in (1, 2):
        with Pool(1) as pool:
            path = pool.apply(data.long_jsonl, (gigabytes,))
        for name in ("mmdata_convert", "mmdata_convert_2"):
            records, wall, _, peak = measure(name, path)
            print(f"{gigabytes} GB  {label(name):<18}{peak / 1024:>6.0f}  {records} records, {wall:.0f} s")


def _compile() -> None:
    """Have the kernel compiled and on disk, as it is after the first large conversion on a machine."""
    begin = time.perf_counter()
    with patch.dict(os.environ, MMDATA_JIT="1"):
        measure("mmdata_convert", data.jsonl(20))
    print(f"20 MB with the kernel, compiled first where it was not: {time.perf_counter() - begin:.1f} s")


def _show_cpu(title: str, rivals: list[str], path: Path, runs: int) -> None:
    """Print CPU seconds, the peers in turns in every round, and how many times fewer than the first one's."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(runs):
        for name in random.sample(rivals, len(rivals)):
            seconds[name].append(measure(name, path)[2])
    print(f"\n{title}\n{'':<22}{'CPU s':>12}{'x json':>14}")
    for name in rivals:
        ratio = median(seconds[rivals[0]]) / median(seconds[name])
        print(f"{label(name):<22}{median(seconds[name]):>12.2f}{ratio:>14.2f}")


def masked(count: int) -> dict[str, Path]:
    """Files of records with three masks each on a picture of 1024 x 1024: title -> path."""
    from PIL import Image

    from mmdata import masks

    folder = DATA / f"masked-{count}"
    paths = {
        "GeoPixel, RLE": folder / "rle.json",
        "GeoPixel, polygons": folder / "polygons.json",
        "VideoRefer": folder / "videorefer.json",
    }
    if all(path.exists() for path in paths.values()):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "picture.png"
    Image.new("RGB", (SIZE, SIZE)).save(picture)
    rng = random.Random(4)
    records: dict[str, list[dict[str, Any]]] = {title: [] for title in paths}
    said = "The <p> tank </p> [SEG], the <p> ship </p> [SEG] and the <p> lane </p> [SEG]."
    for number in range(count):
        rings = [_ring(rng) for _ in range(3)]
        found = [dict(masks.rings_to_rle([ring], (SIZE, SIZE), "opencv")) for ring in rings]
        sidecar = folder / f"{number}.json"
        sidecar.write_text(json.dumps({"polygons": [[ring] for ring in rings]}))
        talk = [{"from": "human", "value": "<ImageHere>What is there?"}, {"from": "bot", "value": said}]
        base = {"id": number, "image": str(picture), "conversations": talk}
        records["GeoPixel, RLE"].append({**base, "segmentation": found})
        records["GeoPixel, polygons"].append({**base, "polygons": str(sidecar)})
        asked = [
            {"from": "human", "value": "<image>\nWhat are <region>, <region> and <region>?"},
            {"from": "gpt", "value": "A tank, a ship and a lane."},
        ]
        annotation = [{"0": {"segmentation": one}} for one in found]
        size = {"height": SIZE, "width": SIZE}
        records["VideoRefer"].append({**base, "conversations": asked, "annotation": annotation, **size})
    for title, path in paths.items():
        path.write_text(json.dumps(records[title]))
    return paths


def _ring(rng: random.Random) -> list[list[int]]:
    left, top = rng.randrange(SIZE // 2), rng.randrange(SIZE // 2)
    return [[left + rng.randrange(SIZE // 2), top + rng.randrange(SIZE // 2)] for _ in range(12)]


if __name__ == "__main__":
    main()
