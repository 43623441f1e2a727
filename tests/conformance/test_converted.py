"""What each trainer's loader asserts of a record, stated again by itself, holds for every converted file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmdata import masks
from mmdata.conversion import convert

H, W = 24, 32
A = dict(masks.rings_to_rle([[[2, 2], [20, 3], [12, 15]]], (H, W), "opencv"))
B = dict(masks.rings_to_rle([[[5, 5], [9, 5], [9, 20]]], (H, W), "opencv"))
SOURCES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "geopixel": (
        "in.json",
        [
            {
                "image": "a.png",
                "segmentation": [A, B],
                "conversations": [
                    {"from": "human", "value": "<ImageHere>Where?"},
                    {"from": "bot", "value": "A <p> boat </p> [SEG] by <p> the pier </p> [SEG]."},
                ],
            }
        ],
    ),
    "xcomposer": (
        "in.json",
        [
            {"image": "a.png", "conversations": [{"from": "user", "value": "What?"}, {"from": "assistant", "value": "A boat."}]},
            {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]},
        ],
    ),
    "videorefer-vl3": (
        "in.json",
        [
            {
                "image": "a.png",
                "masks": [A, B],
                "height": H,
                "width": W,
                "conversations": [
                    {"from": "human", "value": "<image>\n<region> or <region>?"},
                    {"from": "gpt", "value": "Both."},
                ],
            }
        ],
    ),
    "internvl": (
        "in.jsonl",
        [
            {
                "image": "a.png",
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": "Where?\n<image>"},
                    {"from": "gpt", "value": "<ref>boat</ref><box>[[100,100,500,600],[500,0,1000,400]]</box>"},
                ],
            }
        ],
    ),
}  # fmt: skip


def geopixel(record: dict[str, Any], root: Path) -> None:
    """``data_mix.py``: as many [SEG] as masks, one picture, masks of its size, none asked for by the user."""
    xcomposer(record, root)
    said = "".join(turn["value"] for turn in record["conversations"])
    asked = "".join(t["value"] for t in record["conversations"] if t["from"].lower() in ("human", "user"))
    assert "[SEG]" not in asked
    if "polygons" in record:
        found = json.loads((root / record["polygons"]).read_text())["polygons"]
        assert all(len(point) == 2 for rings in found for ring in rings for point in ring)
        assert all(ring for rings in found for ring in rings)
    elif "segmentation" in record:
        found = record["segmentation"]
        assert all(isinstance(one["counts"], str) and one["size"] == [H, W] for one in found)
    else:
        return
    assert isinstance(record["image"], str)
    assert said.count("[SEG]") == len(found) > 0


def xcomposer(record: dict[str, Any], root: Path) -> None:
    """``data_mix.py``: user and assistant in turn, as many <ImageHere> as pictures."""
    roles = ["human" if t["from"].lower() in ("human", "user") else "bot" for t in record["conversations"]]
    assert roles == ["human", "bot"] * (len(roles) // 2)
    images = record.get("image", [])
    images = [images] if isinstance(images, str) else images
    said = "".join(turn["value"] for turn in record["conversations"])
    assert said.count("<ImageHere>") == len(images)
    assert all((root / image).exists() for image in images)


def xcomposer_2_0(record: dict[str, Any], root: Path) -> None:
    """As 2.5, and `image` is iterated."""
    xcomposer(record, root)
    assert isinstance(record.get("image", []), list)


def videorefer(record: dict[str, Any], root: Path) -> None:
    """v1: human and gpt in turn, <region> as objects, sizes for what `frPyObjects` decodes."""
    assert [t["from"] for t in record["conversations"]] == ["human", "gpt"] * (
        len(record["conversations"]) // 2
    )
    said = "".join(turn["value"] for turn in record["conversations"])
    objects = record.get("annotation")
    assert objects != []
    assert said.count("<region>") == len(objects or [])
    for one in objects or []:
        assert all(int(frame) >= 0 and "segmentation" in mask for frame, mask in one.items())
        assert record["height"] == H
        assert record["width"] == W
    if "image" in record:
        assert sum("<image>" in turn["value"] for turn in record["conversations"]) == 1
        assert (root / record["image"]).exists()


def videorefer_vl3(record: dict[str, Any], root: Path) -> None:
    """VideoLLaMA3 dialect: <region> as masks, none empty, no system turn."""
    assert {t["from"] for t in record["conversations"]} == {"human", "gpt"}
    said = "".join(turn["value"] for turn in record["conversations"])
    found = record.get("masks", [])
    assert said.count("<region>") == len(found)
    assert all(one is not None and masks.area(one) for one in found)
    if "image" in record:
        assert said.count("<image>") == 1
        assert (root / record["image"]).exists()


def internvl(record: dict[str, Any], root: Path) -> None:
    """``internvl2_5``: a system turn only in front, <image> in user turns as pictures, boxes of 0-1000."""
    turns = record["conversations"]
    assert all(
        t["from"] in ("human", "gpt") or (n == 0 and t["from"] == "system") for n, t in enumerate(turns)
    )
    images = record.get("image", [])
    images = [images] if isinstance(images, str) else images
    assert sum(t["value"].count("<image>") for t in turns if t["from"] == "human") == len(images)
    assert all((root / image).exists() for image in images)
    for turn in turns:
        for piece in turn["value"].split("<box>")[1:]:
            for left, top, right, bottom in json.loads(piece.split("</box>")[0]):
                assert 0 <= left < right <= 1000
                assert 0 <= top < bottom <= 1000


LOADERS = {
    "geopixel": geopixel,
    "geopixel-rle": geopixel,
    "xcomposer": xcomposer,
    "xcomposer-2.0": xcomposer_2_0,
    "videorefer": videorefer,
    "videorefer-vl3": videorefer_vl3,
    "internvl": internvl,
}


@pytest.mark.parametrize("to", LOADERS)
@pytest.mark.parametrize("source", SOURCES)
def test_loader_takes_what_was_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, to: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (W, H)).save("a.png")
    name, records = SOURCES[source]
    lines = [json.dumps(record) for record in records]
    text = "\n".join(lines) + "\n" if name.endswith("l") else f"[{','.join(lines)}]"
    (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    report = convert(name, out, to=to, format=source)
    assert report.written == len(records)
    seen = 0
    for output in report.outputs:
        if output in ("report.json", "meta.json", "data.txt"):
            continue
        content = (out / output).read_text("utf-8")
        rows = [json.loads(x) for x in content.splitlines()] if output.endswith("l") else json.loads(content)
        kinds = {("image" in row, "polygons" in row, "segmentation" in row) for row in rows}
        assert len(kinds) == 1 or to.startswith(("internvl", "videorefer"))
        for row in rows:
            LOADERS[to](row, out)
            seen += 1
    assert seen == len(records)
