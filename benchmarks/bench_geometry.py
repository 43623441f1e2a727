"""Geometry checks against a loop over shapely polygons; direct low-resolution masks against drawing in full and resizing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from statistics import median

import cv2
import numpy as np
import shapely

from mmdata import masks
from mmdata.masks.coarse import coarse_rings, coarse_rle
from mmdata.masks.geometry import crossings, extents, repeated_points, straight_points
from mmdata.masks.polygon_file import PolygonFile


def blob(rng: np.random.Generator, points: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    """A ring with a rough outline that does not cross itself."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, points))
    reach = radius * (1 + 0.2 * np.sin(5 * angle) + 0.02 * rng.normal(size=points))
    return np.stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)], axis=1)


def turns(contestants: dict[str, Callable[[], object]], runs: int = 7) -> dict[str, float]:
    """Median seconds of each, run in shuffled turns so that a slow minute of the machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for function in contestants.values():
        function()
    for _ in range(runs):
        for name in random.sample(list(contestants), len(contestants)):
            start = time.perf_counter()
            contestants[name]()
            times[name].append(time.perf_counter() - start)
    return {name: median(found) for name, found in times.items()}


def geometry(points: int, rings: int = 1000) -> None:
    """All facts of `rings` rings against `Polygon(ring).is_valid` alone."""
    rng = np.random.default_rng(7)
    made = [np.round(blob(rng, points, (400, 400), 150), 1) for _ in range(rings)]
    as_lists = [ring.tolist() for ring in made]
    file = PolygonFile(
        np.concatenate(made),
        np.arange(rings + 1, dtype=np.int64) * points,
        np.arange(rings + 1, dtype=np.int64),
    )

    def ours() -> object:
        return crossings(file), extents(file, (800, 800)), repeated_points(file), straight_points(file)

    found = turns(
        {
            "all facts": ours,
            "crossings": lambda: crossings(file),
            "loop": lambda: [shapely.Polygon(ring).is_valid for ring in as_lists],
        }
    )
    print(
        f"{rings} rings of {points:>6} points: all facts {found['all facts'] * 1e3:8.1f} ms, crossings alone "
        f"{found['crossings'] * 1e3:8.1f} ms; Polygon(ring).is_valid in a loop {found['loop'] * 1e3:8.1f} ms = "
        f"x {found['loop'] / found['all facts']:.1f} of all facts, x {found['loop'] / found['crossings']:.1f} of crossings"
    )


def resolution(side: int, target: int, objects: int = 20) -> None:
    """Masks at `target` from rings and RLE on a canvas of `side`, against full masks resized by OpenCV."""
    rng = np.random.default_rng(8)
    rings = [blob(rng, 200, tuple(rng.uniform(0.2, 0.8, 2) * side), side / 12) for _ in range(objects)]
    rles = [masks.encode(masks.rasterize([ring], (side, side), "opencv")) for ring in rings]

    def full(ring: np.ndarray) -> np.ndarray:
        canvas = np.zeros((side, side), np.uint8)
        cv2.fillPoly(canvas, [ring.astype(np.int32)], 1)
        return cv2.resize(canvas, (target, target), interpolation=cv2.INTER_NEAREST)

    def full_rle(rle: masks.RLE) -> np.ndarray:
        return cv2.resize(masks.decode(rle), (target, target), interpolation=cv2.INTER_NEAREST)

    size = (target, target)
    found = turns(
        {
            "rings": lambda: [coarse_rings([r], (side, side), size, "opencv", "cv2-nearest") for r in rings],
            "scaled": lambda: [
                coarse_rings([r], (side, side), size, "opencv", "scaled-rings") for r in rings
            ],
            "rings in full": lambda: [full(r) for r in rings],
            "rle": lambda: [coarse_rle(r, size, "cv2-nearest") for r in rles],
            "rle in full": lambda: [full_rle(r) for r in rles],
        }
    )
    exact = [full(r) for r in rings]
    near = [coarse_rings([r], (side, side), size, "opencv", "scaled-rings") for r in rings]
    iou = [float((a & b).sum() / (a | b).sum()) for a, b in zip(exact, near, strict=True)]
    print(
        f"{side}² -> {target}², {objects} objects: rings exact x {found['rings in full'] / found['rings']:.1f}, "
        f"scaled-rings x {found['rings in full'] / found['scaled']:.1f} (IoU {min(iou):.3f} to {max(iou):.3f}), "
        f"RLE exact x {found['rle in full'] / found['rle']:.1f} of full mask + cv2.resize"
    )


def main() -> None:
    """Print ratios; more than 1 is faster than the peer."""
    print("\ngeometry of rings")
    for points in (8, 60, 500):
        geometry(points)
    geometry(100_000, rings=3)
    print("\nmasks at training resolution")
    for side, target in ((800, 256), (2048, 256), (2048, 1024), (4096, 1024)):
        resolution(side, target)


if __name__ == "__main__":
    main()
