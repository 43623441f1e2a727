"""InternVL's lines, keys and roles: I01 to I03, I08, I15, I16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmdata
from mmdata.checks.registry import get_check
from mmdata.checks.view import FileView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.options import Options

TURNS = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]


def fate(record: dict[str, Any]) -> str:
    """Which branch of the loader takes a record by its keys, or ``crash`` where its error handler fails too."""
    try:
        if "image" in record and len(record["image"]) != 0:
            return "image"
        return "video" if record.get("video") not in (None, "") else "text"
    except TypeError:
        try:
            record["image"].startswith("s3://")
        except AttributeError:
            return "crash"
        return "swap"


@pytest.mark.parametrize("image", [None, 0, 5, 1.5, True, "", [], "a.png", ["a.png"]])
@pytest.mark.parametrize("video", [..., None, "", "a.mp4"])
@pytest.mark.parametrize("tag", ["", "<image>\n"])
def test_i03_where_the_picture_is_not_seen(hits: Any, image: Any, video: Any, tag: str) -> None:
    record = {"image": image, "conversations": [{"from": "human", "value": f"{tag}Hi"}, TURNS[1]]}
    if video is not ...:
        record["video"] = video
    found = hits("I03", "internvl", record)
    assert bool(found) == (fate(record) != "image")
    if fate(record) == "crash":
        assert found[0].severity is None
    elif found:
        assert found[0].severity == ("error" if tag else "warning")
    if found and found[0].edits:
        assert "image" not in json.loads(apply(json.dumps(record).encode(), found[0].edits))


@pytest.mark.parametrize(
    "record", [{"video": None}, {"video": None, "image": "a.png"}, {"clip": None, "image": "a.png"}]
)
def test_null_where_the_loader_reads_it_as_absent(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**record, "conversations": TURNS}) + "\n")
    assert list(mmdata.validate(path, format="internvl", media="none")) == []


@pytest.mark.parametrize(
    "path, listed, severity",
    [
        ("a.json", True, "error"),
        ("a.json", False, "info"),
        ("a.jsonl", True, None),
        ("a.jsonl.gz", False, None),
        ("-", False, None),
        ("ajsonl.txt", True, "error"),
    ],
)
def test_i01_the_name_the_trainer_opens(path: str, listed: bool, severity: str | None) -> None:
    view = FileView(path, get_format("internvl"), Options(), "jsonl", listed=listed)
    assert [hit.severity for hit in get_check("I01").function(view)] == ([severity] if severity else [])


@pytest.mark.parametrize("line", [b"\n", b"  \n", b"[1]\n", b"5\n", b"null\n"])
def test_i02_lines_without_an_object(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"conversations": TURNS}).encode() + b"\n"
    path.write_bytes(good + line + good)
    report = mmdata.validate(path, format="internvl", media="none")
    assert [f.line for f in report.by_code("I02")] == [2]


SYSTEM = {"from": "system", "value": " Be brief.\n"}


@pytest.mark.parametrize("template", ["Hermes-2", "internlm2-chat", "phi3-chat"])
@pytest.mark.parametrize(
    "first, folded",
    [
        ("Hi", "Be brief.\n\nHi"),
        ("<image>\nHi", "<image>\nBe brief.\n\nHi"),
        ("<video>\nHi", "<video>\nBe brief.\n\nHi"),
        ("Hi <image>", "Be brief.\n\nHi <image>"),
    ],
)
def test_i08_the_system_text_goes_into_the_first_question(
    hits: Any, template: str, first: str, folded: str
) -> None:
    record = {"conversations": [SYSTEM, {"from": "human", "value": first}, TURNS[1]]}
    (hit,) = hits("I08", "internvl", record, template=template)
    assert hit.unsafe
    after = json.loads(apply(json.dumps(record).encode(), hit.edits))["conversations"]
    assert [turn["value"] for turn in after] == [folded, "Hello"]
    assert hits("I08", "internvl", record) == []


def test_i08_a_later_system_turn_is_not_moved(hits: Any) -> None:
    record = {"conversations": [*TURNS, SYSTEM, *TURNS]}
    (hit,) = hits("I08", "internvl", record, template="Hermes-2")
    assert (hit.pointer, hit.edits) == ("/conversations/2/from", ())


@pytest.mark.parametrize(
    "keys, assume, count", [({"length": 3}, True, 1), ({}, True, 0), ({"length": 3}, False, 0)]
)
def test_i15_a_length_counts_when_grouping(hits: Any, keys: dict[str, Any], assume: bool, count: int) -> None:
    record = {**keys, "conversations": TURNS}
    assert len(hits("I15", "internvl", record, assume={"group_by_length": assume})) == count


@pytest.mark.parametrize("run, count", [(0, 0), (10, 0), (11, 1), (500, 1)])
def test_i16_eleven_in_a_row(run: int, count: int) -> None:
    view = FileView("a.jsonl", get_format("internvl"), Options(), "jsonl", longest_failing_run=run)
    assert len(list(get_check("I16").function(view))) == count
