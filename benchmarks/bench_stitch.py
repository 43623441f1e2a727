"""Six cameras to a canvas: `mmdata.stitching` against the loop of ``tools/images_stitching.py`` restated, in turns.

``python -m benchmarks.bench_stitch``; pictures of 1600 x 900 pixels, the same font for both, the same pixels out. The
ratio is the loop's time over that of mmdata, the best of each of some rounds: with one thread in CPU time, and with a thread
a core by the clock, which means something on an idle machine only. Both spend most of it in Pillow's bicubic resize, 18 of
25 milliseconds a picture, whose pixels are prescribed: one thread cannot be much faster than the loop.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from mmdata.stitching.canvas import DRIVELM
from mmdata.stitching.frames import Frame, read_frames
from mmdata.stitching.run import Stitcher, stitch

FRAMES = 6
ROUNDS = 5


def loop(frames: list[Frame], root: str, folder: str) -> None:
    """One picture after the other, as the published script makes them."""
    font = ImageFont.load_default(50)
    for frame in frames:
        canvas = Image.new("RGB", (2688, 896))
        for i, view in enumerate(DRIVELM.views):
            picture = Image.open(os.path.join(root, frame.paths[view].removeprefix("../"))).convert("RGB")
            tile = picture.resize((896, 448))
            ImageDraw.Draw(tile).text((0, 0), view, fill=(255, 0, 255), font=font)
            canvas.paste(tile, (i % 3 * 896, i // 3 * 448))
        canvas.save(os.path.join(folder, f"{frame.id}.jpg"))


def main(rounds: int = ROUNDS) -> None:
    """Print milliseconds a canvas and the ratios."""
    script = Path(__file__).parent.parent / "examples" / "make_domains.py"
    spec = importlib.util.spec_from_file_location("make_domains", script)
    assert spec is not None
    assert spec.loader is not None
    make: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        make.make_drivelm(Path(folder), scenes=1, frames=FRAMES)
        frames = read_frames(os.path.join(folder, "v1_1_train_nus.json"))
        times: dict[int, list[tuple[float, float]]] = {jobs: [] for jobs in sorted({1, cores})}
        os.makedirs(os.path.join(folder, "loop"))
        for _ in range(rounds):
            for jobs, found in times.items():
                clock = time.process_time if jobs == 1 else time.perf_counter
                start = clock()
                loop(frames, folder, os.path.join(folder, "loop"))
                middle = clock()
                stitcher = Stitcher(DRIVELM, folder, os.path.join(folder, "ours"), force=True)
                stitch(frames, stitcher, jobs=jobs)
                end = clock()
                found.append((middle - start, end - middle))
        same = [
            Image.open(os.path.join(folder, "loop", f"{f.id}.jpg")).tobytes()
            == Image.open(os.path.join(folder, "ours", f"{f.id}.jpg")).tobytes()
            for f in frames
        ]
        for jobs, found in times.items():
            theirs, ours = (min(both) for both in zip(*found, strict=True))
            unit = "CPU time" if jobs == 1 else "by the clock"
            print(
                f"stitch, threads {jobs}: {theirs / ours:.2f} x the loop, {unit}, {1e3 * ours / FRAMES:.0f} ms a canvas; the same pixels: {all(same)}"
            )


if __name__ == "__main__":
    main()
