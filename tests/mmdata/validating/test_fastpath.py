"""The fast path never accepts what pydantic refuses, and never hides a finding."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mmdata.checks.registry import selected
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.options import Options
from mmdata.validating.fastpath import DECODE_ERRORS, LARGEST_INT, SMALLEST_INT, FastPath, tally
from mmdata.validating.validation import validate

RECORD_FORMATS = (
    "geopixel",
    "xcomposer",
    "xcomposer-2.0",
    "videorefer",
    "videorefer-vl3",
    "internvl",
    "llava",
)

words = st.sampled_from(
    ["", " ", "Hi", "<image>", "<image>\nWhat?", "<video>\nx", "<video>", "<ImageHere> a", "<region>", "<REGION>", "[SEG]", "<p> a </p> [SEG]",
     "</s>", "<|im_end|>", "<ref>a</ref><box>[[1, 2, 3, 4]]</box>", "<box>[1,2,3,4]</box>", "a.png", "clip.mp4", 'quote " here', "[UNUSED_TOKEN_145]", "frames", "é"]
)  # fmt: skip
roles = st.sampled_from(
    ["human", "gpt", "human", "gpt", "user", "assistant", "bot", "system", "Human", "x", ""]
)
rle = st.fixed_dictionaries(
    {"size": st.just([4, 4]), "counts": st.sampled_from(["04", "0@", "", "b'04'", "@", "zz"])}
)
flat = st.lists(st.lists(st.one_of(st.integers(0, 60), st.floats(0, 60)), min_size=0, max_size=8), max_size=2)
mask = st.one_of(rle, flat, st.none(), st.fixed_dictionaries({"segmentation": rle}))
frames = st.dictionaries(st.sampled_from(["0", "1", "x", "-1"]), mask, max_size=2)
small = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.just(1 << 70),
    st.floats(allow_nan=False, allow_infinity=False),
    words,
)
turn = st.one_of(
    st.fixed_dictionaries({"from": roles, "value": words}),
    st.fixed_dictionaries({"from": roles, "value": words}, optional={"loss": small, "text": words}),
    st.fixed_dictionaries({"from": small, "value": small}),
    small,
)
plain_turns = st.lists(words, min_size=1, max_size=2).map(
    lambda texts: [
        t for text in texts for t in ({"from": "human", "value": text}, {"from": "gpt", "value": "Fine."})
    ]
)
records = st.fixed_dictionaries(
    {"conversations": st.one_of(plain_turns, st.lists(turn, max_size=4), small)},
    optional={
        "id": st.one_of(st.integers(0, 9), small),
        "image": st.one_of(words, st.lists(words, max_size=3), small),
        "video": st.one_of(words, st.lists(words, max_size=2), small),
        "polygons": small,
        "polygon": small,
        "mask": small,
        "segmentation": st.one_of(st.lists(mask, max_size=2), small),
        "annotation": st.one_of(st.lists(st.one_of(frames, small), max_size=2), small),
        "masks": st.one_of(st.lists(st.one_of(frames, mask), max_size=2), small),
        "height": small,
        "width": small,
        "length": small,
        "clip": st.lists(small, max_size=2),
        "timestamps": small,
        "masked_video": small,
        "anything": small,
    },
)


def paths(**options: Any) -> dict[str, FastPath]:
    return {
        name: FastPath(get_format(name), selected(name), Options(media="none", **options))
        for name in RECORD_FORMATS
    }


PATHS = paths()
PATHS |= {
    name: FastPath(get_format(name), selected(name), Options(media="none"))
    for name in ("llamafactory", "ms-swift", "openai-messages")
}
LEGACY = FastPath(get_format("internvl"), selected("internvl"), Options(media="none", template="Hermes-2"))


def named_columns(folder: Path) -> FastPath:
    """LLaMA-Factory with names of its own: two columns, the turns and one tag."""
    entry = {
        "file_name": "data.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversation", "images": "videos", "videos": "anything", "system": "system"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "human", "assistant_tag": "assistant"},
    }  # fmt: skip
    (folder / "dataset_info.json").write_text(json.dumps({"data": entry}))
    name = "llamafactory"
    return FastPath(get_format(name).of(str(folder / "data.json")), selected(name), Options(media="none"))


with TemporaryDirectory() as _folder:
    NAMED = named_columns(Path(_folder))


def decode(fast: FastPath, data: bytes) -> Any:
    """Decode with the fast path, learning unknown keys as the engine does; None if it declines."""
    while True:
        try:
            return fast.decode(data)
        except DECODE_ERRORS as error:
            if not fast.learn(error, data):
                return None


MESSAGE_FORMATS = ("llamafactory", "ms-swift", "openai-messages")

tagged = st.one_of(
    words, st.sampled_from(["<audio>", "<bbox>", "<ref-object> <bbox>", "<image><video>x", "<ref-object>"])
)
payload = st.one_of(
    words,
    st.sampled_from(["data:image/png;base64,AA", "file:///a.png"]),
    st.fixed_dictionaries({"url": words}, optional={"detail": small}),
    st.lists(words, max_size=2),
    small,
)
part = st.one_of(
    st.builds(
        lambda kind, value: {"type": kind, kind: value},
        st.sampled_from(["text", "image_url", "image", "video_url", "video", "input_audio", "picture"]),
        payload,
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image", "image_url"])},
        optional={"text": words, "image": payload, "image_url": payload, "min_pixels": small, "path": words},
    ),
    small,
)
content = st.one_of(
    tagged, st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": words}), max_size=2), st.lists(part, max_size=3), small
)  # fmt: skip
speakers = st.sampled_from(
    ["user", "assistant", "human", "gpt", "system", "tool", "observation", "function_call", "developer", "x"]
)
message = st.one_of(
    st.fixed_dictionaries({"role": speakers, "content": content}),
    st.fixed_dictionaries({"role": speakers, "content": content}, optional={"loss": small, "from": roles}),
    st.fixed_dictionaries({"from": speakers, "value": tagged}, optional={"tool_calls": small}),
    small,
)


def exchange(texts: list[Any], role: str, text: str, system: bool, foreign: bool) -> list[dict[str, Any]]:
    """An ordinary conversation of these contents, each answered."""
    ask, answer = ("human", "gpt") if (role == "from") != foreign else ("user", "assistant")
    said = [(ask, one) for one in texts]
    turns = [{role: who, text: what} for pair in said for who, what in (pair, (answer, "Fine."))]
    return [{role: "system", text: "Be brief."}, *turns] if system else turns


turn_lists = st.one_of(
    st.builds(
        lambda texts, keys, system, foreign: exchange(texts, *keys, system, foreign),
        st.lists(content, min_size=1, max_size=2),
        st.sampled_from([("role", "content"), ("from", "value")]),
        st.booleans(),
        st.sampled_from([False, False, False, True]),
    ),
    st.lists(message, max_size=4),
    small,
)
column = st.one_of(
    words, st.lists(words, max_size=2), st.lists(st.one_of(st.lists(words, max_size=2), st.fixed_dictionaries({"path": words})), max_size=2), small
)  # fmt: skip
numbers = st.one_of(st.integers(-1, 40), st.floats(0, 1))
grounding = st.fixed_dictionaries(
    {},
    optional={
        "ref": st.one_of(st.lists(words, max_size=2), small),
        "bbox": st.one_of(st.lists(st.lists(numbers, min_size=2, max_size=5), max_size=2), small),
        "bbox_type": st.sampled_from(["real", "norm1", None, "x"]),
        "image_id": st.lists(st.integers(-1, 2), max_size=2),
        "label": small,
    },
)
# As the columns stand they may fit the tags: what the guards are for is then reached.
message_records = st.builds(
    lambda record, key, turns: {**record, key: turns},
    st.fixed_dictionaries(
        {},
        optional={
            "id": small,
            "images": column,
            "videos": column,
            "audios": column,
            "objects": st.one_of(grounding, small),
            "system": small,
            "tools": small,
            "anything": small,
            "conversations": turn_lists,
        },
    ),
    st.sampled_from(["messages", "messages", "conversations", "conversation"]),
    turn_lists,
)
every_record = dict.fromkeys(RECORD_FORMATS, records) | dict.fromkeys(MESSAGE_FORMATS, message_records)


@pytest.mark.parametrize("name", every_record)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_the_decoder_takes_pydantic_takes(name: str, data: st.DataObject) -> None:
    text = json.dumps(data.draw(every_record[name])).encode()
    if decode(PATHS[name], text) is None:
        return
    try:
        get_format(name).record.model_validate_json(text)
    except ValidationError as error:
        pytest.fail(f"fast path decoded what pydantic refuses: {error}")


@pytest.mark.parametrize("fast", [*PATHS.values(), LEGACY, NAMED], ids=[*PATHS, "internvl-legacy", "named"])
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_guards_never_hide_a_finding(fast: FastPath, data: st.DataObject) -> None:
    record = data.draw(every_record[fast.format.name])
    struct = decode(fast, json.dumps(record).encode())
    verdict = None if struct is None else fast.accept(struct)
    if verdict is None:
        return
    view = RecordView(raw=record, format=fast.format, options=fast.options, index=0, path="data.json")
    for item in selected(fast.format.name):
        if item.stage == "record" and item.guard is not None:
            hits = list(item.function(view))
            assert not hits, f"{item.code} hidden by its guard {item.guard!r}: {hits[0].message}"
    layout = verdict[1]
    assert layout.kind == view.kind
    assert (layout.n_images, layout.n_videos) == (len(view.images), len(view.videos))


@pytest.mark.parametrize("name", every_record)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_number_of_quotes_is_two_for_each_counted_string(name: str, data: st.DataObject) -> None:
    fast = PATHS[name]
    text = json.dumps(data.draw(every_record[name]), ensure_ascii=False).encode()
    struct = decode(fast, text)
    accepted = None if struct is None else fast.accept(struct)
    if accepted is not None:
        assert text.count(b'"') - text.count(b'\\"') == 2 * accepted[0]


@pytest.mark.parametrize(
    "name, record",
    [
        ("llamafactory", {"conversations": exchange(["<image>Hi", "Bye"], "from", "value", False, False), "images": ["a.png"]}),
        ("llamafactory", {"messages": exchange(["Hi"], "role", "content", True, False), "images": []}),
        ("ms-swift", {"messages": exchange(["<image><image>Hi"], "role", "content", True, False), "images": ["a.png", {"path": "b.png"}]}),
        ("ms-swift", {"conversations": exchange(["<image>Hi <bbox>"], "from", "value", False, False), "images": ["a.png"], "objects": {"ref": [], "bbox": [[1, 2, 30, 40]]}}),
        ("openai-messages", {"messages": exchange(["Hi"], "role", "content", True, False)}),
        ("openai-messages", {"messages": exchange([[{"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}}, {"type": "text", "text": "Hi"}], "Bye"], "role", "content", False, False)}),
        ("openai-messages", {"messages": exchange([[{"type": "video", "video": "a.mp4", "max_pixels": 4}, {"type": "text", "text": "Hi"}]], "role", "content", False, False)}),
    ],
)  # fmt: skip
def test_ordinary_messages_take_the_fast_path(name: str, record: dict[str, Any]) -> None:
    fast = FastPath(get_format(name), selected(name), Options(media="none"))
    struct = decode(fast, json.dumps({"id": 7, "source": "x", **record}).encode())
    assert struct is not None
    assert fast.accept(struct) is not None
    assert not fast.always


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.integers(SMALLEST_INT, LARGEST_INT), st.text(max_size=5)),
        lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=5), c, max_size=3),
        max_leaves=12,
    )
)
def test_tally_counts_keys_and_strings(value: Any) -> None:
    data = json.dumps(value)
    escaped = json.dumps(value).replace("\\\\", "").count('\\"')
    assert tally(msgspec.json.decode(data)) * 2 == data.count('"') - escaped


def test_tally_declines_integers_beyond_64_bits() -> None:
    assert tally([1, {"a": 1 << 64}]) < 0


@pytest.mark.parametrize("name", RECORD_FORMATS)
def test_ordinary_records_take_the_fast_path(name: str) -> None:
    conversations = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]
    media: dict[str, Any] = {}
    if name == "geopixel":
        conversations[1]["value"] = "A <p> dog </p> [SEG] and a <p> cat </p> [SEG]."
        media = {"image": "a.png", "polygons": "a.json"}
    elif name.startswith("xcomposer"):
        conversations[0]["value"] = "<ImageHere>What is it?"
        media = {"image": ["a.png"]}
    elif name == "internvl" or name == "videorefer" or name == "videorefer-vl3":
        conversations[0]["value"] = "<image>\nWhat is it?"
        media = {"image": "a.png"}
    data = json.dumps({"id": 7, **media, "conversations": conversations}).encode()
    fast = PATHS[name]
    assert fast.accept(fast.decode(data)) is not None
    assert not fast.always, f"checks without a guard run on every record: {[c.code for c in fast.always]}"


def test_a_key_that_no_check_reads_is_learned_and_one_that_a_check_reads_is_not() -> None:
    fast = FastPath(get_format("geopixel"), selected("geopixel"), Options(media="none"))
    turns = '"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Yes"}]'
    assert decode(fast, f'{{"source": {{"a": [1]}}, {turns}}}'.encode()) is not None
    assert decode(fast, f'{{"polygon": "x.json", {turns}}}'.encode()) is None


@pytest.mark.parametrize("key", ["a\x01b", 'a"b', "a\\b", "\x00", "ä\n"])
def test_a_key_with_any_character_is_no_reason_to_stop(tmp_path: Path, key: str) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    records = [{"conversations": turns, key: 1}, {"conversations": turns}, {"conversations": turns, key: []}]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = validate(path, format="internvl", media="none")
    assert (report.summary.records, report.summary.errors) == (3, 0)
