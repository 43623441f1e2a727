"""The formats of other tools: what they are told by, how boxes keep their unit, what has no place anywhere else."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mmdata
from mmdata import masks
from mmdata.checks.registry import selected
from mmdata.checks.view import RecordView
from mmdata.converting.conversion import Conversion, convert
from mmdata.errors import AmbiguousFormat
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.options import Options

H, W = 30, 40


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"from": "gpt" if i % 2 else "human", "value": text} for i, text in enumerate(texts)]


def say(*texts: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (W, H)).save(name)
    return tmp_path


def through(record: dict[str, Any], source: str, to: str) -> tuple[Conversion, dict[str, Any]]:
    """One record from one format to another, without a carry."""
    name = "in.jsonl" if source == "internvl" else "in.json"
    text = json.dumps(record) + "\n" if source == "internvl" else json.dumps([record])
    Path(name).write_text(text)
    report = convert(name, "out", to=to, format=source, carry=False, force=True, relative_to=".")
    assert report.written == 1, Path("out/rejects.jsonl").read_text()
    text = (Path("out") / report.outputs[0]).read_text()
    found = json.loads(text) if report.outputs[0].endswith("l") else json.loads(text)[0]
    return report, found


# --- detection -----------------------------------------------------------------------------------------------------

PICTURED = talk("<image>\nHi", "Hello")
CASES: dict[str, tuple[list[str], Any]] = {
    "llava is read by VideoRefer too": (["llava", "videorefer", "videorefer-vl3"], [{"image": "a.png", "conversations": PICTURED}]),
    "sharegpt columns": (["llamafactory"], [{"images": ["a.png"], "conversations": PICTURED}]),
    "messages with columns": (["llamafactory", "ms-swift"], [{"images": ["a.png"], "messages": say("<image>Hi", "Hello")}]),
    "objects": (["ms-swift"], [{"images": ["a.png"], "messages": say("<image>Hi", "Hello"), "objects": {"ref": [], "bbox": []}}]),
    "plain messages": (["llamafactory", "ms-swift", "openai-messages"], [{"messages": say("Hi", "Hello")}]),
    "parts": (["openai-messages"], [{"messages": say([{"type": "text", "text": "Hi"}], "Hello")}]),
    "masks are VideoRefer's": (["videorefer-vl3"], [{"image": "a.png", "masks": [], "conversations": PICTURED}]),
    "tools of LLaMA-Factory": (["llamafactory"], [{"messages": [*say("Hi"), {"role": "function_call", "content": "{}"}]}]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_ambiguous_is_said_to_be(case: str, tmp_path: Path) -> None:
    names, records = CASES[case]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(records))
    found = mmdata.detect(str(path))
    assert sorted(c.format for c in found.rivals) == names
    if len(names) > 1:
        with pytest.raises(AmbiguousFormat, match="--format"):
            mmdata.validate(str(path))


# --- boxes ---------------------------------------------------------------------------------------------------------


def test_masks_become_boxes_in_pixels(place: Path) -> None:
    mask = dict(masks.rings_to_rle([[[3, 4], [19, 4], [19, 17], [3, 17]]], (H, W), "opencv"))
    record = {
        "image": "a.png",
        "segmentation": [mask],
        "conversations": talk("<ImageHere>Where?", "A <p> red car </p> [SEG]."),
    }
    report, made = through(record, "geopixel", "ms-swift")
    assert made["objects"] == {"ref": ["red car"], "bbox": [[3, 4, 20, 18]], "bbox_type": "real"}
    assert made["messages"][1]["content"] == "A <ref-object><bbox>."
    assert report.losses == {"mask shape": 1}
    assert report.fields["masks"]["max_error"] == 0
    _, back = through(made, "ms-swift", "geopixel-rle")
    assert masks.decode(back["segmentation"][0]).tolist() == masks.decode(mask).tolist()


@pytest.mark.parametrize(
    ("kind", "box", "wanted"),
    [
        ("real", [10, 6, 20.0, 15], [250, 200, 500, 500]),
        (None, [10, 6, 20.0, 15], [250, 200, 500, 500]),
        ("norm1", [0.25, 0.2, 0.5, 0.5], [250, 200, 500, 500]),
    ],
)
def test_the_unit_of_a_box_is_what_the_record_says(place: Path, kind: Any, box: Any, wanted: Any) -> None:
    objects = {"ref": ["car"], "bbox": [box], **({} if kind is None else {"bbox_type": kind})}
    record = {
        "images": ["a.png"],
        "messages": say("<image>Where?", "<ref-object> <bbox>"),
        "objects": objects,
    }
    _, made = through(record, "ms-swift", "internvl")
    text = made["conversations"][1]["value"]
    assert text == f"<ref>car</ref><box>[{wanted}]</box>".replace(", ", ",")
    _, again = through(made, "internvl", "ms-swift")
    assert again["objects"] == {"ref": ["car"], "bbox": [[v / 1000 for v in wanted]], "bbox_type": "norm1"}
    for to in ("llava", "llamafactory", "openai-messages"):
        _, other = through(made, "internvl", to)
        assert text in json.dumps(other)
        _, back = through(other, to, "internvl") if to != "openai-messages" else (None, made)
        assert back["conversations"] == made["conversations"]


def test_a_box_lies_on_the_picture_that_image_id_names(place: Path) -> None:
    Image.new("RGB", (2 * W, H)).save("b.png")
    record = {
        "images": ["a.png", "b.png"],
        "messages": say("<image><image>Where?", "<bbox>"),
        "objects": {"ref": [], "bbox": [[10, 6, 20, 15]], "image_id": [1]},
    }
    Path("in.json").write_text(json.dumps([record]))
    with mmdata.open("in.json", format="ms-swift") as ds:
        assert ds.sample(0).objects[0].media == 1
    _, made = through(record, "ms-swift", "internvl")
    assert made["conversations"][1]["value"] == "<box>[[125,200,250,500]]</box>"
    _, same = through(record, "ms-swift", "ms-swift")
    assert same["objects"] == {**record["objects"], "bbox_type": "real"}


def test_numbers_in_the_text_are_no_boxes(place: Path) -> None:
    said = "The car is at [0.1, 0.2, 0.5, 0.6], or <box>(1,2),(3,4)</box>."
    record = {"image": "a.png", "conversations": talk("<image>\nWhere?", said)}
    report, made = through(record, "llava", "geopixel")
    assert "segmentation" not in made
    assert "[0.1, 0.2, 0.5, 0.6]" in made["conversations"][1]["value"]
    assert not report.losses


def test_tags_that_are_missing_go_where_ms_swift_puts_them(place: Path) -> None:
    record = {"images": ["a.png", "b.png"], "messages": say("Which is <image>?", "The second.")}
    _, made = through(record, "ms-swift", "xcomposer")
    assert made["image"] == ["a.png", "b.png"]
    assert made["conversations"][0]["value"] == "<ImageHere>Which is <ImageHere>?"


def test_an_edit_of_the_text_leaves_the_boxes_as_they_were(place: Path) -> None:
    record = {
        "images": ["a.png"],
        "messages": say("<image>Where?", "<ref-object><bbox>."),
        "objects": {"ref": ["car"], "bbox": [[1.5, 2.25, 20, 15]]},
        "channel": "x",
    }
    Path("in.json").write_text(json.dumps([record]))
    done = convert("in.json", "out", to="internvl", format="ms-swift", relative_to=".")
    made = json.loads((Path("out") / done.outputs[0]).read_text())
    made["conversations"][1]["value"] = made["conversations"][1]["value"].replace("car", "red car")
    Path("in.jsonl").write_text(json.dumps(made) + "\n")
    done = convert("in.jsonl", "back", to="ms-swift", format="internvl", relative_to=".", carry=False)
    again = json.loads((Path("back") / done.outputs[0]).read_text())
    assert again["objects"] == {"ref": ["red car"], "bbox": [[1.5, 2.25, 20, 15]], "bbox_type": "real"}
    assert again["messages"] == record["messages"]


# --- what has no place elsewhere -----------------------------------------------------------------------------------

HOMELESS = {
    "a call of a tool": ("openai-messages", {"messages": [*say("Hi"), {"role": "assistant", "content": None, "tool_calls": [{}]}]}, "tool"),
    "the answer of a tool": ("llamafactory", {"conversations": [*talk("Hi", "x"), {"from": "observation", "value": "1"}, *talk("", "ok")[1:]]}, "tool"),
    "sound": ("ms-swift", {"audios": ["a.wav"], "messages": say("<audio>Hi", "Hello")}, "sound"),
    "a point": ("ms-swift", {"images": ["a.png"], "messages": say("<image>?", "<bbox>"), "objects": {"ref": [], "bbox": [[1, 2]]}}, "point"),
    "a picture inside the record": (
        "openai-messages",
        {"messages": say([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "Hello")},
        "names no file",
    ),
    "fewer pictures than tags": ("llava", {"image": "a.png", "conversations": talk("<image><image>?", "Hello")}, "<image>"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOMELESS)
def test_what_has_no_place_is_rejected_with_the_reason(case: str, place: Path) -> None:
    source, record, word = HOMELESS[case]
    Path("in.json").write_text(json.dumps([record]))
    report = convert("in.json", "out", to="internvl", format=source)
    assert (report.read, report.written, report.rejected) == (1, 0, 1)
    entry = json.loads(Path("out/rejects.jsonl").read_text())
    assert word in entry["reason"]
    assert json.loads(entry["original"]) == record


def test_ids_and_unknown_keys_are_named_where_columns_have_types(place: Path) -> None:
    record = {"id": 7, "image": "a.png", "score": 0.5, "conversations": PICTURED}
    report, made = through(record, "llava", "ms-swift")
    assert made.keys() == {"messages", "images"}
    assert report.losses == {"id": 1, "unknown keys": 1}


# --- hostile records -----------------------------------------------------------------------------------------------

texts = st.sampled_from(
    ["", "Hi", "<image>What?", "<video>", "<bbox>", "<ref-object><bbox>", "</s>", "é", "a/b~c"]
)
words = st.sampled_from(["user", "assistant", "human", "gpt", "system", "tool", "bot", "x", "role", ""])
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 1 << 60), st.floats(-5, 5), texts, words),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
part = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image", "image_url", "video", "picture"])},
        optional={"text": anything, "image": anything, "image_url": anything, "video": anything},
    ),
    anything,
)
turn = st.one_of(
    st.fixed_dictionaries({"role": words, "content": texts}),
    st.fixed_dictionaries({"from": words, "value": texts}),
    st.fixed_dictionaries({"role": words, "content": st.lists(part, max_size=3)}),
    st.fixed_dictionaries(
        {}, optional={"role": anything, "content": anything, "from": anything, "tool_calls": anything}
    ),
    anything,
)
records = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.one_of(st.lists(turn, max_size=4), anything),
        "conversations": st.one_of(st.lists(turn, max_size=4), anything),
        "image": anything,
        "images": anything,
        "videos": anything,
        "objects": st.one_of(
            st.fixed_dictionaries({}, optional={"ref": anything, "bbox": anything, "bbox_type": anything, "image_id": anything}),
            anything,
        ),
        "system": anything,
    },
)  # fmt: skip


@pytest.mark.parametrize("name", ["llava", "llamafactory", "ms-swift", "openai-messages"])
@settings(max_examples=150, deadline=None)
@given(record=records)
def test_any_record_is_judged_and_never_raises(name: str, record: dict[str, Any]) -> None:
    data = json.dumps(record).encode()
    view = RecordView(record, get_format(name), Options(media="none"), 0, "x.json")
    for check in selected(name):
        if check.stage != "record":
            continue
        for hit in check.function(view):
            assert hit.message
            if hit.edits:
                json.loads(apply(data, hit.edits))
    view.media, view.kind  # noqa: B018 - must not raise either


@pytest.mark.parametrize("name", ["llamafactory", "ms-swift", "openai-messages", "llava"])
def test_formats_travel_to_other_processes(name: str) -> None:
    assert pickle.loads(pickle.dumps(get_format(name))).name == name
