"""`raster-diff` against drawing every mask by both rules by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmdata import masks
from mmdata.cli import main
from mmdata.masks.coarse import coco_rle
from mmdata.raster_diff import raster_diff

File = Callable[..., Path]


def rings(count: int) -> list[list[list[list[float]]]]:
    rng = np.random.default_rng(5)
    return [[rng.uniform(0, 60, (6, 2)).round(1).tolist()] for _ in range(count)]


def expected(ring: list[list[float]]) -> tuple[float, int]:
    a = masks.rasterize([ring], (48, 64), "opencv")
    b = masks.decode(coco_rle([ring], (48, 64)))
    return float((a & b).sum() / (a | b).sum()), int((a != b).sum())


def test_every_mask_by_both_rules(geopixel_file: File) -> None:
    objects = rings(25)
    found = raster_diff(str(geopixel_file(objects, records=2)), worst=4)
    by_hand = [expected(o[0]) for o in objects] * 2
    assert (found.records, found.masks, found.rles, found.rejects) == (2, 50, 0, [])
    np.testing.assert_allclose(found.ious, [iou for iou, _ in by_hand], rtol=1e-6)
    assert found.differing == sum(n for _, n in by_hand)
    assert [d.iou for d in found.worst] == sorted(iou for iou, _ in by_hand)[:4]
    assert sum(n for _, n in found.histogram()) == 50
    assert found.quantiles()[0.5] == pytest.approx(np.median([iou for iou, _ in by_hand]), rel=1e-6)


def test_rles_are_counted_aside_and_pointers_lead_there(videorefer_file: File) -> None:
    rle = {"segmentation": dict(masks.encode(np.ones((40, 40), np.uint8)))}
    flat = {"segmentation": [[1, 1, 20, 1, 20, 20]]}
    found = raster_diff(str(videorefer_file([{"1": rle}, {"7": flat}], height=40, width=40)))
    assert (found.masks, found.rles) == (1, 1)
    assert found.worst[0].pointer == "/annotation/1/7/segmentation"


def test_what_cannot_be_drawn_by_both_is_a_reject(
    geopixel_file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    path = geopixel_file([[[[1, 1], [9, 9]]], [[[1, 1], [9, 1], [9, 9]]]])
    with pytest.raises(SystemExit) as ended:
        main(["raster-diff", str(path), "--output-format", "json"])
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["masks"] == 1
    assert "object 0, ring 0" in found["rejects"][0]["error"]


def test_the_terminal_shows_histogram_and_worst(
    geopixel_file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["raster-diff", str(geopixel_file(rings(9)))])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "quantiles" in said
    assert "record 0 /polygons: object" in said
