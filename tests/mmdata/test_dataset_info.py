"""LLaMA-Factory's `dataset_info.json` is read beside a data file, and written beside what is converted."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmdata
from mmdata.converting.conversion import convert
from mmdata.format import get_format

RECORD = {
    "pics": ["a.png"],
    "dialog": [
        {"who": "boss", "says": "Be brief."},
        {"who": "me", "says": "<image>What?"},
        {"who": "it", "says": "A car."},
    ],
    "note": 3,
}
ENTRY = {
    "file_name": "talks.json",
    "formatting": "sharegpt",
    "columns": {"messages": "dialog", "images": "pics"},
    "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "it", "system_tag": "boss"},
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 6)).save("a.png")
    return tmp_path


def save(record: Any, entry: Any) -> None:
    Path("talks.json").write_text(json.dumps([record]))
    Path("dataset_info.json").write_text(json.dumps({"other": {"hf_hub_url": "x"}, "talks": entry}))


def test_names_are_respected_in_every_verb(place: Path) -> None:
    save(RECORD, ENTRY)
    assert mmdata.detect("talks.json").format == "llamafactory"
    report = mmdata.validate("talks.json", format="llamafactory", media="exists")
    assert not report.findings
    done = convert("talks.json", "out", to="internvl", carry=False)
    assert (done.read, done.written) == (1, 1)
    (line,) = Path("out/talks.jsonl").read_text().splitlines()
    made = json.loads(line)
    assert made["image"] == "../a.png"
    assert [t["value"] for t in made["conversations"]] == ["Be brief.\n<image>What?", "A car."]
    with mmdata.open("talks.json") as ds:
        assert [turn.role for turn in ds.sample(0).turns] == ["system", "user", "assistant"]


def test_the_way_back_has_the_default_names_and_says_them(place: Path) -> None:
    save(RECORD, ENTRY)
    convert("talks.json", "out", to="internvl")
    convert("out/talks.jsonl", "back", to="llamafactory")
    info = json.loads(Path("back/dataset_info.json").read_text())
    (entry,) = info.values()
    (record,) = json.loads((Path("back") / entry["file_name"]).read_text())
    assert record[entry["columns"]["images"]] == ["a.png"]
    assert record["note"] == 3
    turns = record[entry["columns"]["messages"]]
    tags = entry["tags"]
    assert [t[tags["role_tag"]] for t in turns] == [
        tags["system_tag"],
        tags["user_tag"],
        tags["assistant_tag"],
    ]
    assert [t[tags["content_tag"]] for t in turns] == ["Be brief.", "<image>What?", "A car."]
    checked = mmdata.validate(str(Path("back") / entry["file_name"]), media="exists")
    assert not checked.findings


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"columns": {"messages": "dialog"}}, "N07"),  # the pictures are then not read
        ({"columns": {"images": "pics"}}, "N02"),
        ({"tags": {**ENTRY["tags"], "system_tag": None}}, "N05"),
        ({"tags": {"role_tag": "who", "content_tag": "says"}}, "N05"),
        ({"tags": {**ENTRY["tags"], "role_tag": "speaker"}}, "N03"),
    ],
)
def test_what_it_does_not_name_is_not_read(place: Path, change: dict[str, Any], code: str) -> None:
    save(RECORD, {**ENTRY, **change})
    report = mmdata.validate("talks.json", format="llamafactory", media="none")
    assert code in {f.code for f in report}


@pytest.mark.parametrize(
    "info", ["", "[]", "{", '{"a": 1}', '{"a": {"file_name": ["talks.json"]}}', "\ufeff{}"]
)
def test_a_damaged_one_is_as_none(place: Path, info: str) -> None:
    record = {
        "images": ["a.png"],
        "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "A"}],
    }
    Path("talks.json").write_text(json.dumps([record]))
    Path("dataset_info.json").write_text(info)
    assert mmdata.detect("talks.json").format == "llamafactory"
    assert not mmdata.validate("talks.json", media="none").findings


def test_a_key_that_is_not_read_is_never_mistaken_for_a_column(place: Path) -> None:
    save({**RECORD, "videos": ["b.mp4"]}, ENTRY)
    done = convert("talks.json", "out", to="internvl")
    assert (done.read, done.written, done.rejected) == (1, 0, 1)
    assert "`videos`" in json.loads(Path("out/rejects.jsonl").read_text())["reason"]


def test_the_names_travel_to_other_processes(place: Path) -> None:
    save(RECORD, ENTRY)
    there = pickle.loads(pickle.dumps(get_format("llamafactory").of("talks.json")))
    assert [ref.path for ref in there.media(RECORD)] == ["a.png"]
    assert there.speaker("boss") == "system"
    assert there.speaker("human") is None


def listing(place: Path) -> None:
    """A list of data sets as LLaMA-Factory keeps one: local, remote, of another form, gone, in a folder below."""
    (place / "below").mkdir()
    Path("below/talks.json").write_text(json.dumps([RECORD]))
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    Path("plain.jsonl").write_text(json.dumps({"conversations": turns}) + "\n")
    info = {
        "talks": {**ENTRY, "file_name": "below/talks.json"},
        "plain": {"file_name": "plain.jsonl", "formatting": "sharegpt", "num_samples": 5},
        "hub": {"hf_hub_url": "someone/something"},
        "script": {"script_url": "loader"},
        "alpaca": {"file_name": "alpaca.json"},
        "gone": {"file_name": "gone.json", "formatting": "sharegpt"},
        "pairs": {"file_name": "plain.jsonl", "formatting": "sharegpt", "ranking": True},
        "again": {"file_name": "plain.jsonl", "formatting": "sharegpt"},
        "odd": 3,
    }
    Path("dataset_info.json").write_text(json.dumps(info))


UNREAD = ["plain", "hub", "script", "alpaca", "gone", "pairs", "again", "odd"]


def test_a_list_of_data_sets_is_validated_and_what_is_not_read_is_named(place: Path) -> None:
    listing(place)
    report = mmdata.validate("dataset_info.json", media="exists")
    assert not report.findings
    assert [(Path(s.path).name, s.records) for s in report.sources] == [
        ("talks.json", 1),
        ("plain.jsonl", 1),
    ]
    assert [path for path, _ in report.left_aside] == [
        f"dataset_info.json: entry {name!r}" for name in UNREAD
    ]
    Path("below/talks.json").write_text(json.dumps([{**RECORD, "dialog": [{"who": "it", "says": "A car."}, {"who": "me", "says": "?"}]}]))  # fmt: skip
    assert "N06" in {f.code for f in mmdata.validate("dataset_info.json", media="none").findings}


@pytest.mark.parametrize("to", ["internvl", "geopixel", "llamafactory-messages"])
def test_a_list_of_data_sets_is_converted(place: Path, to: str) -> None:
    listing(place)
    done = convert("dataset_info.json", "out", to=to, carry=False)
    assert (done.read, done.written) == (2, 2)
    (said,) = [one for one in done.mixtures if one["path"] == "dataset_info.json"]
    assert [text.split("'")[1] for text in said["differences"]] == UNREAD
    planned = convert("dataset_info.json", "other", to=to, carry=False, plan=True)
    assert said in planned.mixtures


def test_a_list_of_nothing_that_can_be_read_says_why(place: Path) -> None:
    Path("dataset_info.json").write_text(json.dumps({"hub": {"hf_hub_url": "a/b"}}))
    with pytest.raises(mmdata.UsageError, match="Hugging Face hub"):
        mmdata.validate("dataset_info.json")
    Path("dataset_info.json").write_text("[1]")
    with pytest.raises(mmdata.UsageError, match="no JSON object"):
        mmdata.validate("dataset_info.json")
