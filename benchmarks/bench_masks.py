"""Masks against pycocotools, OpenCV and Pillow: decode, encode, rasterize, rings from masks, memory.

Every line is one run: all peers take turns on the same mask, and the ratio is between their medians of CPU time. mmdata
takes part twice: with numpy alone, and with compiled kernels where numba is installed (extra ``fast``).
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Work = dict[str, Callable[[], object]]

_MEMORY = """
import tracemalloc
import numpy as np
from mmdata import masks
from schemas.sample import PolygonMask, Sample, SampleObject
rng = np.random.default_rng(0)
rings = [[(rng.random((40, 2)) * 4096).tolist()] for _ in range(500)]
sample = Sample([], objects=[SampleObject({"": PolygonMask(r, "opencv")}) for r in rings], height=4096, width=4096)
masks.rasterize(rings[0], (64, 64), "opencv")
tracemalloc.start()
pixels = sum(int(one.mask[::64].sum()) for one in masks.iter_of(sample))
peak = tracemalloc.get_traced_memory()[1] / 2**20
resident = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(peak, int(resident) / 1024)
"""


def ellipse(side: int) -> Mask:
    """One compact object, a tenth of the picture."""
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (side // 2, side // 3), (side // 20, side // 15), 30, 0, 360, 1, -1)
    return mask


def blobs(side: int) -> Mask:
    """Several large objects across the picture."""
    rng = np.random.default_rng(1)
    mask = np.zeros((side, side), np.uint8)
    for _ in range(4):
        axes = tuple(int(v) for v in rng.integers(4, side // 6, 2))
        center = tuple(int(v) for v in rng.integers(side, size=2))
        cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, 1, -1)
    return mask


def noise(side: int) -> Mask:
    """Blurred noise, thousands of small regions: what a bad threshold leaves."""
    field = np.random.default_rng(2).standard_normal((side, side)).astype(np.float32)
    return (cv2.GaussianBlur(field, (0, 0), 4) > 0).astype(np.uint8)


def static(side: int) -> Mask:
    """Every pixel by the toss of a coin: the worst case, no mask of anything."""
    return (np.random.default_rng(3).random((side, side)) < 0.5).astype(np.uint8)


KINDS = {"object": ellipse, "blobs": blobs, "noise": noise, "static": static}


def turns(work: Work, runs: int) -> dict[str, float]:
    """Median milliseconds of CPU time of each, taken in turns; waiting for a busy machine does not count.

    Names that begin with "numpy" run without kernels, all others with them where numba is installed.
    """
    from mmdata.masks import compiled

    times: dict[str, list[float]] = {name: [] for name in work}
    for name in work:
        compiled.use(not name.startswith("numpy"))
        work[name]()
    start = time.thread_time()
    next(iter(work.values()))()
    repeat = max(1, int(0.002 / (time.thread_time() - start + 1e-9)))
    gc.collect()
    for _ in range(runs):
        for name, function in work.items():
            compiled.use(not name.startswith("numpy"))
            start = time.thread_time()
            for _ in range(repeat):
                function()
            times[name].append(1000 * (time.thread_time() - start) / repeat)
    return {name: median(values) for name, values in times.items()}


def line(what: str, figures: dict[str, float], base: str) -> None:
    """Milliseconds of every peer, and how many times faster than `base` mmdata is, by numpy and by numba."""
    shown = "  ".join(f"{name} {value:8.3f}" for name, value in figures.items())
    ratios = "  ".join(f"{way} {figures[base] / figures[way]:>6.2f}" for way in ("numpy", "numba"))
    print(f"{what:<24}{ratios}  x {base:<16} ms: {shown}")


def decoding(side: int, runs: int) -> None:
    """RLE to a C-contiguous array, one and a batch of eight."""
    from pycocotools import mask as coco

    from mmdata import masks

    for kind, make in KINDS.items():
        mask = make(side)
        rle = coco.encode(np.asfortranarray(mask))
        target = np.empty_like(mask)
        assert np.array_equal(masks.decode(rle), mask)
        figures = turns(
            {
                "pycocotools": lambda rle=rle: np.ascontiguousarray(coco.decode(rle)),  # type: ignore[misc]
                "numpy": lambda rle=rle: masks.decode(rle),  # type: ignore[misc]
                "numba": lambda rle=rle: masks.decode(rle),  # type: ignore[misc]
                "memcpy": lambda target=target, mask=mask: np.copyto(target, mask),  # type: ignore[misc]
            },
            runs,
        )
        line(f"decode {side} {kind}", figures, "pycocotools")
        if side <= 1024:
            many = [rle] * 8
            batch = turns(
                {
                    "pycocotools": lambda many=many: np.ascontiguousarray(  # type: ignore[misc]
                        coco.decode(many).transpose(2, 0, 1)
                    ),
                    "numpy": lambda many=many: masks.decode_many(many),  # type: ignore[misc]
                    "numba": lambda many=many: masks.decode_many(many),  # type: ignore[misc]
                },
                runs,
            )
            line(f"decode 8 x {side} {kind}", batch, "pycocotools")


def encoding(side: int, runs: int) -> None:
    """A C-contiguous mask to RLE."""
    from pycocotools import mask as coco

    from mmdata import masks

    for kind, make in KINDS.items():
        mask = make(side)
        figures = turns(
            {
                "pycocotools": lambda mask=mask: coco.encode(np.asfortranarray(mask)),  # type: ignore[misc]
                "numpy": lambda mask=mask: masks.encode(mask),  # type: ignore[misc]
                "numba": lambda mask=mask: masks.encode(mask),  # type: ignore[misc]
            },
            runs,
        )
        line(f"encode {side} {kind}", figures, "pycocotools")


def drawing(side: int, runs: int) -> None:
    """A polygon, as nested lists from a JSON file, to a mask."""
    from PIL import Image, ImageDraw
    from pycocotools import mask as coco

    from mmdata import masks

    for points in (20, 200):
        rng = np.random.default_rng(points)
        angle = np.sort(rng.random(points)) * 2 * np.pi
        radius = side * 0.35 * (0.6 + 0.4 * rng.random(points))
        ring = np.stack([side / 2 + radius * np.cos(angle), side / 2 + radius * np.sin(angle)], 1).tolist()

        def geopixel(ring: Any = ring) -> object:
            return cv2.fillPoly(np.zeros((side, side), np.uint8), [np.array(ring, dtype=np.int32)], 1)

        def pillow(ring: Any = ring) -> object:
            image = Image.new("L", (side, side))
            ImageDraw.Draw(image).polygon([tuple(point) for point in ring], fill=1, outline=1)
            return np.asarray(image)

        def pycocotools(ring: Any = ring) -> object:
            flat = [[v for point in ring for v in point]]
            return np.ascontiguousarray(coco.decode(coco.merge(coco.frPyObjects(flat, side, side))))

        def opencv_rule(ring: Any = ring) -> object:
            return masks.rasterize([ring], (side, side), "opencv")

        def coco_rule(ring: Any = ring) -> object:
            return masks.rasterize([ring], (side, side), "coco")

        line(
            f"opencv {side}, {points} points",
            turns({"fillPoly": geopixel, "Pillow": pillow, "numpy": opencv_rule, "numba": opencv_rule}, runs),
            "fillPoly",
        )
        line(
            f"coco {side}, {points} points",
            turns({"pycocotools": pycocotools, "numpy": coco_rule, "numba": coco_rule}, runs),
            "pycocotools",
        )


def tracing(side: int, runs: int) -> None:
    """A mask to exact rings, as lists, against OpenCV's contours alone (which are exact without holes only)."""
    from mmdata import masks

    for kind in ("object", "blobs", "noise"):
        mask = KINDS[kind](side)
        if kind == "noise" and side > 1024:
            continue
        figures = turns(
            {
                "findContours": lambda mask=mask: cv2.findContours(  # type: ignore[misc]
                    mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
                ),
                **{
                    f"{way} {rule}": lambda mask=mask, rule=rule: masks.to_rings(mask, rule)  # type: ignore[misc]
                    for way in ("numpy", "numba")
                    for rule in ("opencv", "coco")
                },
            },
            runs,
        )
        base = figures.pop("findContours")
        shown = "  ".join(f"{name} {value / base:5.2f}" for name, value in figures.items())
        print(f"rings {side} {kind:<14} {shown}  times findContours alone ({base:.3f} ms)")


def coarsely(side: int, runs: int) -> None:
    """A ring of 200 points to 256 x 256, against drawing it in full and resizing that."""
    from mmdata.masks.coarse import coarse_rings

    if side <= 256:
        return
    rng = np.random.default_rng(8)
    angle = np.sort(rng.random(200)) * 2 * np.pi
    radius = side / 12 * (0.6 + 0.4 * rng.random(200))
    ring = np.stack([side / 2 + radius * np.cos(angle), side / 2 + radius * np.sin(angle)], 1)

    def full() -> object:
        canvas = cv2.fillPoly(np.zeros((side, side), np.uint8), [ring.astype(np.int32)], 1)
        return cv2.resize(canvas, (256, 256), interpolation=cv2.INTER_NEAREST)

    def mmdata() -> object:
        return coarse_rings([ring], (side, side), (256, 256), "opencv", "cv2-nearest")

    line(
        f"{side} to 256",
        turns({"draw + resize": full, "numpy": mmdata, "numba": mmdata}, runs),
        "draw + resize",
    )


def memory() -> None:
    """What iterating 500 polygon masks of 4096 x 4096 holds, against 8000 MiB for all of them."""
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    peak, resident = map(float, done.stdout.split())
    print(
        f"\n500 objects of 4096 x 4096, one after the other: {peak:.0f} MiB of arrays at most (one mask is 16 MiB), "
        f"{resident:.0f} MiB resident with all libraries"
    )


def main(runs: int = 7) -> None:
    """Print all tables; sizes may be given as arguments."""
    warnings.simplefilter("ignore", DeprecationWarning)
    cv2.setNumThreads(1)
    sides = [int(word) for word in sys.argv[1:] if word.isdigit()] or [256, 800, 2048, 4096]
    for part in (decoding, encoding, drawing, tracing, coarsely):
        print(f"\n{(part.__doc__ or '').strip()}")
        for side in sides:
            part(side, runs if side < 4000 else 3)
    memory()


if __name__ == "__main__":
    main()
