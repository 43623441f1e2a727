"""`mmdata.open`: records by number, by slice and in sequence, typed, with errors that name their place."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import mmdata.format
from mmdata.dataset import Dataset, open  # noqa: A004 - the name under test
from mmdata.errors import DataError, DataWarning, UsageError


class Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    id: int
    text: str


def to_sample(record: Mapping[str, Any], origin: Any) -> Any:
    return {"text": record["text"], "origin": origin}


FORMAT: Any = SimpleNamespace(name="plain", record=Record, to_sample=to_sample, mixture=False)
FORMAT.of = lambda _path: FORMAT
RECORDS = [{"id": i, "text": f"number {i}"} for i in range(40)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMDATA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["array", "lines", "gzip"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    text = "\n".join(map(json.dumps, RECORDS)) if request.param == "lines" else json.dumps(RECORDS, indent=1)
    path = tmp_path / f"data.{request.param}"
    path.write_bytes(gzip.compress(text.encode()) if request.param == "gzip" else text.encode())
    return open(str(path), format=FORMAT)


def test_records_are_typed_and_found_by_number(dataset: Dataset) -> None:
    assert repr(dataset).endswith("format='plain')")
    assert len(dataset) == 40
    assert repr(dataset).endswith("format='plain', 40 records)")
    assert isinstance(dataset[12], Record)
    assert dataset[12].text == "number 12"
    assert dataset[-1].id == 39
    assert [record.id for record in dataset] == list(range(40))
    assert json.loads(dataset.raw(7)) == RECORDS[7]
    for missing in (40, -41):
        with pytest.raises(IndexError):
            dataset[missing]
    dataset.close()


def test_slices_are_lazy_views(dataset: Dataset) -> None:
    view = dataset[30:10:-3]
    assert len(view) == 7
    assert [record.id for record in view] == [30, 27, 24, 21, 18, 15, 12]
    assert [record.id for record in view[1:3]] == [27, 24]
    assert view[-1].id == 12
    assert json.loads(view.raw(0)) == RECORDS[30]
    assert "[30:10:-3]" in repr(view)


def test_samples_carry_their_origin(dataset: Dataset) -> None:
    pytest.importorskip("schemas.sample")
    sample: Any = dataset.sample(3)
    assert sample["text"] == "number 3"
    assert (sample["origin"].record, sample["origin"].format, sample["origin"].path) == (
        3,
        "plain",
        dataset.path,
    )
    assert [s["text"] for s in dataset.samples()] == [r["text"] for r in RECORDS]
    assert dataset[5:].sample(0) == dataset.sample(5)


def test_what_cannot_be_decoded_says_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(
        '[\n{"id": 0, "text": "a"},\n{"id": 1, "text": oops},\n{"id": 2},\n{"id": "3", "text": 4},\n{"id": 4, "text": "b"}\n]'
    )
    with open(str(path), format=FORMAT) as dataset:
        assert len(dataset) == 5
        assert dataset[4].text == "b"
        with pytest.raises(DataError, match=r"data\.json: record 1, line 3: expected a value, got 'o'"):
            dataset[1]
        with pytest.raises(DataError, match=r"record 2, line 4: /text: Field required"):
            dataset[2]
        with pytest.raises(DataError, match=r"record 3, line 5: /id: .*; /text: "):
            dataset[3]
        seen = []
        with pytest.raises(DataError, match="record 1, line 3"):
            seen.extend(dataset)


def test_a_record_over_the_limit_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        '{"id": 0, "text": "a"}\n{"id": 1, "text": "' + "b" * 500 + '"}\n{"id": 2, "text": "c"}\n'
    )
    with open(str(path), format=FORMAT, max_record_bytes=100) as dataset:
        assert (len(dataset), dataset[2].text) == (3, "c")
        with pytest.raises(DataError, match="record 1, line 2: the record is larger than 100 bytes"):
            dataset[1]


def test_standard_input_is_iterated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(RECORDS).encode())))
    dataset = open("-", format=FORMAT)
    with pytest.raises(UsageError, match="only be iterated"):
        dataset[3]
    assert "table" in dataset._repr_html_()
    assert [record.id for record in dataset] == list(range(40))
    with pytest.raises(UsageError, match="only once"):
        next(iter(dataset))


def test_a_notebook_shows_the_first_records_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"id": 0, "text": "<b>&"}\n{"id": oops}\n' + '{"id": 1}\n' * 20)
    shown = open(str(path), format=FORMAT)._repr_html_()
    assert "&lt;b&gt;&amp;" in shown
    assert "oops" in shown
    assert shown.count("<tr>") == 5


def test_a_data_set_travels_between_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(RECORDS))
    monkeypatch.setattr(mmdata.format, "get_format", lambda name: FORMAT if name == "plain" else None)
    again = pickle.loads(pickle.dumps(open(str(path), format=FORMAT)))
    assert again[3].id == 3


def test_files_that_hold_no_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("a.json 1\n")
    with pytest.raises(UsageError, match="lists data sets"):
        open(str(path), format=SimpleNamespace(name="data-txt", mixture=True))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such file"):
        open(str(tmp_path / "none.json"), format=FORMAT)


def test_what_is_no_record_is_named_when_it_is_passed_over(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    text = json.dumps({"id": 1, "conversations": turns})
    path = tmp_path / "data.json"
    path.write_text(f"[{text}, {text}] and more words\n")
    with open(path, format="internvl") as dataset:
        with pytest.warns(DataWarning, match=r"data\.json: .*"):
            assert len(list(dataset)) == 2
        with pytest.warns(DataWarning):
            assert len(list(dataset.samples())) == 2
    path.write_text(f"{text}\n\n{text}\n")  # a blank line holds nothing
    with open(path, format="internvl") as dataset:
        assert len(list(dataset)) == 2
