"""A sample's masks are those its trainer would draw, in a stated order, and one at a time where that is asked."""

from __future__ import annotations

import json
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

import mmdata
from mmdata import masks
from mmdata.errors import DataError
from schemas.sample import Media, Origin, PolygonMask, RLEMask, Sample, SampleObject

pytestmark = pytest.mark.usefixtures("both_ways")

TRIANGLE = [[1.5, 1.5], [9, 2], [5, 8.7]]
SQUARE = [[0, 0], [3, 0], [3, 3], [0, 3]]


def sample_of(*objects, **more):
    return Sample(turns=[], objects=[SampleObject(one) for one in objects], **more)


def rle(mask):
    encoded = masks.encode(mask)
    return RLEMask(tuple(encoded["size"]), encoded["counts"])


def test_each_mask_follows_its_own_rule():
    sample = sample_of(
        {"": PolygonMask([TRIANGLE], "opencv")},
        {"": PolygonMask([TRIANGLE], "coco")},
        {"": rle(np.eye(10, 12, dtype=np.uint8))},
        {"": None},
        height=10,
        width=12,
    )
    stack = masks.of(sample)
    assert stack.shape == (4, 10, 12)
    assert np.array_equal(stack[0], masks.rasterize([TRIANGLE], (10, 12), "opencv"))
    assert np.array_equal(stack[1], masks.rasterize([TRIANGLE], (10, 12), "coco"))
    assert not np.array_equal(stack[0], stack[1])
    assert np.array_equal(stack[2], np.eye(10, 12))
    assert not stack[3].any()
    one_by_one = list(masks.iter_of(sample))
    assert [one.object for one in one_by_one] == [0, 1, 2, 3]
    assert np.array_equal(np.stack([one.mask for one in one_by_one]), stack)


def test_frames_ascend_by_number_and_gaps_are_told_from_empty_masks():
    dot = np.zeros((4, 5), np.uint8)
    dot[1, 1] = 1
    sample = sample_of({"10": rle(dot), "2": None}, {"9": PolygonMask([SQUARE], "coco")}, height=4, width=5)
    video = masks.of_video(sample)
    assert video.frames == ["2", "9", "10"]
    assert video.masks.shape == (2, 3, 4, 5)
    assert video.given.tolist() == [[True, False, True], [False, True, False]]
    assert np.array_equal(video.masks[0, 2], dot)
    assert video.masks[1, 1].sum() == 9
    assert video.masks.sum() == 10
    order = [(one.object, one.frame) for one in masks.iter_of(sample)]
    assert order == [(0, "2"), (0, "10"), (1, "9")]
    with pytest.raises(DataError, match="object 0 has 2 masks"):
        masks.of(sample)
    named = masks.of_video(sample_of({"b": None, "a": None}, height=1, width=1))
    assert named.frames == ["a", "b"]


def test_a_geopixel_record_from_file_to_masks_and_back_to_rings(tmp_path):
    polygons = [[SQUARE, [[10, 10], [30.9, 12], [18, 30]]], [[[40, 40]], [[0, 0], [60, 50]]]]
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"polygons": polygons}))
    record = {
        "id": 1,
        "conversations": [
            {"from": "human", "value": "Where?"},
            {"from": "bot", "value": "<p> one </p> [SEG] and <p> two </p> [SEG]"},
        ],
        "image": "a.png",
        "polygons": "a.json",
    }
    (tmp_path / "train.json").write_text(json.dumps([record]))
    sample = mmdata.open(str(tmp_path / "train.json"), format="geopixel").sample(0)
    stack = masks.of(sample, root=str(tmp_path))
    assert stack.shape == (2, 48, 64)
    end_to_end(stack, polygons)
    with pytest.raises(DataError, match=r"train.json: record 0.*object 0.*a\.(png|json)"):
        masks.of(sample, root=str(tmp_path / "elsewhere"))


def end_to_end(stack, polygons):
    """Polygons drawn by OpenCV itself are the masks; polygons -> RLE -> polygons -> mask changes no pixel."""
    size = stack.shape[1:]
    for mask, rings in zip(stack, polygons, strict=True):
        drawn = np.zeros(size, np.uint8)
        for ring in rings:
            cv2.fillPoly(drawn, [np.array(ring).astype(np.int32)], 1)
        assert np.array_equal(mask, drawn)
        encoded = masks.rings_to_rle(rings, size, "opencv")
        for rule in ("opencv", "coco"):
            again = masks.rasterize(masks.rle_to_rings(encoded, rule), size, rule)
            assert np.array_equal(again, drawn)


def test_the_real_geopixel_file_end_to_end(samples):
    root = samples / "geopixel"
    ds = mmdata.open(str(root / "data" / "GeoPixelD.json"), format="geopixel")
    sample = ds.sample(0)
    stack = masks.of(sample, root=str(root))
    polygons = json.loads((root / sample.objects[0].masks[""].file).read_text())["polygons"]
    assert len(stack) == len(polygons)
    end_to_end(stack, polygons)


def test_errors_name_record_object_frame_and_ring():
    origin = Origin("train.json", "videorefer", 7, line=12)
    bad = sample_of({"3": PolygonMask([SQUARE, [[1, 1], [2, 2]]], "coco")}, height=4, width=4, origin=origin)
    with pytest.raises(
        DataError, match=r"train.json: record 7, line 12: object 0, frame 3, ring 1: 2 points"
    ):
        masks.of(bad)
    short = sample_of({"": RLEMask((4, 4), [3])}, origin=origin)
    with pytest.raises(DataError, match=r"record 7.*object 0: the runs"):
        list(masks.iter_of(short))
    sizes = sample_of({"": rle(np.ones((2, 2), bool))}, {"": rle(np.ones((2, 3), bool))})
    with pytest.raises(DataError, match=r"object 1 is 2 x 3, object 0 is 2 x 2"):
        masks.of(sizes)
    with pytest.raises(DataError, match="declares no height and width"):
        masks.of(sample_of({"": PolygonMask([SQUARE], "coco")}))
    with pytest.raises(DataError, match=r"object 0: a\.mp4: .*size"):
        masks.of(sample_of({"": None}, media=[Media("video", ["a.mp4"])]))
    with pytest.raises(DataError, match="asked for"):
        masks.of(sample_of({"": rle(np.ones((2, 2), bool))}), size=(3, 3))
    with pytest.raises(DataError, match="over the limit"):
        masks.of(sample_of({"": None}, height=10**9, width=10**9))


def test_no_objects_are_no_masks():
    assert masks.of(sample_of(height=3, width=4)).shape == (0, 3, 4)
    assert masks.of(sample_of(), size=(3, 4)).shape == (0, 3, 4)
    assert masks.of_video(sample_of()).frames == []


def test_iterating_holds_one_mask():
    side, count = 1024, 40
    canvas = np.zeros((side, side), np.uint8)
    cv2.circle(canvas, (side // 2, side // 2), side // 3, 1, -1)
    sample = sample_of(*[{"": rle(canvas)} for _ in range(count)])
    masks.of(sample_of({"": rle(canvas)}))
    tracemalloc.start()
    area = sum(int(one.mask.sum()) for one in masks.iter_of(sample))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert area == count * int(canvas.sum())
    assert peak < 4 * canvas.nbytes
