"""`convert`: the ledger balances, round trips are exact, what comes out is clean, and a killed run goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import mmdata
from mmdata import masks
from mmdata.carry import KEY
from mmdata.conversion import Conversion, convert
from mmdata.errors import UsageError
from mmdata.formats._shared.encode import RESERVED
from mmdata.recordconvert import targets

H, W = 30, 40
OWN = ("geopixel", "geopixel-rle", "xcomposer", "xcomposer-2.0", "videorefer", "videorefer-vl3", "internvl")


def rle(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    pixels = np.zeros((H, W), np.uint8)
    pixels[top:bottom, left:right] = 1
    pixels[top, left] = 0
    return dict(masks.encode(pixels))


def talk(*texts: str, answer: str = "gpt") -> list[dict[str, str]]:
    return [{"from": answer if i % 2 else "human", "value": text} for i, text in enumerate(texts)]


def cases() -> dict[str, list[dict[str, Any]]]:
    grounded = talk("<ImageHere>Where?", "A <p> red car </p> [SEG] and [SEG].", answer="bot")
    plain = talk("Hello", "Grüße 你好")
    return {
        "geopixel": [
            {"id": "g1", "image": "a.png", "polygons": "side.json", "conversations": grounded, "score": 0.5},
            {"image": "a.png", "polygons": "side.json", "conversations": talk("Where?", "[SEG] [SEG]", answer="bot")},
        ],
        "geopixel-rle": [
            {"id": 1, "image": "a.png", "segmentation": [rle(3, 4, 20, 18), rle(0, 0, 9, 9)], "conversations": grounded}
        ],
        "xcomposer": [
            {"id": 3, "image": "a.png", "conversations": talk("What is it?", "A car.", answer="assistant")},
            {"image": ["a.png", "b.png"], "conversations": talk("<ImageHere> or <ImageHere>?", "<image> no", answer="bot")},
            {"id": "t", "conversations": plain, "masks": {"odd": [None, 1e300]}},
        ],
        "xcomposer-2.0": [{"image": ["a.png"], "conversations": talk("<ImageHere>What?", "A car.", answer="bot")}],
        "videorefer": [
            {
                "id": 5,
                "image": "a.png",
                "annotation": [{"0": {"segmentation": rle(1, 2, 9, 9), "note": "x"}}],
                "height": H,
                "width": W,
                "conversations": talk("<image>\nWhat is <region>?", "A car."),
            },
            {
                "video": "frames",
                "annotation": [{"0": {"segmentation": rle(1, 2, 9, 9)}, "1": {"segmentation": rle(4, 4, 9, 9)}}],
                "height": H,
                "width": W,
                "conversations": talk("<video>\nWhat is <region>?", "A car."),
            },
        ],
        "videorefer-vl3": [
            {
                "image": "a.png",
                "masks": [[[2.5, 2, 20, 2, 20, 20.25]], rle(0, 0, 5, 5)],
                "height": H,
                "width": W,
                "conversations": talk("<image>\n<region> and <region>?", "Two cars."),
            },
            {"video": ["clip.mp4"], "conversations": talk("<video>\nWhat?", "A car.")},
        ],
        "internvl": [
            {"id": 9, "image": "a.png", "width": W, "conversations": talk("<image>\nWhere?", "<ref>car</ref><box>[[1,2,30,400],[5, 5, 999, 1000]]</box>.")},
            {"conversations": [{"from": "system", "value": "Be brief."}, *plain], "length": 7},
        ],
    }  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "frames/0.png", "frames/1.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (W, H)).save(path)
    ring = [[3, 3], [20, 4], [18.7, 20], [4, 15]]
    side = {
        "id": 1,
        "img": "a.png",
        "polygons": [[ring], [[[1, 1], [9, 1], [9, 9]], [[20, 20], [30, 20], [25, 29]]]],
    }
    (tmp_path / "side.json").write_text(json.dumps(side))
    return tmp_path


def save(path: Path, records: list[Any], source: str) -> Path:
    if source == "internvl":
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
    else:
        path.write_text(json.dumps(records, ensure_ascii=False), "utf-8")
    return path


def name_of(source: str) -> str:
    return "geopixel" if source == "geopixel-rle" else source


def read(folder: Path, report: Conversion) -> list[dict[str, Any]]:
    found = []
    for name in report.outputs:
        if name.endswith(".jsonl") and name != "rejects.jsonl":
            found += [json.loads(line) for line in (folder / name).read_text("utf-8").split("\n") if line]
        elif name.endswith(".json") and name not in ("report.json", "meta.json"):
            found += json.loads((folder / name).read_text("utf-8"))
    return found


def data_files(folder: Path, report: Conversion) -> list[str]:
    aside = ("report.json", "meta.json", "rejects.jsonl", "data.txt")
    return [str(folder / name) for name in report.outputs if name not in aside]


def test_own_formats_are_targets() -> None:
    assert set(OWN) <= set(targets())


@pytest.mark.parametrize(("source", "to"), list(product(OWN, OWN)))
def test_matrix_round_trip(place: Path, source: str, to: str) -> None:
    records = cases()[source]
    path = save(place / "in.json", records, source)
    report = convert(path, place / "out", to=to, format=name_of(source))
    assert report.read == len(records) == report.written + report.rejected
    rejected = []
    if report.rejected:
        lines = (place / "out/rejects.jsonl").read_text().splitlines()
        rejected = [json.loads(line)["record"] for line in lines]
        for line in lines:
            entry = json.loads(line)
            assert json.loads(entry["original"]) == records[entry["record"]]
            assert entry["code"]
            assert entry["reason"]
    assert not report.losses
    kept = [r for number, r in enumerate(records) if number not in rejected]
    files = data_files(place / "out", report)
    if not files:
        assert not kept
        return
    checked = mmdata.validate(files, format=name_of(to), media="none", media_root=str(place / "out"))
    assert checked.exit_code() == 0, checked.findings
    back = convert(files, place / "back", to=source, format=name_of(to))
    assert back.rejected == 0

    def text(record: dict[str, Any]) -> str:
        return json.dumps(record)

    # Files split by kind change the order between kinds, not within one.
    assert sorted(map(text, read(place / "back", back))) == sorted(map(text, kept))


def test_masks_are_exact_between_encodings(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel"][:1], "geopixel")
    report = convert(path, place / "out", to="geopixel-rle", carry=False)
    (record,) = read(place / "out", report)
    with mmdata.open(str(path), format="geopixel") as ds:
        wanted = masks.of(ds.sample(0))
    assert [masks.decode(one).tolist() for one in record["segmentation"]] == wanted.tolist()
    report = convert(place / "out" / report.outputs[0], place / "poly", to="geopixel", carry=False)
    (record,) = read(place / "poly", report)
    rings = json.loads((place / "poly" / record["polygons"]).read_text())["polygons"]
    assert [masks.rasterize(one, (H, W), "opencv").tolist() for one in rings] == wanted.tolist()


def test_grounding_becomes_boxes(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel-rle"], "geopixel-rle")
    report = convert(path, place / "out", to="internvl", carry=False)
    (record,) = read(place / "out", report)
    box = [round(3 / W * 1000), round(4 / H * 1000), round(20 / W * 1000), round(18 / H * 1000)]
    assert record["conversations"][1]["value"].startswith(
        f"A <ref>red car</ref><box>[{box}]</box> and <box>".replace(", ", ",")
    )
    assert report.losses["mask shape"] == 1
    assert os.path.exists(place / "out" / record["image"])


def test_loss_can_be_refused(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel-rle"], "geopixel-rle")
    report = convert(path, place / "out", to="xcomposer", carry=False, on_loss="error")
    assert (report.written, report.rejected, report.exit_code) == (0, 1, 1)
    assert report.rejections == {"lost": 1}


def test_an_edit_wins_over_the_carry(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel"][:1], "geopixel")
    report = convert(path, place / "out", to="internvl")
    (record,) = read(place / "out", report)
    record["conversations"][1]["value"] = "A <ref>blue van</ref><box>[[0,0,500,500]]</box>."
    edited = save(place / "out/edited", [record], "internvl")
    back = convert(edited, place / "back", to="geopixel-rle")
    (found,) = read(place / "back", back)
    assert found["conversations"][1]["value"] == "A <p> blue van </p> [SEG]."
    assert masks.box(found["segmentation"][0], "xyxy") == (0, 0, W // 2, H // 2)
    assert found["id"] == "g1"
    assert found["score"] == 0.5


def test_an_edit_of_the_text_leaves_the_masks(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel"][:1], "geopixel")
    report = convert(path, place / "out", to="internvl")
    (record,) = read(place / "out", report)
    turn = record["conversations"][1]
    turn["value"] = turn["value"].replace("red car", "rusty car")
    back = convert(save(place / "out/edited", [record], "internvl"), place / "back", to="geopixel-rle")
    direct = convert(path, place / "direct", to="geopixel-rle")
    (found,), (wanted,) = read(place / "back", back), read(place / "direct", direct)
    assert found["segmentation"] == wanted["segmentation"]
    assert "rusty car" in found["conversations"][1]["value"]


def test_two_conversions_lose_no_more_than_one(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel"], "geopixel")
    one = convert(path, place / "one", to="xcomposer")
    two = convert(data_files(place / "one", one), place / "two", to="internvl", format="xcomposer")
    direct = convert(path, place / "direct", to="internvl")
    texts = [
        [r["conversations"] for r in read(place / n, rep)] for n, rep in (("two", two), ("direct", direct))
    ]
    assert texts[0] == texts[1]


def test_inversion(place: Path) -> None:
    path = save(place / "in.json", cases()["videorefer"][:1], "videorefer")
    report = convert(path, place / "out", to="geopixel-rle", invert=True)
    (record,) = read(place / "out", report)
    assert record["conversations"][1]["value"] == "[SEG]"
    assert "A car." in record["conversations"][0]["value"]
    assert masks.decode(record["segmentation"][0]).tolist() == masks.decode(rle(1, 2, 9, 9)).tolist()


def test_broken_records_are_counted_and_kept(place: Path) -> None:
    lines = [
        b'{"conversations": [}',
        b'{"conversations": "\xff"}',
        b"[1]",
        b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "n": 123456789012345678901234567890}',
        b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "n": NaN}',
        b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}',
        b'{"conversations": [{"from": "human", "value": 5}]}',
        b'{"image": {"a": 1}, "conversations": {"a": null}}',
    ]  # fmt: skip
    (place / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    for to in OWN:
        report = convert(place / "in.jsonl", place / to, to=to, format="internvl")
        assert (report.read, report.written, report.rejected) == (8, 1, 7)
        entries = [json.loads(line) for line in (place / to / "rejects.jsonl").read_text().splitlines()]
        import base64

        originals = [
            e["original"].encode() if "original" in e else base64.b64decode(e["base64"]) for e in entries
        ]
        assert originals == lines[:5] + lines[6:]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def many(place: Path, count: int) -> Path:
    record = cases()["geopixel-rle"][0]
    return save(place / "many.json", [{**record, "id": n} for n in range(count)], "geopixel-rle")


def test_bytes_do_not_depend_on_jobs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmdata.converting.batches.BATCH_BYTES", 9000)
    path = many(place, 90)
    convert(path, place / "one", to="geopixel", jobs=1)
    convert(path, place / "two", to="geopixel", jobs=2)
    assert tree(place / "one") == tree(place / "two")


def test_killed_run_goes_on(place: Path) -> None:
    path = many(place, 600)
    code = (
        "import mmdata.converting.batches as b; b.BATCH_BYTES = 9000\n"
        "from mmdata.conversion import convert\n"
        f"print(convert({str(path)!r}, 'killed', to='geopixel', format='geopixel').read)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    journal = place / ".killed.mmdata-partial/.journal.jsonl"
    while started.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.002)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (place / "killed").exists()
    # What a finished batch left beside the records is not written again.
    before = {p: p.stat().st_mtime_ns for p in (journal.parent / "polygons").rglob("*.json")}
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [sys.executable, "-c", code.replace("'killed'", "'whole'")], check=True, stdout=subprocess.DEVNULL
    )
    assert tree(place / "killed") == tree(place / "whole")
    after = {p: (place / "killed" / p.relative_to(journal.parent)).stat().st_mtime_ns for p in before}
    assert sum(before[p] == after[p] for p in before) >= 20
    assert not list(place.glob(".*partial*"))


def test_output_is_not_overwritten(place: Path) -> None:
    path = save(place / "in.json", cases()["xcomposer"], "xcomposer")
    (place / "out").mkdir()
    (place / "out/mine.txt").write_text("x")
    with pytest.raises(UsageError, match="--force"):
        convert(path, place / "out", to="internvl")
    assert (place / "out/mine.txt").exists()
    convert(path, place / "out", to="internvl", force=True)
    assert not (place / "out/mine.txt").exists()


def test_plan_writes_nothing(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel"], "geopixel")
    before = tree(place)
    report = convert(path, place / "out", to="internvl", plan=True)
    assert report.written == 2
    assert report.fields["masks"]["approximated"] == 2
    assert tree(place) == before


def test_media_can_be_copied(place: Path) -> None:
    path = save(place / "in.json", cases()["xcomposer"], "xcomposer")
    report = convert(path, place / "out", to="videorefer-vl3", media_files="copy")
    moved = shutil.move(place / "out", place / "elsewhere")
    for record in read(Path(moved), report):
        for one in [record["image"]] if isinstance(record.get("image"), str) else record.get("image", []):
            assert (place / "elsewhere" / one).read_bytes() == (place / "a.png").read_bytes()


def test_mixture_files_name_what_was_written(place: Path) -> None:
    path = save(place / "in.json", cases()["xcomposer"], "xcomposer")
    convert(path, place / "geo", to="geopixel")
    lines = [line.split(" ") for line in (place / "geo/data.txt").read_text().splitlines()]
    for name, number in lines:
        assert int(float(number) * 1000) == len(json.loads((place / "geo" / name).read_text()))
    convert(path, place / "iv", to="internvl")
    meta = json.loads((place / "iv/meta.json").read_text())
    again = convert(path, place / "iv2", to="internvl")
    assert sum(one["length"] for one in meta.values()) == again.written
    os.chdir(place / "geo")
    named = convert("data.txt", place / "all", to="internvl")
    assert named.written == again.written


KNOWN = RESERVED | {"length"}
TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["<image>", "[SEG]", "<p>x</p>", "<box>[[1,2,3,4]]</box>"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
    # A known key of the wrong type makes a record that its own format refuses when it comes back.
    st.dictionaries(
        st.text(max_size=6).filter(lambda key: key not in KNOWN),
        st.none() | st.integers(-9, 9) | TEXT,
        max_size=3,
    ),
    st.sampled_from(OWN),
)
def test_generated_records_come_back(
    place: Path, pairs: list[tuple[str, str]], extra: dict[str, Any], to: str
) -> None:
    record = {**extra, "conversations": talk(*(text for pair in pairs for text in pair))}
    record.pop(KEY, None)
    path = save(place / "gen", [record], "internvl")
    report = convert(path, place / "out", to=to, format="internvl", force=True)
    assert report.read == 1 == report.written + report.rejected
    if report.written:
        back = convert(
            data_files(place / "out", report), place / "back", to="internvl", format=name_of(to), force=True
        )
        assert read(place / "back", back) == [record]
