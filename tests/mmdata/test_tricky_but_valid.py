"""Input that looks odd and that the trainer's code takes and trains as written: no error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmdata

HI = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
BOT = [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]
RLE = {"size": [4, 4], "counts": "`0"}


def turns(
    question: str, answer: str = "Yes.", user: str = "human", assistant: str = "gpt"
) -> list[dict[str, str]]:
    return [{"from": user, "value": question}, {"from": assistant, "value": answer}]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("internvl", {"image": "a.png", "conversations": turns("No tag: it is put in front")}),
    ("internvl", {"image": ["a.png"], "conversations": turns("<image> a list of one, tagged")}),
    ("internvl", {"image": "a.png", "conversations": turns("The tag <image> in the middle")}),
    ("internvl", {"conversations": [{"from": "system", "value": "Be brief."}, *HI]}),
    (
        "internvl",
        {"conversations": turns("<p>HTML</p> and a < b > c [1] <tag>", "\u2028 line\r\nbreaks \u0000"[:-1])},
    ),
    ("internvl", {"video": "v/", "conversations": turns("<video>\nWhat?")}),
    ("internvl", {"video": "v.mp4", "conversations": turns("No tag: it is put in front")}),
    ("internvl", {"id": None, "width": None, "anything": {"nested": [1]}, "conversations": HI}),
    (
        "internvl",
        {"image": ["a.png", "b.png"], "conversations": [*turns("<image> first"), *turns("<image> second")]},
    ),
    ("geopixel", {"conversations": turns("Hi", "Hello", "HUMAN", "anything"), "id": "x"}),
    ("geopixel", {"image": "a.png", "conversations": turns("Describe.", "A dog.", "user", "assistant")}),
    (
        "geopixel",
        {"image": "a.png", "segmentation": [RLE], "conversations": turns("Where?", "[SEG] without a phrase")},
    ),
    (
        "geopixel",
        {
            "image": "a.png",
            "segmentation": [RLE, RLE],
            "conversations": turns("Where?", "<p> a </p> [SEG] <p> a </p> [SEG]"),
        },
    ),
    ("xcomposer", {"image": "a.png", "conversations": turns("No tag", "Yes", "User", "bot")}),
    (
        "xcomposer",
        {
            "image": ["a.png", "b.png"],
            "conversations": [*turns("<ImageHere> one", user="user"), *turns("<ImageHere> two")],
        },
    ),
    (
        "xcomposer-2.0",
        {"image": ["a.png"], "conversations": turns("<ImageHere>What?", "A.", "user", "assistant")},
    ),
    (
        "videorefer",
        {
            "image": "a.png",
            "annotation": [{"0": {"segmentation": None}}],
            "conversations": turns("<image>\nWhat is <region>?"),
        },
    ),
    (
        "videorefer",
        {
            "video": "v.mp4",
            "annotation": [{"3": {"segmentation": RLE}, "1": {"segmentation": RLE}}],
            "conversations": turns("<video>\n<region>?"),
        },
    ),
    (
        "videorefer",
        {
            "image": "a.png",
            "height": 4,
            "width": 4,
            "annotation": [{"0": {"segmentation": [[0, 0, 3.5, 0, 3, 3]], "bbox": [1]}}],
            "conversations": turns("<image>\n<region>?"),
        },
    ),
    ("videorefer-vl3", {"image": "a.png", "conversations": turns("No tag", "Yes", "human", "whoever")}),
    (
        "videorefer-vl3",
        {
            "video": ["v.mp4"],
            "masks": [{"0": RLE, "5": RLE}],
            "conversations": turns("<video>\n<region> <region>"),
        },
    ),
    (
        "videorefer-vl3",
        {
            "video": ["a.png", "b.png"],
            "timestamps": [0, 1],
            "masked_video": [],
            "conversations": turns("<video>\nWhat?"),
        },
    ),
]


@pytest.mark.parametrize("name, record", CASES, ids=[f"{name}-{k}" for k, (name, _) in enumerate(CASES)])
def test_no_error(name: str, record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / ("a.jsonl" if name == "internvl" else "a.json")
    path.write_text(json.dumps(record if name == "internvl" else [record]))
    report = mmdata.validate(path, format=name, media="none")
    assert [f for f in report if f.severity == "error"] == []


def test_crlf_and_no_final_line_break(tmp_path: Path) -> None:
    line = json.dumps({"conversations": HI})
    (tmp_path / "a.jsonl").write_bytes(f"{line}\r\n{line}".encode())
    report = mmdata.validate(tmp_path / "a.jsonl", media="none")
    assert (report.findings, report.summary.records) == ([], 2)


def test_published_numbers_of_data_txt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps([{"conversations": BOT}]))
    Path("data.txt").write_text("a.json 0.02\n")
    assert [f for f in mmdata.validate("data.txt") if f.severity == "error"] == []
