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
from mmdata import jit, masks
from mmdata.converting.carry import KEY
from mmdata.converting.conversion import Conversion, convert
from mmdata.converting.output import Output
from mmdata.converting.targets import targets
from mmdata.errors import UsageError
from mmdata.format import get_format
from mmdata.formats._shared.encode import RESERVED

H, W = 30, 40
OWN = (
    "geopixel",
    "geopixel-rle",
    "xcomposer",
    "xcomposer-2.0",
    "videorefer",
    "videorefer-vl3",
    "internvl",
    "llava",
    "llamafactory",
    "llamafactory-messages",
    "ms-swift",
    "openai-messages",
)


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
        "llava": [
            {"id": "l1", "image": "a.png", "model": "", "conversations": talk("<image>\nWhere?", "A <ref>car</ref><box>[[1,2,30,400]]</box>.")},
            {"image": ["a.png", "b.png"], "conversations": talk("<image> or <image>?", "Neither <video> nor [SEG].")},
            {"video": "clip.mp4", "conversations": talk("<image>\nWhat?", "A car.")},
            {"id": None, "conversations": plain},
        ],
        "llamafactory": [
            {"id": "f1", "images": ["a.png", "b.png"], "conversations": talk("<image><image>Which?", "Neither.")},
            {"conversations": plain, "system": "Be brief."},
            {"videos": ["clip.mp4"], "conversations": talk("<video>What?", "A <ref>car</ref><box>[[1,2,3,4]]</box>.")},
        ],
        "llamafactory-messages": [
            {"images": ["a.png"], "messages": say("<image>Where?", "<ref>car</ref><box>[[1,2,300,400]]</box>", system="Be brief.")},
            {"messages": say("Hi", "Hello", "And <region>?", "No [SEG] either.")},
        ],
        "ms-swift": [
            {
                "images": ["a.png"],
                "messages": say("<image>Where is the <ref-object>?", "<ref-object><bbox> and <bbox>", system="Be brief."),
                "objects": {"ref": ["car", "a red car"], "bbox": [[1, 2.5, 10, 20], [0, 0, 39, 29]]},
                "channel": "x",
            },
            {
                "images": ["a.png", "b.png"],
                "messages": say("What is <bbox>?", "A car."),
                "objects": {"ref": [], "bbox": [[0.1, 0.2, 0.5, 0.75]], "bbox_type": "norm1"},
            },
            {"messages": say("Hi", "Hello")},
        ],
        "openai-messages": [
            {
                "id": 4,
                "messages": say(
                    [{"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}}, {"type": "text", "text": "What is <image>?"}],
                    "A car.",
                    system="Be brief.",
                ),
            },
            {"messages": say([{"type": "text", "text": "And "}, {"type": "image", "image": "b.png"}], [{"type": "text", "text": "No."}])},
            {"messages": say([{"type": "video", "video": ["frames/0.png", "frames/1.png"]}, {"type": "text", "text": "?"}], "No.")},
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
    if source in ("internvl", "ms-swift"):
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
    else:
        path.write_text(json.dumps(records, ensure_ascii=False), "utf-8")
    return path


def name_of(source: str) -> str:
    return {"geopixel-rle": "geopixel", "llamafactory-messages": "llamafactory"}.get(source, source)


def say(*texts: Any, system: str | None = None) -> list[dict[str, Any]]:
    found = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    return found if system is None else [{"role": "system", "content": system}, *found]


def read(folder: Path, report: Conversion) -> list[dict[str, Any]]:
    found = []
    for name in report.outputs:
        if name.endswith(".jsonl") and name != "rejects.jsonl":
            found += [json.loads(line) for line in (folder / name).read_text("utf-8").split("\n") if line]
        elif name.endswith(".json") and name not in ("report.json", "meta.json", "dataset_info.json"):
            found += json.loads((folder / name).read_text("utf-8"))
    return found


def data_files(folder: Path, report: Conversion) -> list[str]:
    aside = ("report.json", "meta.json", "rejects.jsonl", "data.txt", "dataset_info.json")
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
    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 9000)
    path = many(place, 90)
    convert(path, place / "one", to="geopixel", jobs=1)
    convert(path, place / "two", to="geopixel", jobs=2)
    assert tree(place / "one") == tree(place / "two")


@pytest.mark.parametrize("memory", [16 << 20, 2000])
def test_bytes_do_not_depend_on_kernels_or_jobs(
    place: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    """Neither on where the output of a worker waits: in memory, or in a file where it is too large for that."""
    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 9000)
    monkeypatch.setattr("mmdata.converting.room.ROOM_BYTES", memory)
    records = [
        {"id": n + 1, "image": f"{n % 3}/{n}.png", "conversations": talk("<image>\nWhat?", f"Car {n}.")}
        for n in range(600)
    ]
    path = save(place / "many.jsonl", records, "internvl")
    for name, kernels, jobs in (("one", "0", 1), ("two", "1", 1), ("three", "1", 2)):
        monkeypatch.setenv("MMDATA_JIT", kernels)
        jit.available.cache_clear()
        convert(path, place / name, to="xcomposer", jobs=jobs)
    jit.available.cache_clear()
    trees = [tree(place / name) for name in ("one", "two", "three")]
    assert trees[0] == trees[1] == trees[2]
    assert len(trees[0]["many-image.json"]) > 100_000


def killed_in_the_middle(code: str, output: Path) -> Path:
    """Run a conversion and kill it when its journal has some batches; returns the journal."""
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    journal = output.parent / f".{output.name}.mmdata-partial/.journal.jsonl"
    while started.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.002)
    assert started.poll() is None, "it ended before it could be killed"
    started.send_signal(signal.SIGKILL)
    started.wait()
    return journal


def test_killed_run_goes_on(place: Path) -> None:
    path = many(place, 600)
    code = (
        "import mmdata.converting.processes as b; b.BATCH_BYTES = 9000\n"
        "from mmdata.converting.conversion import convert\n"
        f"print(convert({str(path)!r}, 'killed', to='geopixel', format='geopixel').read)"
    )
    journal = killed_in_the_middle(code, place / "killed")
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


def test_a_killed_run_leaves_its_place_free(place: Path) -> None:
    """Its workers may be in the middle of a batch: they hold the lock, and go."""
    path = many(place, 3000)
    code = (
        "import mmdata.converting.processes as b; b.BATCH_BYTES = 9000\n"
        "from mmdata.converting.conversion import convert\n"
        f"print(convert({str(path)!r}, 'out', to='videorefer', format='geopixel', jobs=2).read)"
    )
    killed_in_the_middle(code, place / "out")
    assert convert(path, place / "out", to="videorefer", format="geopixel").read == 3000


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


# --- what else the command promises ---------------------------------------------------------------------------------------


def plain(place: Path, count: int = 3, name: str = "talk") -> Path:
    """An InternVL file of plain records."""
    records = [
        {"id": n, "image": "a.png", "conversations": talk(f"<image>\nWhat is {n}?", f"A car of {n}.")}
        for n in range(1, count + 1)
    ]
    return save(place / name, records, "internvl")


def test_a_full_disk_is_one_clear_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 4000)
    path, room = plain(place, 400), [30_000]
    write = Output._write

    def full(self: Output, name: str, data: bytes) -> None:
        room[0] -= len(data)
        if room[0] < 0:
            write(self, name, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", name)
        write(self, name, data)

    monkeypatch.setattr(Output, "_write", full)
    with pytest.raises(UsageError, match="disk is full") as error:
        convert(path, place / "out", to="xcomposer", format="internvl")
    assert "out.mmdata-partial" in str(error.value)
    assert not (place / "out").exists()
    assert not list(place.glob("*.lock")) + list(place.glob(".*.lock"))
    room[0] = 10_000_000
    report = convert(path, place / "out", to="xcomposer", format="internvl")
    whole = convert(path, place / "whole", to="xcomposer", format="internvl")
    assert report.written == 400
    assert tree(place / "out") == tree(place / "whole")
    assert report.fields == whole.fields


@pytest.mark.parametrize("errno_name", ["EACCES", "EROFS"])
def test_an_output_that_cannot_be_written_is_one_clear_error(
    place: Path, monkeypatch: pytest.MonkeyPatch, errno_name: str
) -> None:
    import errno

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(getattr(errno, errno_name), "refused", "out")

    path = plain(place)
    monkeypatch.setattr("mmdata.converting.conversion.os.makedirs", refused)
    with pytest.raises(UsageError, match="refused"):
        convert(path, place / "out", to="xcomposer")


@pytest.mark.parametrize("mode", ["link", "copy"])
@pytest.mark.parametrize("to", OWN)
def test_media_files_go_along(place: Path, mode: str, to: str) -> None:
    path = save(place / "in.json", cases()["xcomposer"][:1], "xcomposer")
    report = convert(path, place / "out", to=to, media_files=mode, format="xcomposer")
    (record,) = read(place / "out", report)
    (picture,) = get_format(name_of(to)).media(record)
    there = place / "out" / picture.path
    assert there.is_symlink() == (mode == "link")
    assert there.read_bytes() == (place / "a.png").read_bytes()
    back = convert(data_files(place / "out", report), place / "back", to="xcomposer", format=name_of(to))
    assert read(place / "back", back) == cases()["xcomposer"][:1]


def test_a_missing_picture_cannot_be_copied(place: Path) -> None:
    records = [
        {"image": name, "conversations": talk("<ImageHere>?", "x", answer="bot")}
        for name in ("a.png", "no.png")
    ]
    path = save(place / "in.json", records, "xcomposer")
    report = convert(path, place / "out", to="internvl", media_files="copy")
    assert report.rejections == {"media-missing": 1}
    assert convert(path, place / "kept", to="internvl").rejections == {}


def test_paths_start_where_the_trainer_runs(place: Path) -> None:
    path = save(place / "in.json", [*cases()["xcomposer"][:1], *cases()["geopixel-rle"]], "geopixel")
    for base in (place, place / "runs/one"):
        report = convert(path, place / "out", to="geopixel", relative_to=base, force=True)
        for record in read(place / "out", report):
            assert (base / record["image"]).resolve() == place / "a.png"
            if "polygons" in record:
                assert (base / record["polygons"]).resolve().is_relative_to(place / "out/polygons")
        named = {line.split()[0] for line in (place / "out/data.txt").read_text().splitlines()}
        assert {str((base / name).resolve()) for name in named} == set(data_files(place / "out", report))
    report = convert(path, place / "meta", to="internvl", relative_to=place)
    (entry,) = json.loads((place / "meta/meta.json").read_text()).values()
    (record, *_) = read(place / "meta", report)
    assert (place / entry["root"] / record["image"]).resolve() == place / "a.png"
    assert [str(place / entry["annotation"])] == data_files(place / "meta", report)
    with pytest.raises(UsageError, match="cannot name files below a directory with spaces"):
        convert(path, place / "my out", to="geopixel", relative_to=place)
    assert convert(path, place / "my out", to="geopixel").written


def test_masks_become_questions(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel-rle"], "geopixel-rle")
    phrased = save(
        place / "phrased.json",
        [{**cases()["geopixel-rle"][0], "conversations": talk("<ImageHere>Where?", "A <p> red car </p> [SEG] and <p> a hut </p> [SEG].", answer="bot")}],
        "geopixel-rle",
    )  # fmt: skip
    assert convert(path, place / "bare", to="videorefer", invert=True).rejections == {"invert": 1}
    for to in ("videorefer", "videorefer-vl3"):
        report = convert(phrased, place / to, to=to, invert=True)
        (record,) = read(place / to, report)
        said = [turn["value"] for turn in record["conversations"]]
        assert said == ["<image>\nWhat is <region>?", "red car", "What is <region>?", "a hut"]
        found = record["annotation"] if to == "videorefer" else record["masks"]
        found = [one["0"]["segmentation"] for one in found] if to == "videorefer" else found
        assert [masks.decode(one).tolist() for one in found] == [
            masks.decode(one).tolist() for one in cases()["geopixel-rle"][0]["segmentation"]
        ]
        back = convert(data_files(place / to, report), place / f"back-{to}", to="geopixel-rle", format=to)
        assert read(place / f"back-{to}", back) == [json.loads(phrased.read_text())[0]]


def test_one_run_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(place)
    from mmdata.converting import lock
    from mmdata.converting.lock import sole_writer

    monkeypatch.setattr(lock, "PATIENCE", 0.1)

    with (
        sole_writer(str(place / ".out.mmdata-partial.lock"), "out"),
        pytest.raises(UsageError, match="another run"),
    ):
        convert(path, place / "out", to="xcomposer")
    assert not (place / "out").exists()
    assert convert(path, place / "out", to="xcomposer").written == 3


def test_two_runs_at_once_are_never_mixed(place: Path) -> None:
    paths = [plain(place, 300, "one"), plain(place, 500, "two")]
    code = (
        "import sys, mmdata.converting.processes as b; b.BATCH_BYTES = 5000\n"
        "from mmdata.converting.conversion import convert\n"
        "from mmdata.errors import UsageError\n"
        "try:\n    convert(sys.argv[1], 'out', to='xcomposer')\n"
        "except UsageError as error:\n    print(error); sys.exit(2)\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for path in paths
    ]
    said = [run.communicate()[0] for run in runs]
    won = [path.stem for path, run in zip(paths, runs, strict=True) if run.returncode == 0]
    assert sorted(run.returncode for run in runs) == [0, 2]
    assert all("another run" in text or "--force" in text or not text for text in said)
    report = json.loads((place / "out/report.json").read_text())
    assert report["read"] == {"one": 300, "two": 500}[won[0]]
    assert len(json.loads((place / f"out/{won[0]}-image.json").read_text())) == report["written"]


def test_standard_input_is_a_source(place: Path) -> None:
    path = plain(place, 40)
    command = [
        sys.executable,
        "-c",
        "import sys; from mmdata.cli import main; sys.exit(main())",
        "convert",
        "-",
        "--to",
        "xcomposer",
        "--format",
        "internvl",
        "-o",
    ]
    for name, jobs in (("piped", "1"), ("many", "2")):
        with path.open("rb") as file:
            subprocess.run([*command, name, "--jobs", jobs], stdin=file, check=True, capture_output=True)
    convert(path, place / "named", to="xcomposer")
    records = [read(place / name, Conversion(outputs=["stdin-image.json"])) for name in ("piped", "many")]
    assert records[0] == records[1] == read(place / "named", Conversion(outputs=["talk-image.json"]))


def test_the_same_command_again_has_nothing_to_do(place: Path) -> None:
    path = plain(place)
    first = convert(path, place / "out", to="xcomposer")
    before = {p: p.stat().st_mtime_ns for p in (place / "out").rglob("*")}
    again = convert(path, place / "out", to="xcomposer")
    assert not first.repeated
    assert again.repeated
    assert again.exit_code == 0
    assert again.as_dict() == first.as_dict()
    assert again.summary().startswith("nothing to do")
    assert before == {p: p.stat().st_mtime_ns for p in (place / "out").rglob("*")}
    (place / "out/talk-image.json").unlink()
    with pytest.raises(UsageError, match="--force"):
        convert(path, place / "out", to="xcomposer")
    with pytest.raises(UsageError, match="--force"):
        convert(path, place / "out", to="videorefer")


@pytest.mark.parametrize(
    ("source", "to", "refused"),
    [
        ("geopixel-rle", "internvl", True),  # mask -> box
        ("geopixel-rle", "xcomposer", True),  # no masks at all
        ("videorefer", "xcomposer", True),  # region -> box in plain text
        ("videorefer", "videorefer-vl3", True),  # a key beside a mask
        ("geopixel-rle", "geopixel", False),
        ("xcomposer-2.0", "internvl", False),
    ],
)
def test_what_counts_as_a_loss(place: Path, source: str, to: str, refused: bool) -> None:
    path = save(place / "in.json", cases()[source][:1], source)
    strict = {"to": to, "format": name_of(source), "carry": False}
    report = convert(path, place / "out", on_loss="error", **strict)  # type: ignore[arg-type]
    assert report.rejections == ({"lost": 1} if refused else {})
    assert report.exit_code == int(refused)
    lenient = convert(path, place / "lenient", **strict)  # type: ignore[arg-type]
    assert (lenient.written, lenient.exit_code) == (1, 0)
    gone = sum(one["lost"] + one["approximated"] for one in lenient.fields.values())
    assert bool(gone) == refused
    # What is carried is not lost.
    carried = convert(path, place / "carried", to=to, format=name_of(source), on_loss="error")
    assert carried.rejections == {}


def test_targets_named_for_their_mixture(place: Path) -> None:
    path = save(place / "in.json", cases()["geopixel-rle"], "geopixel-rle")
    for name, same, mixture in (
        ("internvl-meta", "internvl", "meta.json"),
        ("data-txt", "geopixel", "data.txt"),
    ):
        report = convert(path, place / name, to=name)
        assert mixture in report.outputs
        convert(path, place / same, to=same)
        assert tree(place / name) == tree(place / same)
    # The mixture is what one goes on from.
    os.chdir(place / "internvl-meta")
    back = convert("meta.json", place / "back", to="geopixel-rle")
    assert read(place / "back", back) == cases()["geopixel-rle"]


def test_a_meta_file_keeps_its_weights(place: Path) -> None:
    one, two = plain(place, 10, "one"), plain(place, 6, "two")
    entry = {"root": ".", "data_augment": True, "max_dynamic_patch": 6}
    meta = {
        "first": {**entry, "annotation": str(one), "repeat_time": 3, "length": 10},
        "half": {**entry, "annotation": str(two), "repeat_time": 0.5, "length": 6},
        "again": {**entry, "annotation": str(one), "repeat_time": 1, "length": 10},
        "gone": {**entry, "annotation": "gone.jsonl", "repeat_time": 1, "length": 1},
    }
    (place / "mix.json").write_text(json.dumps(meta))
    report = convert(place / "mix.json", place / "out", to="internvl-meta")
    assert [source["read"] for source in report.sources] == [10, 6]
    found = json.loads((place / "out/meta.json").read_text())
    assert {
        name: (e["annotation"], e["repeat_time"], e["max_dynamic_patch"], e["length"])
        for name, e in found.items()
    } == {
        "first": ("one.jsonl", 3, 6, 10),
        "half": ("two.jsonl", 0.5, 6, 6),
        "again": ("one.jsonl", 1, 6, 10),
    }
    assert any("gone.jsonl" in text for text in report.mixtures[0]["differences"])
    report = convert(place / "mix.json", place / "txt", to="xcomposer")
    lines = [line.split(" ") for line in (place / "txt/data.txt").read_text().splitlines()]
    assert {name: int(float(number) * 1000) for name, number in lines} == {
        "one-image.json": 40,
        "two-image.json": 3,
    }
    assert any("max_dynamic_patch" in text for text in report.mixtures[0]["differences"])


def test_a_data_txt_keeps_its_numbers(place: Path) -> None:
    mixed = [*cases()["xcomposer"][:1] * 8, *cases()["xcomposer"][2:] * 2]
    save(place / "mixed.json", mixed, "xcomposer")
    save(place / "few.json", cases()["xcomposer"][:1] * 4, "xcomposer")
    (place / "mix.txt").write_text("mixed.json 0.02\nfew.json 0.003\n")
    report = convert(place / "mix.txt", place / "out", to="data-txt")
    lines = [line.split(" ") for line in (place / "out/data.txt").read_text().splitlines()]
    # Twice as many as there are, shared out among the kinds; then three of four.
    assert {name: int(float(number) * 1000) for name, number in lines} == {
        "mixed-image.json": 16,
        "mixed-text.json": 4,
        "few-image.json": 3,
    }
    assert report.sources[0]["outputs"] == {"mixed-image.json": 8, "mixed-text.json": 2}
    report = convert(place / "mix.txt", place / "meta", to="internvl")
    found = json.loads((place / "meta/meta.json").read_text())
    assert {name: int(e["length"] * e["repeat_time"]) for name, e in found.items()} == {"mixed": 20, "few": 3}


@pytest.mark.parametrize("to", ["geopixel", "internvl"])
def test_a_source_may_be_empty(place: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = place / "empty.jsonl"
    empty.write_text("\n")
    report = convert([empty, plain(place)], place / "out", to=to, format="internvl")
    assert [one["written"] for one in report.sources] == [0, 3]
    monkeypatch.chdir(place / "out")
    assert mmdata.validate(".").ok


def test_a_source_whose_name_begins_with_a_dot(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The growing output has such names of its own."""
    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 2000)
    path = plain(place, 60).rename(place / ".journal.json")
    whole = convert(path, place / "whole", to="xcomposer", format="internvl")
    assert whole.outputs[0] == "journal-image.json"
    add = Output.append

    def stop(self: Output, task: Any, part: Any, outputs: Any) -> None:
        if part.number == 2:
            raise KeyboardInterrupt
        add(self, task, part, outputs)

    monkeypatch.setattr(Output, "append", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(path, place / "out", to="xcomposer", format="internvl")
    monkeypatch.setattr(Output, "append", add)
    convert(path, place / "out", to="xcomposer", format="internvl")
    assert tree(place / "out") == tree(place / "whole")


def test_ranges_of_arrays_that_begin_at_a_wrong_guess(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 3000)
    inner = [
        {"id": n, "image": "a.png", "segmentation": [], "conversations": talk("x", "[SEG]")}
        for n in range(60)
    ]
    record = cases()["geopixel-rle"][0]
    records = [{**record, "id": n, "notes": inner if n % 3 == 1 else None} for n in range(9)]
    path = save(place / "nested.json", records, "geopixel-rle")
    one = convert(path, place / "one", to="geopixel", jobs=1)
    assert one.written == 9
    convert(path, place / "two", to="geopixel", jobs=2)
    assert tree(place / "one") == tree(place / "two")


def test_conversion_brings_no_new_warning(place: Path) -> None:
    """A warning of the target's checks that the source's own checks did not have would be our doing."""
    trainers = [name for name in OWN if name.startswith(("geopixel", "xcomposer", "videorefer", "internvl"))]
    for source, to in product(trainers, trainers):
        records = cases()[source]
        path = save(place / "in.json", records, source)
        had = {f.code for f in mmdata.validate(str(path), format=name_of(source), media="none").findings}
        report = convert(path, place / "out", to=to, format=name_of(source), force=True)
        # A box that is one pixel wide has no ring around an area: that is how it is drawn exactly.
        thin = {"G09"} if (source, to) == ("internvl", "geopixel") else set()
        assert set(report.warnings) <= had | thin, (source, to)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("data/in.jsonl", "data"),
        ("in.jsonl", "data"),  # the pictures lie there
        ("in.jsonl", "data/images"),
        ("absolute.jsonl", "data"),
        ("in.jsonl", "link"),
    ],
)
@pytest.mark.parametrize("mode", ["keep", "copy"])
def test_what_is_read_is_not_thrown_away(place: Path, source: str, output: str, mode: str) -> None:
    (place / "data/images").mkdir(parents=True)
    shutil.copy(place / "a.png", place / "data/images/a.png")
    (place / "link").symlink_to("data")
    record: dict[str, Any] = {"image": "data/images/a.png", "conversations": talk("<image>\nWhat?", "A car.")}
    for name in ("in.jsonl", "data/in.jsonl", "absolute.jsonl"):
        image = str(place / record["image"]) if name == "absolute.jsonl" else record["image"]
        (place / name).write_text(json.dumps({**record, "image": image}) + "\n")
    before = tree(place)
    with pytest.raises(UsageError, match="replace"):
        convert(place / source, place / output, to="llava", force=True, media_files=mode)
    assert tree(place) == before


def test_the_working_directory_is_not_replaced(place: Path) -> None:
    path = plain(place)
    (place / "sub").mkdir()
    (place / "sub/mine.txt").write_text("x")
    os.chdir(place / "sub")
    with pytest.raises(UsageError, match="working directory"):
        convert(path, ".", to="llava", force=True)
    assert (place / "sub/mine.txt").exists()


@pytest.mark.parametrize("mode", ["link", "copy"])
def test_a_linked_picture_keeps_its_name(place: Path, mode: str) -> None:
    """As in a cache of downloads, whose files are named by their content and have no ending."""
    (place / "blobs").mkdir()
    (place / "a.png").rename(place / "blobs/0123abcd")
    (place / "a.png").symlink_to("blobs/0123abcd")
    report = convert(plain(place), place / "out", to="llava", media_files=mode)
    for record in read(place / "out", report):
        assert record["image"].endswith("/a.png")
        assert (place / "out" / record["image"]).read_bytes() == (place / "blobs/0123abcd").read_bytes()


def test_a_plan_copies_no_media(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = place / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    path = save(place / "in.json", cases()["geopixel"], "geopixel")
    most = 0
    write = Output.append

    def look(self: Output, *given: Any) -> None:
        nonlocal most
        write(self, *given)
        most = max(most, sum(one.is_file() for one in scratch.rglob("*")))

    monkeypatch.setattr(Output, "append", look)
    planned = convert(path, place / "no/out", to="geopixel", media_files="copy", plan=True)
    assert (most, list(scratch.iterdir()), (place / "no").exists()) == (0, [], False)
    done = convert(path, place / "no/out", to="geopixel", media_files="copy")
    assert planned.fields == done.fields
    assert planned.sources == done.sources


@pytest.mark.parametrize("at_once", [True, False])
def test_a_directory_is_replaced_as_a_whole(
    place: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Killed at any step of that, the same command ends as if nothing had been."""
    if not at_once:
        monkeypatch.setattr("mmdata.converting.output.ctypes.CDLL", object())
    path = plain(place)
    convert(path, place / "whole", to="llava")
    whole = tree(place / "whole")
    steps = ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "ctypes.dlsym")
    for step in range(1, 40):
        (place / "out").mkdir(exist_ok=True)
        (place / "out/mine.txt").write_text("x")
        child = os.fork()
        if child == 0:
            left = step

            def event(name: str, args: tuple[Any, ...]) -> None:
                del args
                nonlocal left
                left -= name in steps
                if not left:
                    os._exit(9)

            sys.addaudithook(event)
            convert(path, place / "out", to="llava", force=True)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert (place / "out").exists() or not at_once
        convert(path, place / "out", to="llava", force=True)
        assert tree(place / "out") == whole
        assert not list(place.glob(".*partial*"))
        if not killed:
            break
    assert 4 < step < 39


@pytest.mark.parametrize("where", ["absolute", "outside", "elsewhere"])
@pytest.mark.parametrize("now", ["same", "changed", "gone"])
def test_carried_masks_come_back_whatever_lies_in_their_place(place: Path, where: str, now: str) -> None:
    """A polygon file that the output cannot hold under its own name may have changed meanwhile."""
    (place / "far").mkdir()
    path = {
        "absolute": str(place / "far/side.json"),
        "outside": "../far/side.json",
        "elsewhere": "far/side.json",
    }[where]
    shutil.copy(place / "side.json", place / "far/side.json")
    content = (place / "side.json").read_bytes()
    (place / "run").mkdir()
    os.chdir(place / "run" if where == "outside" else place)
    image = str(place / "a.png")
    record = {**cases()["geopixel"][0], "polygons": path, "image": image}
    source = save(place / "in.json", [record], "geopixel")
    there = convert(source, place / "there", to="internvl", format="geopixel")
    if now == "gone":
        (place / "far/side.json").unlink()
    elif now == "changed":
        changed = json.loads(content)
        changed["polygons"][0] = [[[0, 0], [9, 0], [9, 9]]]
        (place / "far/side.json").write_text(json.dumps(changed))
    base = place if where == "elsewhere" else None
    back = convert(
        data_files(place / "there", there), place / "back", to="geopixel", format="internvl", relative_to=base
    )
    (found,) = read(place / "back", back)
    assert {**found, "polygons": path} == record
    assert (found["polygons"] == path) == (now == "same")
    assert (base or place / "back").joinpath(found["polygons"]).read_bytes() == content


def test_copies_that_a_crash_of_the_machine_cut_off_are_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmdata.converting.processes.BATCH_BYTES", 2000)
    path = plain(place, 60)
    convert(path, place / "whole", to="llava", media_files="copy")
    add = Output.append

    def stop(self: Output, task: Any, part: Any, outputs: Any) -> None:
        if part.number == 2:
            raise KeyboardInterrupt
        add(self, task, part, outputs)

    monkeypatch.setattr(Output, "append", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(path, place / "out", to="llava", media_files="copy")
    monkeypatch.setattr(Output, "append", add)
    monkeypatch.setattr("mmdata.converting.output._boot", lambda: "another")
    (copy,) = (place / ".out.mmdata-partial/media").rglob("*.png")
    copy.write_bytes(b"")
    convert(path, place / "out", to="llava", media_files="copy")
    assert tree(place / "out") == tree(place / "whole")


def test_files_of_a_directory_that_are_not_read_are_named(place: Path) -> None:
    folder = place / "set"
    folder.mkdir()
    save(folder / "one.jsonl", [{"id": 1, "conversations": talk("Hi", "Hello")}], "internvl")
    for name in ("a.md", "b.md"):
        (folder / name).write_text("words")
    (folder / "settings.json").write_text('{"colour": "red"}')
    report = convert(folder, place / "o", to="xcomposer")
    assert [line.rpartition("/")[2] for line in report.left_aside] == [
        "*.md (not a data file)",
        "settings.json (no known format)",
    ]
    assert all(line in report.summary() for line in report.left_aside)
    assert json.loads((place / "o" / "report.json").read_text())["left_aside"] == report.left_aside
    assert convert(folder, place / "p", to="xcomposer", plan=True).left_aside == report.left_aside
