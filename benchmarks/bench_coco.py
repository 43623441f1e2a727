"""COCO instances: validation and conversion against pycocotools' loading and datumaro's import and export, by CPU time.

datumaro gets an environment of its own. What each peer does differs, see below the table: no peer checks what it reads, and only
conversion to GeoPixel and datumaro's VOC draw the masks.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from statistics import median

from benchmarks.data_coco import PER_IMAGE, coco
from benchmarks.harness import label, measure
from benchmarks.venvs import NotInstalled, python_of

OURS = ["mmdata_coco_validate", "mmdata_coco_llava", "mmdata_coco_geopixel"]
DATUMARO = ["datumaro_own", "datumaro_yolo", "datumaro_voc"]
BASE = "pycocotools_coco"
SLOW = {"datumaro_voc", "mmdata_coco_geopixel"}
"""They take minutes, so one round is all they get."""

ON_REQUEST = True
"""It installs a peer: it runs when it is named."""

_SAID = """\
  pycocotools parses and indexes, and neither checks nor writes
  datumaro, to its own: one JSON file with the polygons and RLE as they came
  datumaro, to YOLO: boxes in a text file for each picture; it leaves crowds out
  datumaro, to VOC: boxes in XML, and every mask drawn into two PNG for each picture
  mmdata validate: every check of ids, categories, boxes and masks on every annotation
  mmdata, to LLaVA: the box of the very pixels of each mask, the original carried, output checked as its trainer reads it
  mmdata, to GeoPixel: every mask drawn by COCO's rule and outlined so that OpenCV draws the same pixels; carried, checked"""


def main(runs: int = 3, images: int = 6000) -> None:
    """Print the table, what each peer does, and why one is missing."""
    path = coco(images)
    peers = [BASE, *OURS]
    pythons: dict[str, Path] = {}
    try:
        pythons = dict.fromkeys(DATUMARO, python_of(DATUMARO[0]))
        peers += DATUMARO
    except NotInstalled as error:
        print(f"datumaro cannot be installed or imported here: {error}")
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    peaks = dict.fromkeys(peers, 0.0)
    for number in range(runs):
        for peer in random.sample(peers, len(peers)):
            if number and peer in SLOW:
                continue
            print(f"round {number + 1}: {label(peer)}", file=sys.stderr)
            records, _, cpu, peak = measure(peer, path, pythons.get(peer))
            assert records == images, (peer, records)
            seconds[peer].append(cpu)
            peaks[peer] = max(peaks[peer], peak / 1024)
    size = path.stat().st_size / 1e6
    print(
        f"\nCOCO instances, {size:.0f} MB, {images} pictures, {images * PER_IMAGE} annotations, by CPU time"
    )
    print(f"{'':<22}{'images/s':>10}{'annotations/s':>15}{'x pycocotools':>15}{'peak MiB':>10}")
    base = median(seconds[BASE])
    for peer in peers:
        each = median(seconds[peer])
        rate = images / each
        print(
            f"{label(peer):<22}{rate:>10.0f}{rate * PER_IMAGE:>15.0f}{base / each:>15.3f}{peaks[peer]:>10.0f}"
        )
    for one in OURS:
        for other in DATUMARO if pythons else ():
            ratio = median(seconds[other]) / median(seconds[one])
            print(f"{label(one)}: {ratio:.2f} x the speed of {label(other)}")
    print(_SAID)


if __name__ == "__main__":
    main()
