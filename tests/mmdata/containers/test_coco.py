"""COCO in and out, against pycocotools' own class: no picture, annotation, id, pixel or header is lost."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

import mmdata
from mmdata import masks
from mmdata.converting.conversion import convert
from mmdata.io.read import open_source
from mmdata.io.record import RawRecord

H, W = 30, 40


def coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def crowd(pixels: np.ndarray) -> dict[str, Any]:
    """Uncompressed RLE, counted by hand."""
    flat = pixels.flatten(order="F")
    counts, value, run = [], 0, 0
    for bit in flat:
        if bit != value:
            counts.append(run)
            value, run = bit, 0
        run += 1
    return {"size": list(pixels.shape), "counts": [*counts, run]}


def dataset(seed: int = 0, images: int = 7, annotations: int = 25) -> dict[str, Any]:
    draw = random.Random(seed)
    names = ["car", "tree", "unused"]
    found = []
    for number in range(annotations):
        x, y = draw.randrange(0, W - 12), draw.randrange(0, H - 12)
        one: dict[str, Any] = {
            "id": 100 + number,
            "image_id": draw.randrange(images) * 3,
            "category_id": draw.choice([1, 5]),
            "bbox": [x, y, 10, 8.5],
            "area": 85.0,
            "iscrowd": 0,
        }
        sort = draw.randrange(4)
        if sort == 0:
            one["segmentation"] = [[x, y, x + 10, y, x + 9.5, y + 8.5], [x, y + 9, x + 3, y + 9, x, y + 11]]
        elif sort == 1:
            pixels = np.zeros((H, W), np.uint8)
            pixels[y : y + 8, x : x + 10] = 1
            one |= {"segmentation": crowd(pixels), "iscrowd": 1}
        elif sort == 2:
            one |= {"segmentation": [], "note": {"who": "me"}}
        found.append(one)
    draw.shuffle(found)
    return {
        "info": {"year": 2026, "odd": [None, 1.5]},
        "licenses": [{"id": 1, "name": "none"}],
        "annotations": found,
        "images": [
            {"license": 1, "file_name": f"a {k}.png", "id": 3 * k, "height": H, "width": W, "tags": ["x"]}
            for k in range(images)
        ],
        "categories": [
            {"id": n, "name": name, "supercategory": "thing"}
            for n, name in zip((1, 5, 9), names, strict=True)
        ],
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (W, H)).save(tmp_path / "a.png")
    return tmp_path


def save(path: Path, value: Any, **how: Any) -> Path:
    path.write_text(json.dumps(value, **how), "utf-8")
    return path


@pytest.mark.parametrize("how", [{}, {"indent": 1}])
def test_reads_what_pycocotools_groups(place: Path, how: dict[str, Any]) -> None:
    path = save(place / "in.json", dataset(), **how)
    reference = coco(path)
    with open_source(str(path)) as source:
        assert source.container == "coco"
        records = [json.loads(item.data) for item in source.records() if isinstance(item, RawRecord)]
    assert [r["image"] for r in records] == dataset()["images"]
    for record in records:
        assert record["annotations"] == reference.imgToAnns[record["image"]["id"]]
        used = {a["category_id"] for a in record["annotations"]}
        assert {c["id"] for c in record["categories"]} == used
    opened = mmdata.open(str(path))
    assert len(opened) == len(records)
    assert opened[3].model_dump()["annotations"] == records[3]["annotations"]


@pytest.mark.parametrize("to", ["internvl", "geopixel", "videorefer-vl3", "xcomposer", "parquet", "coco-rle"])
@pytest.mark.parametrize("dialogue", ["by-instance", "by-category"])
def test_there_and_back(place: Path, to: str, dialogue: str) -> None:
    value = dataset()
    path = save(place / "in.json", value)
    there = convert(path, place / "there", to=to, dialogue=dialogue)
    assert (there.read, there.written, there.rejected) == (7, 7, 0)
    files = [str(place / "there" / name) for one in there.sources for name in one["outputs"]]
    back = convert(files, place / "back", to="coco", format="coco" if to == "coco-rle" else to)
    assert (back.written, back.rejected, back.problems) == (7, 0, {})
    names = [name for one in back.sources for name in one["outputs"]]
    found = [json.loads((place / "back" / name).read_text()) for name in names]
    images = {i["id"]: i for one in found for i in one["images"]}
    marks = {a["id"]: a for one in found for a in one["annotations"]}
    assert images == {i["id"]: i for i in value["images"]}
    assert marks == {a["id"]: a for a in value["annotations"]}
    if len(found) == 1:
        assert list(found[0]) == list(value)
        assert {k: found[0][k] for k in ("info", "licenses", "categories")} == {
            k: value[k] for k in ("info", "licenses", "categories")
        }


SHAPES = st.lists(st.lists(st.booleans(), min_size=H * W // 50, max_size=H * W // 50), min_size=1, max_size=3)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools under NumPy 2
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SHAPES)
def test_every_pixel_of_a_mask_comes_through(place: Path, shapes: list[list[bool]]) -> None:
    """Blocks of pixels with holes and corners that touch, as targets of GeoPixel."""
    pixels = []
    for bits in shapes:
        small = np.zeros((H // 5, W // 5), np.uint8)
        small.flat[: len(bits)] = bits
        pixels.append(np.kron(small, np.ones((5, 5), np.uint8)))
        pixels[-1][:, ::7] = 0
    record = {
        "image": "a.png",
        "segmentation": [dict(masks.encode(one)) for one in pixels],
        "conversations": [
            {"from": "human", "value": "<ImageHere>Where?"},
            {"from": "bot", "value": " ".join(f"<p> thing {k} </p> [SEG]" for k in range(len(pixels)))},
        ],
    }
    path = save(place / "in.json", [record])
    for to in ("coco", "coco-rle"):
        report = convert(path, place / to, to=to, format="geopixel", force=True)
        assert report.written == 1
        reference = coco(place / to / "in.json")
        marks = reference.loadAnns(reference.getAnnIds())
        assert [m["category_id"] for m in marks] == list(range(1, len(pixels) + 1))
        for mark, one in zip(marks, pixels, strict=True):
            rle = coco_mask.encode(np.asfortranarray(one))
            assert mark["area"] == coco_mask.area(rle)
            assert mark["bbox"] == coco_mask.toBbox(rle).tolist()
            if one.any():
                assert np.array_equal(reference.annToMask(mark), one)
        back = convert(place / to / "in.json", place / "back", to="geopixel-rle", force=True)
        assert back.written == 1
        assert json.loads((place / "back" / "in-segmentation.json").read_text()) == [record]


def test_what_is_wrong_is_named_and_kept(place: Path) -> None:
    value = dataset(images=3, annotations=6)
    value["images"].append({**value["images"][0], "file_name": "again.png"})
    value["annotations"] += [
        {"id": 900, "image_id": 77, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0},
        {"id": 901, "image_id": 3, "category_id": 44, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0},
        "no object",
    ]
    path = save(place / "in.json", value)
    report = convert(path, place / "out", to="internvl")
    assert report.read == 5 == report.written + report.rejected
    assert report.rejections == {"O02": 2, "O03": 1, "O01": 1}
    assert report.problems == {"syntax": 1}
    lines = [
        json.loads(line) for line in (place / "out" / "rejects.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert {a["id"] for line in lines for a in json.loads(line["original"])["annotations"]} >= {900, 901}
    codes = {finding.code for finding in mmdata.validate(path, media="none")}
    assert {"O01", "O02", "O03", "C01"} <= codes


def test_pictures_without_annotations_become_answers_too(place: Path) -> None:
    path = save(place / "in.json", dataset(annotations=0))
    report = convert(path, place / "out", to="internvl")
    assert report.written == 7
    assert "no object" in (place / "out" / "in.jsonl").read_text()


def test_same_bytes_for_any_number_of_processes(place: Path) -> None:
    path = save(place / "in.json", dataset(images=40, annotations=300))
    for jobs in (1, 2):
        convert(path, place / f"there{jobs}", to="internvl", jobs=jobs)
        convert(place / f"there{jobs}" / "in.jsonl", place / f"back{jobs}", to="coco", jobs=jobs)
    assert (place / "back1" / "in.json").read_bytes() == (place / "back2" / "in.json").read_bytes()


def test_ids_that_come_twice_on_the_way_out_are_named(place: Path) -> None:
    record = {"id": 4, "image": "a.png", "conversations": [{"from": "human", "value": "<image>Hi"}, {"from": "gpt", "value": "<ref>car</ref><box>[[0,0,500,500]]</box>"}]}  # fmt: skip
    path = place / "in.jsonl"
    path.write_text((json.dumps(record) + "\n") * 2)
    report = convert(path, place / "out", to="coco")
    assert report.problems == {"coco-image-renumbered": 1}
    assert report.exit_code == 1
    reference = coco(place / "out" / "in.json")
    assert sorted(reference.getImgIds()) == [4, 5]
    assert [a["bbox"] for a in reference.loadAnns(reference.getAnnIds())] == [[0, 0, 20, 15]] * 2


@pytest.mark.parametrize(
    "text",
    [
        '{"images": ["a.png"], "messages": [{"role": "user", "content": "annotations"}]}\n',
        '{"conversations": [], "images": [{"id": 1, "file_name": "x"}]}',
        '{"polygons": [[[[1, 2]]]], "images": 3}',
        '[{"images": [], "annotations": []}]',
    ],
)
def test_other_files_are_not_taken_for_coco(place: Path, text: str) -> None:
    path = place / "x.json"
    path.write_text(text)
    with open_source(str(path)) as source:
        assert source.container != "coco"


def test_a_cut_file_keeps_what_came_before(place: Path) -> None:
    text = json.dumps({"images": dataset()["images"], "annotations": dataset()["annotations"]})
    path = place / "cut.json"
    path.write_text(text[:-300])
    with open_source(str(path)) as source:
        items = list(source.records())
    assert sum(isinstance(item, RawRecord) for item in items) == 7
    assert "truncated" in {item.kind for item in items if not isinstance(item, RawRecord)}
