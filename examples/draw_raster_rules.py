"""Draw what each raster rule does to the same ring: ``python examples/draw_raster_rules.py [FOLDER]``.

Writes small palette PNGs, zoomed so that single pixels show. Blue: pixels of both rules; orange: only ``opencv``;
green: only ``coco``. The dark line is the ring as each rule reads it: for ``opencv`` a coordinate is the centre of a
pixel, its fraction cut off; for ``coco`` it is the edge of one, to a fifth of a pixel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mmdata import masks

ZOOM, GAP = 16, 12
COLOURS = ((250, 250, 250), (86, 140, 200), (240, 150, 50), (70, 170, 90))

CASES = {
    "thin": ([[[2, 2], [13, 4.5], [12, 6], [2, 3.4]]], (9, 16)),
    "square": ([[[2, 2], [7, 2], [7, 7], [2, 7]]], (10, 10)),
    "fraction": ([[[2.7, 2.7], [9.7, 2.7], [9.7, 6.7], [2.7, 6.7]]], (9, 12)),
    "crossing": ([[[2, 2], [13, 2], [2, 8], [13, 8]]], (11, 16)),
    "inner-ring": ([[[1, 1], [12, 1], [12, 10], [1, 10]], [[4, 4], [9, 4], [9, 7], [4, 7]]], (12, 14)),
    "keyhole": (
        [[[1, 1], [12, 1], [12, 10], [1, 10], [1, 1], [4, 4], [4, 7], [9, 7], [9, 4], [4, 4], [1, 1]]],
        (12, 14),
    ),
}


def picture(rings: list[list[list[float]]], size: tuple[int, int]) -> Image.Image:
    """Left `opencv`, middle `coco`, right where they differ."""
    drawn = {rule: masks.rasterize(rings, size, rule) for rule in ("opencv", "coco")}  # type: ignore[arg-type]
    both = drawn["opencv"] + 2 * drawn["coco"]
    difference = np.array([0, 2, 3, 1], np.uint8)[both]
    cut = [[[int(x) + 0.5, int(y) + 0.5] for x, y in ring] for ring in rings]
    panels = [panel(drawn["opencv"], cut), panel(drawn["coco"], rings), panel(difference, [])]
    width, height = panels[0].size
    sheet = Image.new("RGB", (3 * width + 2 * GAP, height), "white")
    for number, one in enumerate(panels):
        sheet.paste(one, (number * (width + GAP), 0))
    return sheet.quantize(16)


def panel(pixels: np.ndarray, rings: list[list[list[float]]]) -> Image.Image:
    """One pixel grid with the rings over it; pixel (x, y) is the square from (x, y) to (x + 1, y + 1)."""
    height, width = pixels.shape
    image = Image.new("RGB", (width * ZOOM + 1, height * ZOOM + 1), "white")
    draw = ImageDraw.Draw(image)
    for y in range(height):
        for x in range(width):
            corner = (x * ZOOM, y * ZOOM, (x + 1) * ZOOM, (y + 1) * ZOOM)
            draw.rectangle(corner, fill=COLOURS[int(pixels[y, x])], outline=(210, 210, 210))
    for ring in rings:
        line = [(x * ZOOM, y * ZOOM) for x, y in [*ring, ring[0]]]
        draw.line(line, fill=(30, 30, 30), width=2)
    return image


def main(folder: str) -> None:
    """Write all pictures and print how far the rules are apart."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, (rings, size) in CASES.items():
        picture(rings, size).save(target / f"raster-{name}.png", optimize=True)
        a, b = (masks.rings_to_rle(rings, size, rule) for rule in ("opencv", "coco"))
        print(
            f"{name:<12} opencv {masks.area(a):>4} px, coco {masks.area(b):>4} px, IoU {masks.iou(a, b):.2f}"
        )


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).resolve().parent.parent / "docs" / "images")
    )
