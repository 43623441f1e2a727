"""Parquet files, against pyarrow's own reading and writing, and `datasets` where it is installed."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import mmdata
from mmdata.converting.conversion import convert
from mmdata.errors import MissingExtra, UsageError
from mmdata.io.read import open_source
from mmdata.io.record import RawRecord

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

H, W = 30, 40


def talk(question: str, answer: str = "A car.") -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


RECORDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "image": "a.png",
        "conversations": talk("<image>\nWhere?", "<ref>It</ref><box>[[1,2,300,400]]</box>"),
    },
    {"id": 2, "image": ["a.png", "b.png"], "conversations": talk("<image> or <image>?"), "score": 0.5},
    {"conversations": talk("Hi", "Grüße 你好"), "odd": {"a": [None, 1e300]}, "mixed": 1},
    {"conversations": [{"from": "system", "value": "Be brief."}, *talk("Hi")], "mixed": "one", "flag": True},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (W, H), (9, 8, 7)).save(tmp_path / "a.png")
    Image.new("RGB", (W, H)).save(tmp_path / "b.png")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    return tmp_path


def records(path: str | Path) -> list[dict[str, Any]]:
    with open_source(str(path)) as source:
        assert source.container == "parquet"
        return [json.loads(item.data) for item in source.records() if isinstance(item, RawRecord)]


@pytest.mark.parametrize("media", ["keep", "copy"])
def test_there_and_back(place: Path, media: str) -> None:
    report = convert("in.jsonl", "out", to="parquet", media_files=media)
    assert (report.read, report.written) == (4, 4)
    table = pq.read_table(place / "out" / "in.parquet")
    assert table.column("conversations").to_pylist()[1] == RECORDS[1]["conversations"]
    assert table.schema.field("mmdata_carry").type == pa.string()
    pictures = table.column("images").to_pylist()
    assert [p and len(p) for p in pictures] == [1, 2, None, None]
    inside = (place / "a.png").read_bytes() if media == "copy" else None
    assert pictures[0][0] == {"bytes": inside, "path": "a.png" if media == "copy" else "../a.png"}
    assert table.column("score").to_pylist() == [None, 0.5, None, None]
    back = convert("out/in.parquet", "back", to="internvl")
    assert back.fields["record"]["kept"] == 4
    found = [
        json.loads(line) for line in (place / "back" / "in.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert found == RECORDS


def test_without_a_carry_pictures_come_out_as_files(place: Path) -> None:
    convert("in.jsonl", "out", to="parquet", media_files="copy", carry=False)
    report = convert("out/in.parquet", "back", to="internvl", carry=False)
    assert report.written == 4
    found = [
        json.loads(line) for line in (place / "back" / "in.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert (place / "back" / found[0]["image"]).read_bytes() == (place / "a.png").read_bytes()
    assert [r["conversations"] for r in found] == [r["conversations"] for r in RECORDS]
    assert found[2]["odd"] == RECORDS[2]["odd"]
    assert [r.get("mixed") for r in found] == [None, None, 1, "one"]
    assert not mmdata.validate("out/in.parquet", media="decode").findings


@pytest.mark.parametrize("to", ["internvl", "webdataset"])
def test_pictures_of_many_alike_records_come_out_all(place: Path, to: str) -> None:
    lines = []
    for k in range(30):
        Image.new("RGB", (W, H), (k, 0, 0)).save(place / f"p{k}.png")
        lines.append({"id": k, "image": f"p{k}.png", "conversations": talk("<image>What?")})
    (place / "x.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    convert("x.jsonl", "there", to="parquet", media_files="copy", carry=False)
    report = convert(place / "there" / "x.parquet", "back", to=to, carry=False)
    assert report.written == 30
    found = mmdata.open(str(place / "back" / report.outputs[0]))
    for k, record in enumerate(found):
        path = record.image if to == "internvl" else record.images[0]
        here = str(place / "back" / path) if to == "internvl" else path
        from mmdata.media.source import open_source as open_media

        with open_media(here)[0] as file:
            assert file.read() == (place / f"p{k}.png").read_bytes()


def test_masks_have_a_column_of_their_own(place: Path) -> None:
    import numpy as np

    from mmdata import masks

    pixels = np.zeros((H, W), np.uint8)
    pixels[3:9, 4:11] = 1
    pixels[5, 6] = 0
    rle = dict(masks.encode(pixels))
    record = {
        "image": "a.png",
        "segmentation": [rle],
        "conversations": talk("<ImageHere>Where?", "<p> It </p> [SEG]."),
    }
    record["conversations"][1]["from"] = "bot"  # type: ignore[index]
    (place / "g.json").write_text(json.dumps([record]))
    convert("g.json", "out", to="parquet", carry=False)
    assert pq.read_table("out/g.parquet").column("masks").to_pylist() == [[rle]]
    convert("out/g.parquet", "back", to="geopixel-rle", carry=False)
    assert json.loads((place / "back" / "g-segmentation.json").read_text())[0]["segmentation"] == [rle]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c d"]), VALUES), min_size=1, max_size=4))
def test_any_unknown_key_comes_back(place: Path, extras: list[dict[str, Any]]) -> None:
    lines = [{"conversations": talk("Hi"), **one} for one in extras]
    (place / "x.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    there = convert("x.jsonl", "there", to="parquet", format="internvl", force=True)
    assert there.read == there.written + there.rejected
    assert set(there.rejections) <= {"big-int", "json"}
    if there.written:
        back = convert("there/x.parquet", "back", to="internvl", force=True)
        assert back.written == there.written
        found = [
            json.loads(line) for line in (place / "back" / "x.jsonl").read_text("utf-8").split("\n") if line
        ]
        kept = [line for line in lines if line in found]
        assert found == kept


def test_foreign_tables_keep_every_column(place: Path) -> None:
    import datetime as dt
    import decimal

    turns = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    inside = (place / "a.png").read_bytes()
    table = pa.table(
        {
            "conversations": pa.array([talk("<image>Hi"), talk("Hi"), talk("<image>Hi")], turns),
            "image": pa.array(
                [{"bytes": inside, "path": "x.png"}, None, {"bytes": None, "path": "a.png"}], picture
            ),
            "when": pa.array([dt.datetime(2026, 1, 2), None, None], pa.timestamp("us")),
            "price": pa.array([decimal.Decimal("1.50"), None, None]),
            "nested": pa.array([{"x": [1, 2], "y": None}, None, {"x": [], "y": "z"}]),
            "raw": pa.array([b"\x00\xff", None, None], pa.binary()),
            "tags": pa.array([["a"], [], None]),
            "day": pa.array([dt.date(2026, 1, 2), None, None]),
        }
    )
    pq.write_table(table, place / "x.parquet", row_group_size=2)
    found = records("x.parquet")
    assert found[0] == {
        "conversations": talk("<image>Hi"),
        "image": "x.parquet!//0/image/x.png",
        "when": "2026-01-02T00:00:00",
        "price": "1.50",
        "nested": {"x": [1, 2]},
        "raw": "x.parquet!//0/raw",
        "tags": ["a"],
        "day": "2026-01-02",
    }
    assert found[1] == {"conversations": talk("Hi"), "tags": []}
    assert found[2]["image"] == "a.png"
    with open_source("x.parquet") as source:
        rows = source.opened()  # type: ignore[attr-defined]
        assert rows.member("0/image/x.png") == inside
        assert rows.member("0/raw") == b"\x00\xff"
        with pytest.raises(KeyError):
            rows.member("1/image/x.png")
        assert [json.loads(row) for row in rows.rows(2)] == found[2:]
    opened = mmdata.open("x.parquet")
    assert len(opened) == 3
    assert opened[-1].image == "a.png"
    report = convert("x.parquet", "out", to="internvl")
    assert report.written == 3


def test_rows_come_group_by_group(place: Path) -> None:
    lines = [{"id": k, "conversations": talk(f"Hi {k}")} for k in range(2500)]
    (place / "many.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    for jobs in (1, 2):
        convert("many.jsonl", f"out{jobs}", to="parquet", jobs=jobs)
    first, second = ((place / f"out{k}" / "many.parquet").read_bytes() for k in (1, 2))
    assert first == second
    assert pq.ParquetFile(place / "out1" / "many.parquet").num_row_groups == 3
    assert [r["id"] for r in records("out1/many.parquet")] == list(range(2500))
    opened = mmdata.open("out1/many.parquet")
    assert (opened[1999].id, opened[2499].id) == (1999, 2499)


@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_what_is_written_and_the_reverse(place: Path) -> None:
    datasets = pytest.importorskip("datasets")
    convert("in.jsonl", "out", to="parquet", media_files="copy")
    data = datasets.load_dataset(
        "parquet", data_files="out/in.parquet", split="train", cache_dir=str(place / "cache")
    )
    assert data[1]["images"][1].size == (W, H)
    assert data[0]["conversations"] == RECORDS[0]["conversations"]
    data.to_parquet(str(place / "theirs.parquet"))
    back = convert("theirs.parquet", "back", to="internvl")
    found = [
        json.loads(line) for line in (place / "back" / "theirs.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert (back.written, found) == (4, RECORDS)


def test_no_pyarrow_is_one_line_that_says_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert("in.jsonl", "out", to="parquet")
    ordinary = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return ordinary(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'mmdata-mmtrain\[parquet\]'"):
        mmdata.validate("out/in.parquet")
    with pytest.raises(MissingExtra, match=r"pip install 'mmdata-mmtrain\[parquet\]'"):
        convert("in.jsonl", "other", to="parquet")
    assert not (place / "other").exists()


def test_a_broken_file_is_an_error_for_people(place: Path) -> None:
    (place / "x.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(UsageError, match="cannot be read as one"):
        mmdata.validate("x.parquet")
