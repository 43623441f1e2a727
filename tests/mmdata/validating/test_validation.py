from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import zstandard

import mmdata
from mmdata.errors import AmbiguousFormat, UsageError

GOOD = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
BAD_ROLE = {"conversations": [{"from": "user", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}


def jsonl(path: Path, records: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def test_example_data_is_clean_in_every_format(example_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(example_data)
    report = mmdata.validate(".", media="decode")
    assert report.findings == []
    formats = {os.path.basename(s.path): s.format for s in report.sources}
    assert formats == {
        "data.txt": "data-txt",
        "geopixel.json": "geopixel",
        "geopixel_rle.json": "geopixel",
        "internvl.jsonl": "internvl",
        "internvl_meta.json": "internvl-meta",
        "videorefer.json": "videorefer",
        "videorefer_vl3.json": "videorefer-vl3",
        "xcomposer.json": "xcomposer",
    }


def test_real_files_are_clean(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(samples / "geopixel")
    report = mmdata.validate("data.txt", media="decode")
    assert [f for f in report if f.severity == "error"] == []
    monkeypatch.chdir(samples / "xcomposer" / "finetune")
    report = mmdata.validate("data.txt", media="decode")
    assert [f for f in report if f.severity == "error"] == []


def test_a_published_meta_file_with_a_trailing_comma_is_refused_by_json(samples: Path) -> None:
    report = mmdata.validate(str(samples / "internvl" / "debug_mpo.json"), format="internvl-meta")
    assert "C01" in report.summary.by_code


def test_the_json_shape(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [GOOD, BAD_ROLE])
    result = mmdata.validate(path, media="none").to_dict()
    assert set(result) == {"version", "sources", "findings", "summary"}
    assert result["sources"] == [
        {"path": str(path), "format": "internvl", "records": 2, "errors": 1, "warnings": 0}
    ]
    (finding,) = result["findings"]
    assert set(finding) == {
        "code",
        "severity",
        "message",
        "path",
        "related_path",
        "record",
        "pointer",
        "line",
        "byte",
        "upstream",
        "fix",
    }
    assert (finding["code"], finding["record"], finding["line"], finding["pointer"]) == (
        "C05",
        1,
        2,
        "/conversations/0/from",
    )
    line_start = len(json.dumps(GOOD)) + 1
    assert path.read_bytes()[finding["byte"] :].startswith(b'"user"')
    assert finding["byte"] > line_start
    assert result["summary"] == {"records": 2, "errors": 1, "warnings": 0, "infos": 0, "by_code": {"C05": 1}}


def test_blank_lines_take_no_index_and_broken_records_do(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [GOOD, "", '{"conversations": [', BAD_ROLE])
    report = mmdata.validate(path, media="none")
    assert report.summary.records == 3
    places = {(f.code, f.record, f.line) for f in report}
    assert ("C05", 2, 4) in places
    assert ("C01", 1, 3) in places


@pytest.mark.parametrize("pack, suffix", [(gzip.compress, ".gz"), (zstandard.compress, ".zst")])
def test_compressed_files_give_the_same_findings(tmp_path: Path, pack: Any, suffix: str) -> None:
    plain = jsonl(tmp_path / "a.jsonl", [GOOD, BAD_ROLE, '{"conversations": ['])
    packed = tmp_path / f"a.jsonl{suffix}"
    packed.write_bytes(pack(plain.read_bytes()))
    places = [
        [(f.code, f.record, f.line, f.byte) for f in mmdata.validate(p, media="none")]
        for p in (plain, packed)
    ]
    assert places[0] == places[1]
    assert places[0]


@pytest.mark.parametrize("container", ["jsonl", "json"])
def test_processes_do_not_change_the_report(
    tmp_path: Path, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmdata.validating.validation.PARALLEL_FROM", 1000)
    monkeypatch.setattr("mmdata.validating.validation.RANGE_BYTES", 3000)
    records: list[Any] = []
    for k in range(400):
        record: dict[str, Any] = {"id": k % 390, **GOOD}
        records.append(BAD_ROLE if k % 37 == 5 else record)
    path = tmp_path / f"a.{container}"
    if container == "jsonl":
        jsonl(path, records)
    else:
        path.write_text(json.dumps(records, indent=1))
    alone = mmdata.validate(path, format="internvl", media="none", jobs=1)
    together = mmdata.validate(path, format="internvl", media="none", jobs=2)
    assert together.to_dict() == alone.to_dict()
    assert alone.summary.records == 400
    assert alone.summary.by_code["C05"] == 11
    assert alone.summary.by_code["C15"] >= 1


def test_a_json_array_for_internvl_is_one_finding_and_its_records_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([GOOD, BAD_ROLE]))
    report = mmdata.validate(path, format="internvl", media="none")
    assert report.summary.by_code["C01"] == 1
    assert report.summary.by_code["C05"] == 1


def test_duplicate_ids_are_named_with_both_records(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"id": i, **GOOD} for i in (1, "x", 2, "x", 1.5, 1)])
    report = mmdata.validate(path, media="none")
    found = sorted((f.record for f in report.by_code("C15") if f.record is not None), key=int)
    assert found
    assert set(found) <= {0, 1, 3, 5}
    assert {3, 5} <= set(found) or {0, 1} <= set(found)


def test_ids_that_only_share_a_hash_are_no_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setattr("mmdata.validating.filecheck.hash_ids", lambda ids: np.ones(len(ids), np.int64))
    path = jsonl(tmp_path / "a.jsonl", [{"id": i, **GOOD} for i in range(5)])
    assert mmdata.validate(path, media="none").findings == []


def test_a_file_missing_only_here_is_reported_with_the_place_where_it_is(
    example_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = mmdata.validate(str(example_data / "internvl.jsonl"))
    assert report.by_code("C11")
    assert str(example_data) in report.by_code("C11")[0].message + (report.by_code("C11")[0].fix or "")
    assert mmdata.validate(str(example_data / "internvl.jsonl"), media_root=str(example_data)).findings == []


def test_findings_are_capped_and_counts_are_not(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [BAD_ROLE] * 50)
    report = mmdata.validate(path, media="none", max_findings=7, ignore=("I16",))
    assert len(report.findings) == 7
    assert [f.record for f in report] == list(range(7))
    assert report.summary.by_code == {"C05": 50}


def test_select_and_ignore(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "a.jsonl",
        [BAD_ROLE, {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": ""}]}],
    )
    assert set(mmdata.validate(path, media="none").summary.by_code) == {"C05", "C09"}
    assert set(mmdata.validate(path, media="none", select=("C09",)).summary.by_code) == {"C09"}
    assert set(mmdata.validate(path, media="none", ignore=("C",)).summary.by_code) == set()
    assert set(mmdata.validate(path, media="none", ignore=("C",), select=("C05",)).summary.by_code) == {"C05"}


def test_an_ambiguous_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            [
                {
                    "image": "a.png",
                    "conversations": [
                        {"from": "human", "value": "<image>\nWhat?"},
                        {"from": "gpt", "value": "A."},
                    ],
                }
            ]
        )
    )
    with pytest.raises(AmbiguousFormat, match="videorefer or videorefer-vl3"):
        mmdata.validate(path)


@pytest.mark.parametrize(
    "options",
    [{"media": "all"}, {"template": "vicuna"}, {"jobs": -1}, {"assume": {"max_len": 3}}, {"select": ("Q",)}],
)
def test_bad_options_are_usage_errors(tmp_path: Path, options: dict[str, Any]) -> None:
    path = jsonl(tmp_path / "a.jsonl", [GOOD])
    with pytest.raises(UsageError):
        mmdata.validate(path, **options)
