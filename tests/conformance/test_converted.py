"""What each trainer's loader asserts of a record, stated again by itself, holds for every converted file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmdata import masks
from mmdata.converting.conversion import convert

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
    "llava": (
        "in.json",
        [
            {
                "id": "1",
                "image": "a.png",
                "conversations": [
                    {"from": "human", "value": "<image>\nWhere?"},
                    {"from": "gpt", "value": "A <ref>boat</ref><box>[[0,0,500,500]]</box>."},
                ],
            }
        ],
    ),
    "llamafactory": (
        "in.json",
        [
            {"images": ["a.png"], "messages": [{"role": "user", "content": "Is this <image>?"}, {"role": "assistant", "content": "Yes."}]},
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "system": "Be brief."},
        ],
    ),
    "ms-swift": (
        "in.jsonl",
        [
            {
                "images": ["a.png"],
                "messages": [
                    {"role": "user", "content": "Where is <bbox>?"},
                    {"role": "assistant", "content": "By the <ref-object><bbox>."},
                ],
                "objects": {"ref": ["pier"], "bbox": [[2, 3, 20.5, 15], [5, 5, 9, 20]]},
            }
        ],
    ),
    "openai-messages": (
        "in.jsonl",
        [
            {
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "image_url", "image_url": {"url": "a.png"}}]},
                    {"role": "assistant", "content": "A boat."},
                ]
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


def llava(record: dict[str, Any], root: Path) -> None:
    """LLaVA: human and gpt in turn (asserted), one <image> a picture, `Image.open` of a path."""
    turns = record["conversations"]
    assert [t["from"] for t in turns] == ["human", "gpt"] * (len(turns) // 2)
    images = record.get("image", [])
    images = [images] if isinstance(images, str) else images
    assert sum(t["value"].count("<image>") for t in turns) == len(images)
    assert all((root / image).exists() for image in images)


def llamafactory(record: dict[str, Any], root: Path) -> None:
    """``converter.py`` and ``mm_plugin.py``: tags and columns as ``dataset_info.json`` says, odd and even roles, counts."""
    info = json.loads((root / "dataset_info.json").read_text())
    entries = [
        e
        for e in info.values()
        if record in json.loads((root / e["file_name"]).read_text("utf-8")) and e["formatting"] == "sharegpt"
    ]
    assert len(entries) == 1
    columns, tags = entries[0]["columns"], entries[0]["tags"]
    messages = record[columns["messages"]]
    if messages[0][tags["role_tag"]] == tags["system_tag"]:
        messages = messages[1:]
    for number, message in enumerate(messages):
        pair = ("assistant_tag", "function_tag") if number % 2 else ("user_tag", "observation_tag")
        assert message[tags["role_tag"]] in [tags[name] for name in pair]
    assert messages
    assert len(messages) % 2 == 0
    said = "".join(message[tags["content_tag"]] for message in messages)
    for tag, name in (("<image>", "images"), ("<video>", "videos"), ("<audio>", "audios")):
        files = record[columns[name]] if name in columns else []
        assert said.count(tag) == len(files or [])
        assert all((root / file).exists() for file in files or [])


def ms_swift(record: dict[str, Any], root: Path) -> None:
    """``preprocessor/core.py`` and ``template/base.py``: roles, no null content, tags at most as many as media, boxes."""
    messages = record["messages"]
    assert messages
    assert all(m["role"] in ("system", "user", "assistant") and m["content"] is not None for m in messages)
    turns = messages[1:] if messages[0]["role"] == "system" else messages
    assert [m["role"] for m in turns] == ["user", "assistant"] * (len(turns) // 2)
    said = "".join(m["content"] for m in messages)
    images = record.get("images", [])
    assert said.count("<image>") == len(images)
    assert all((root / image).exists() for image in images)
    found = record.get("objects", {"ref": [], "bbox": []})
    assert said.count("<ref-object>") == len(found["ref"])
    assert said.count("<bbox>") == len(found["bbox"])
    width, height = (1, 1) if found.get("bbox_type") == "norm1" else (W, H)
    for left, top, right, bottom in found["bbox"]:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert all(isinstance(v, float) for v in (left, top, right, bottom)), "a column of one type"


def openai_messages(record: dict[str, Any], root: Path) -> None:
    """The chat API: known roles, content of parts, pictures in the user's messages alone, an answer last."""
    messages = record["messages"]
    assert messages[-1]["role"] == "assistant"
    for message in messages:
        assert message["role"] in ("system", "developer", "user", "assistant")
        content = message["content"]
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            if part["type"] == "text":
                assert isinstance(part["text"], str)
            else:
                assert message["role"] == "user"
                assert part["type"] == "image_url"
                assert (root / part["image_url"]["url"]).exists()


LOADERS = {
    "geopixel": geopixel,
    "geopixel-rle": geopixel,
    "xcomposer": xcomposer,
    "xcomposer-2.0": xcomposer_2_0,
    "videorefer": videorefer,
    "videorefer-vl3": videorefer_vl3,
    "internvl": internvl,
    "llava": llava,
    "llamafactory": llamafactory,
    "llamafactory-messages": llamafactory,
    "ms-swift": ms_swift,
    "openai-messages": openai_messages,
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
        if output in ("report.json", "meta.json", "data.txt", "dataset_info.json"):
            continue
        content = (out / output).read_text("utf-8")
        rows = [json.loads(x) for x in content.splitlines()] if output.endswith("l") else json.loads(content)
        kinds = {("image" in row, "polygons" in row, "segmentation" in row) for row in rows}
        assert len(kinds) == 1 or not to.startswith(("geopixel", "xcomposer"))
        for row in rows:
            LOADERS[to](row, out)
            seen += 1
    assert seen == len(records)
