"""What mmdata writes beside data sets is recognised for what it is, in a directory and by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mmdata
from mmdata.cli import main

RECORD = {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Ho."}]}
WRITTEN = {
    "convert data.jsonl --to xcomposer -o out": {
        "out/report.json": "the report of `mmdata convert`",
        "out/rejects.jsonl": "the records that `mmdata convert` rejected",
    },
    "filter data.jsonl 'turns>5' -o kept.jsonl --report ledger.json --rejects left.jsonl": {
        "ledger.json": "the ledger of a verb of mmdata",
        "left.jsonl": "the records that a verb of mmdata left out",
    },
    "validate data.jsonl --output-format json -o report.json": {
        "report.json": "the report of `mmdata validate`"
    },
    "validate data.jsonl --output-format jsonl -o report.jsonl": {
        "report.jsonl": "the report of `mmdata validate`"
    },
    "validate data.jsonl --write-baseline known.json": {"known.json": "the baseline of `mmdata validate`"},
    "rasterize masks.json -o masks": {"masks/index.json": "the index of `mmdata rasterize`"},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [json.dumps({"id": i, **RECORD}) for i in range(3)]
    # A rejected record longer than what is looked at of a file.
    long = '{"id": ["' + "x" * (2 << 20) + '"}'
    (tmp_path / "data.jsonl").write_text("\n".join([*rows, long]) + "\n")
    turns = [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "Here."}]
    (tmp_path / "masks.json").write_text(
        json.dumps([{"image": "a.png", "polygons": "a.json", "conversations": turns}])
    )
    return tmp_path


def run(line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([word.strip("'") for word in line.split()])
    return int(str(ended.value.code))


@pytest.mark.parametrize("line", WRITTEN)
def test_each_is_named(place: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) in (0, 1)
    for path, what in WRITTEN[line].items():
        found = mmdata.detect(path)
        assert (found.format, found.otherwise) == (None, what)
    capsys.readouterr()


def test_the_output_of_a_conversion_validates_with_its_reports_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("convert data.jsonl --to xcomposer -o out")
    capsys.readouterr()
    assert run("validate out --media none --media-root out") == 0
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "mmdata: left aside: out/rejects.jsonl (the records that `mmdata convert` rejected)",
        "mmdata: left aside: out/report.json (the report of `mmdata convert`)",
    ]


def test_a_data_set_with_such_keys_stays_one(place: Path) -> None:
    (place / "mine.jsonl").write_text(
        json.dumps({"path": "a", "record": 1, "reason": "", "detail": "", **RECORD})
    )
    assert mmdata.detect("mine.jsonl").format == "internvl"
