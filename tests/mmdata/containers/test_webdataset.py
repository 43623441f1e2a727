"""Tar shards, against the `webdataset` library and Python's tarfile."""

from __future__ import annotations

import gc
import io
import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import mmdata
from mmdata.converting.conversion import convert
from mmdata.errors import UsageError
from mmdata.io.paths import expand
from mmdata.io.read import open_source
from mmdata.io.record import RawRecord

H, W = 30, 40


def talk(question: str, answer: str = "A car.") -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


RECORDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "image": "a.png",
        "conversations": talk("<image>\nWhere?", "<ref>It</ref><box>[[1,2,300,400]]</box>"),
    },
    {"id": "x", "image": ["a.png", "b.jpg"], "conversations": talk("<image> or <image>?"), "score": 0.5},
    {"conversations": talk("Hi", "Grüße 你好"), "odd": {"a": [None, 1e300]}},
    {"video": "clip.mp4", "conversations": talk("<video>\nWhat?")},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (W, H), (9, 8, 7)).save(tmp_path / "a.png")
    Image.new("RGB", (W, H)).save(tmp_path / "b.jpg")
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42 no real video")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    return tmp_path


def shard(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return path


def records(path: Path) -> list[dict[str, Any]]:
    with open_source(str(path)) as source:
        return [json.loads(item.data) for item in source.records() if isinstance(item, RawRecord)]


def samples(path: Path) -> list[dict[str, Any]] | str:
    """What the library reads, or why it stops."""
    webdataset = pytest.importorskip("webdataset")
    try:
        return list(webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False))
    except ValueError as error:
        return str(error)
    finally:
        # Where it stops it leaves the shard open.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()


@pytest.mark.filterwarnings("ignore")  # of webdataset
def test_written_shards_are_what_webdataset_reads(place: Path) -> None:
    report = convert("in.jsonl", "out", to="webdataset")
    assert (report.read, report.written) == (4, 4)
    found = samples(place / "out" / "in-000000.tar")
    assert isinstance(found, list)
    assert [set(s) & {"json", "png", "0.png", "1.jpg", "mp4"} for s in found] == [
        {"json", "png"},
        {"json", "0.png", "1.jpg"},
        {"json"},
        {"json", "mp4"},
    ]
    assert found[0]["png"] == (place / "a.png").read_bytes()
    assert found[1]["1.jpg"] == (place / "b.jpg").read_bytes()
    assert json.loads(found[1]["json"])["conversations"] == RECORDS[1]["conversations"]
    assert len({s["__key__"] for s in found}) == 4
    assert not mmdata.validate("out/in-000000.tar", media="header", ignore=["V", "C11", "C12"]).findings


def test_there_and_back(place: Path) -> None:
    convert("in.jsonl", "out", to="webdataset")
    back = convert("out/in-000000.tar", "back", to="internvl")
    assert back.fields["record"]["kept"] == 4
    found = [
        json.loads(line)
        for line in (place / "back" / "in-000000.jsonl").read_text("utf-8").split("\n")
        if line
    ]
    assert found == RECORDS


def test_media_come_out_of_the_shard_where_the_target_has_files(place: Path) -> None:
    convert("in.jsonl", "out", to="webdataset", carry=False)
    for name in ("a.png", "b.jpg", "in.jsonl"):
        (place / name).rename(place / f"away-{name}")
    report = convert("out/in-000000.tar", "back", to="internvl", carry=False)
    assert report.written == 4
    found = [
        json.loads(line)
        for line in (place / "back" / "in-000000.jsonl").read_text("utf-8").split("\n")
        if line
    ]
    picture = place / "back" / found[0]["image"]
    assert picture.read_bytes() == (place / "away-a.png").read_bytes()
    assert not mmdata.validate(
        str(place / "back" / "in-000000.jsonl"), media="exists", media_root=str(place / "back")
    ).by_code("C11")
    again = convert("back/in-000000.jsonl", "again", to="webdataset", relative_to="again")
    assert again.written == 4


def test_shards_are_bounded_and_the_same_every_time(place: Path) -> None:
    lines = [{**RECORDS[0], "id": k} for k in range(60)]
    (place / "many.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    reports = [convert("many.jsonl", f"out{n}", to="webdataset", jobs=n, shard_bytes=50_000) for n in (1, 2)]
    names = [name for name in reports[0].outputs if name.endswith(".tar")]
    assert len(names) > 2
    assert reports[0].outputs == reports[1].outputs
    assert sum(reports[0].sources[0]["outputs"].values()) == 60
    total = 0
    for name in names:
        data = (place / "out1" / name).read_bytes()
        assert data == (place / "out2" / name).read_bytes()
        assert len(data) <= 60_000  # a tar is filled up to whole blocks of 10 KiB
        total += len(records(place / "out1" / name))
    assert total == 60
    with tarfile.open(place / "out1" / names[0]) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in tar} == {(0, 0, 0, "", 0o644)}


FILES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "dir.x/c", "d/e", "__meta__", "f.g"]),
        st.sampled_from([".json", ".jpg", ".JPG", ".0.png", ".txt", ""]),
    ),
    max_size=9,
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
def test_groups_as_webdataset_does(tmp_path: Path, files: list[tuple[str, str]]) -> None:
    content = [
        (name + ending, b'{"n": 1}' if ending == ".json" else f"{k}".encode())
        for k, (name, ending) in enumerate(files)
    ]
    path = shard(tmp_path / "x.tar", content)
    mine = records(path) if content else []
    twice = any("comes twice" in text for r in mine for text in r.get("mmdata_faults", ()))
    theirs = samples(path)
    if isinstance(theirs, str):
        assert "duplicate file name" in theirs
        assert twice
        return
    assert not twice
    assert [r["__key__"] for r in mine] == [s["__key__"] for s in theirs]
    for record, sample in zip(mine, theirs, strict=True):
        named = [*record.get("images", ()), *record.get("mmdata_members", {}).values()]
        endings = {
            one.rpartition("!//")[2].removeprefix(sample["__key__"]).lower().lstrip(".") for one in named
        }
        assert endings == {k for k in sample if k not in ("json", "__key__", "__url__", "__local_path__")}
        assert ("json" in sample) == ("n" in record)


def test_what_a_record_names_is_matched(place: Path) -> None:
    picture = (place / "a.png").read_bytes()
    path = shard(
        place / "x.tar",
        [
            (
                "0.json",
                json.dumps({"image": "coco/train/a.png", "conversations": talk("<image>Hi")}).encode(),
            ),
            ("0.png", picture),
            ("0.cls", b"7"),
            ("1.json", json.dumps({"conversations": talk("<image><image>Hi")}).encode()),
            ("1.0.png", picture),
            ("1.1.png", picture),
            ("2.json", json.dumps({"images": ["p.png", "q.png"], "conversations": talk("Hi")}).encode()),
            ("2.png", picture),
        ],
    )
    found = records(path)
    assert found[0]["image"] == f"{path}!//0.png"
    assert found[0]["mmdata_names"] == {"image": "coco/train/a.png"}
    assert found[0]["mmdata_members"] == {"cls": f"{path}!//0.cls"}
    assert found[1]["images"] == [f"{path}!//1.0.png", f"{path}!//1.1.png"]
    report = convert(path, "out", to="webdataset")
    assert report.rejections == {"W01": 1}
    again = records(place / "out" / "x-000000.tar")
    assert [r["__key__"] for r in again] == ["0", "1"]
    with tarfile.open(place / "out" / "x-000000.tar") as tar:
        member = tar.extractfile("0.cls")
        assert member is not None
        assert member.read() == b"7"


def test_damage_is_named(place: Path) -> None:
    path = shard(
        place / "x.tar",
        [
            ("a.json", b'{"conversations": [}'),
            ("noending", b"x"),
            ("b.json", json.dumps({"conversations": talk("Hi")}).encode()),
            ("a.json", json.dumps({"conversations": talk("Hi")}).encode()),
        ],
    )
    report = convert(path, "out", to="internvl")
    assert (report.read, report.written) == (3, 1)
    assert report.problems == {"stray": 1}
    assert set(report.rejections) == {"syntax", "W01"}
    whole = path.read_bytes()
    (place / "cut.tar").write_bytes(whole[:2100])
    with open_source("cut.tar") as source:
        kinds = {item.kind for item in source.records() if not isinstance(item, RawRecord)}
    assert "truncated" in kinds


def test_compressed_shards_are_read(place: Path) -> None:
    import gzip

    convert("in.jsonl", "out", to="webdataset", carry=False)
    data = (place / "out" / "in-000000.tar").read_bytes()
    (place / "x.tar.gz").write_bytes(gzip.compress(data))
    report = convert("x.tar.gz", "back", to="internvl", carry=False)
    assert report.written == 4
    found = json.loads((place / "back" / "x.jsonl").read_text().splitlines()[0])
    assert (place / "back" / found["image"]).exists()


@pytest.mark.parametrize(
    "pattern",
    ["s-{000..003}.tar", "s-{0..12}.tar", "{a,b}-{1..2}.tar", "s-{3..1}.tar", "plain.tar", "s{x}.tar"],
)
def test_braces_as_webdataset_expands_them(place: Path, pattern: str) -> None:
    braceexpand = pytest.importorskip("braceexpand")
    wanted = list(braceexpand.braceexpand(pattern))
    for name in wanted:
        (place / name).write_bytes(b"x")
    assert expand([pattern]).files == wanted


def test_a_shard_that_is_not_there_is_named(place: Path) -> None:
    with pytest.raises(UsageError, match=r"s-1\.tar: no such file"):
        expand(["s-{1..2}.tar"])


def test_missing_media_are_rejects(place: Path) -> None:
    (place / "a.png").unlink()
    report = convert("in.jsonl", "out", to="webdataset")
    assert report.rejections == {"media-missing": 2}
    assert report.written == 2


@pytest.mark.parametrize("to", ["coco", "parquet", "webdataset"])
def test_a_run_that_stops_while_the_container_is_written_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    from mmdata.containers import WriteJob
    from mmdata.converting.recordconvert import RecordConverter

    lines = [{**RECORDS[0], "id": k} for k in range(50)]
    (place / "many.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    convert("many.jsonl", "whole", to=to)
    ordinary = WriteJob.__init__

    def stopping(job: WriteJob, **given: Any) -> None:
        ordinary(job, **given)

        def some() -> Any:
            for number, text in enumerate(given["records"]()):
                if number == 20:
                    raise KeyboardInterrupt
                yield text

        job.records = some

    with monkeypatch.context() as patch:
        patch.setattr(WriteJob, "__init__", stopping)
        with pytest.raises(KeyboardInterrupt):
            convert("many.jsonl", "out", to=to)
    assert not (place / "out").exists()
    converted = []
    convert_one = RecordConverter.convert
    monkeypatch.setattr(
        RecordConverter, "convert", lambda self, raw: converted.append(raw) or convert_one(self, raw)
    )
    report = convert("many.jsonl", "out", to=to)
    assert report.written == 50
    assert not converted, "records that were converted before are not converted again"
    names = [name for name in report.outputs if name != "report.json"]
    for name in names:
        assert (place / "out" / name).read_bytes() == (place / "whole" / name).read_bytes()
    assert sorted(p.name for p in (place / "out").iterdir()) == sorted(report.outputs)
