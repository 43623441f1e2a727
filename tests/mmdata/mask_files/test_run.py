"""`rasterize`: every mask in a file that opens, every record accounted for, interrupted work taken up again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mmdata import masks
from mmdata.cli import main
from mmdata.errors import MMDataError, UsageError
from mmdata.mask_files import rasterize_file
from mmdata.mask_files.run import _Job
from mmdata.raster_diff import raster_diff

File = Callable[..., Path]
SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]
OVER = [[20, 20], [50, 20], [50, 40], [20, 40]]
APART = [[40, 2], [50, 2], [50, 9]]


def index(folder: str) -> Any:
    return json.loads(Path(folder, "index.json").read_text())


def drawn(ring: Any) -> Any:
    return masks.rasterize([ring], (48, 64), "opencv")


def test_a_palette_picture_holds_every_object(geopixel_file: File) -> None:
    summary = rasterize_file(str(geopixel_file([[SQUARE], [APART]])), "out")
    assert (summary.records, summary.written, summary.files) == (1, 1, 1)
    picture = Image.open("out/000000.png")
    assert picture.mode == "P"
    assert picture.getpalette()[:6] == [0, 0, 0, 128, 0, 0]
    np.testing.assert_array_equal(np.array(picture), drawn(SQUARE) + 2 * drawn(APART))


def test_covered_objects_get_files_of_their_own(geopixel_file: File) -> None:
    summary = rasterize_file(str(geopixel_file()), "out")
    assert (summary.files, summary.overlapping) == (2, 1)
    shared, own = index("out")["records"][0]["files"]
    hidden = int((drawn(SQUARE) & drawn(OVER)).sum())
    assert [o["hidden"] for o in shared["objects"]] == [hidden, 0]
    np.testing.assert_array_equal(np.array(Image.open(f"out/{own['file']}")), drawn(SQUARE))
    assert (np.array(Image.open(f"out/{shared['file']}")) == 2).sum() == drawn(OVER).sum()


def test_one_file_an_object(geopixel_file: File) -> None:
    rasterize_file(str(geopixel_file()), "out", per="object")
    for entry, ring in zip(index("out")["records"][0]["files"], (SQUARE, OVER), strict=True):
        np.testing.assert_array_equal(np.array(Image.open(f"out/{entry['file']}")), drawn(ring))


def test_more_objects_than_a_palette_holds(geopixel_file: File) -> None:
    rings = [[[[x, y], [x + 1, y], [x + 1, y + 1]]] for y in range(0, 46, 3) for x in range(0, 60, 3)][:300]
    rasterize_file(str(geopixel_file(rings)), "out")
    values = np.array(Image.open("out/000000.png"))
    assert sorted(np.unique(values)) == list(range(301))


def test_npz(geopixel_file: File) -> None:
    rasterize_file(str(geopixel_file()), "out", to="npz")
    with np.load("out/000000.npz") as arrays:
        assert arrays.files == ["object_0", "object_1"]
        np.testing.assert_array_equal(arrays["object_1"], drawn(OVER))


def test_coco_opens_in_pycocotools(geopixel_file: File, capsys: pytest.CaptureFixture[str]) -> None:
    rasterize_file(str(geopixel_file(records=3)), "out", to="coco")
    coco = COCO("out/instances.json")
    assert len(coco.imgs) == 3
    found = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [a["area"] for a in found] == [int(drawn(r).sum()) for r in (SQUARE, OVER)]
    np.testing.assert_array_equal(masks.decode(found[0]["segmentation"]), drawn(SQUARE))
    assert coco.imgs[1]["file_name"] == "a.png"


def test_frames_of_a_video(videorefer_file: File) -> None:
    mask = {"segmentation": dict(masks.encode(np.ones((4, 6), np.uint8)))}
    path = videorefer_file([{"3": mask, "12": {"segmentation": None}}, {"3": mask}])
    rasterize_file(str(path), "out")
    assert sorted(p.name for p in Path("out").glob("*.png")) == [
        "000000_f12.png",
        "000000_f3.png",
        "000000_f3_o000.png",
    ]
    assert np.array(Image.open("out/000000_f3.png")).min() == 2


def test_rejects_are_listed_and_the_rest_is_written(
    geopixel_file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    path = geopixel_file(records=4)
    records = json.loads(path.read_text())
    records[1]["polygons"] = "gone.json"
    records[2] = {"conversations": records[0]["conversations"][:1]}
    path.write_text(json.dumps(records))
    with pytest.raises(SystemExit) as ended:
        main(["rasterize", "train.json", "-o", "out", "--format", "geopixel"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "4 records = 2 with masks (new) + 1 without + 1 rejected" in said.out
    assert "record 1: gone.json: there is no such polygon file" in said.err
    found = index("out")
    assert found["ledger"] == {"records": 4, "written": 2, "without_masks": 1, "rejected": 1}
    assert [r["record"] for r in found["rejects"]] == [1]
    assert [r["record"] for r in found["records"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("to", ["png", "npz", "coco"])
def test_an_interrupted_run_is_taken_up_and_ends_with_the_same_files(
    geopixel_file: File, monkeypatch: pytest.MonkeyPatch, to: Any
) -> None:
    path = str(geopixel_file(records=6))
    rasterize_file(path, "whole", to=to)
    work = _Job._record
    drawn_records: list[int] = []

    def stops(job: Any, raw: Any) -> Any:
        if raw.index == 4 and not drawn_records[4:]:
            raise KeyboardInterrupt
        drawn_records.append(raw.index)
        return work(job, raw)

    monkeypatch.setattr(_Job, "_record", stops)
    with pytest.raises(KeyboardInterrupt):
        rasterize_file(path, "out", to=to)
    assert not Path("out/index.json").exists()
    with open("out/index.partial.jsonl", "ab") as journal:
        journal.write(b'{"record": 4, "files": [{"fi')  # what a kill in the middle of a write leaves
    Path("out/.000004.png.0d8ee1766080.tmp").write_bytes(b"half")
    monkeypatch.setattr(_Job, "_record", work)
    summary = rasterize_file(path, "out", to=to)
    assert (summary.resumed, summary.written) == (4, 6)
    for file in Path("whole").iterdir():
        assert file.read_bytes() == Path("out", file.name).read_bytes(), file.name
    assert sorted(p.name for p in Path("out").iterdir()) == sorted(p.name for p in Path("whole").iterdir())


def test_a_finished_directory_is_left_alone_or_mended(geopixel_file: File) -> None:
    path = str(geopixel_file(records=3))
    rasterize_file(path, "out")
    before = {p.name: p.stat().st_mtime_ns for p in Path("out").iterdir()}
    assert rasterize_file(path, "out").up_to_date
    assert {p.name: p.stat().st_mtime_ns for p in Path("out").iterdir()} == before
    Path("out/000001.png").unlink()
    assert not rasterize_file(path, "out").up_to_date
    assert Path("out/000001.png").exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_cannot_be_read_leaves_the_directory_as_it_was(geopixel_file: File, force: bool) -> None:
    Path("broken.parquet").write_bytes(b"PAR1" + b"x" * 300 + b"PAR1")
    with pytest.raises(UsageError, match="Parquet"):
        rasterize_file("broken.parquet", "new", overwrite=force)
    assert not Path("new").exists()
    rasterize_file(str(geopixel_file()), "out")
    before = {p.name: p.read_bytes() for p in Path("out").iterdir()}
    with pytest.raises(UsageError):
        rasterize_file("broken.parquet", "out", overwrite=force)
    assert {p.name: p.read_bytes() for p in Path("out").iterdir()} == before


def test_what_lies_between_records_is_named(geopixel_file: File, capsys: pytest.CaptureFixture[str]) -> None:
    path = geopixel_file(records=2)
    path.write_text(path.read_text().replace('}, {"image', '} a line from a log, {"image', 1))
    for again in (False, True):
        summary = rasterize_file(str(path), "out")
        assert (summary.written, summary.up_to_date, summary.clean) == (2, again, False)
        (told,) = summary.between
        assert told.startswith("byte ")
    assert index("out")["between_records"] == [told]
    for verb in (["rasterize", str(path), "-o", "out"], ["raster-diff", str(path)]):
        with pytest.raises(SystemExit) as ended:
            main(verb)
        assert ended.value.code == 1
        assert told in capsys.readouterr().err


def test_the_missing_end_of_a_compressed_file_is_named(geopixel_file: File) -> None:
    text = geopixel_file([], records=500).read_bytes()
    Path("cut.json.gz").write_bytes(gzip.compress(text)[:-40])
    found = raster_diff("cut.json.gz", format="geopixel")
    assert any("gzip" in told for told in found.between), found.between
    assert not found.clean


def test_other_settings_need_overwrite(geopixel_file: File) -> None:
    path = str(geopixel_file())
    rasterize_file(path, "out")
    with pytest.raises(UsageError, match="--force"):
        rasterize_file(path, "out", rule="coco")
    rasterize_file(path, "out", to="npz", overwrite=True)
    assert index("out")["settings"]["to"] == "npz"
    assert sorted(p.name for p in Path("out").iterdir()) == ["000000.npz", "index.json"]


@pytest.mark.parametrize("options", [{"per": "object"}, {"per": "record"}, {"to": "npz"}])
def test_a_rejected_record_leaves_no_file(geopixel_file: File, options: Any) -> None:
    summary = rasterize_file(str(geopixel_file([[SQUARE], [[]]])), "out", **options)
    assert summary.rejects[0][1].startswith("object 1, ring 0")
    assert [p.name for p in Path("out").iterdir()] == ["index.json"]


@pytest.mark.parametrize(
    "options", [{"to": "gif"}, {"per": "pixel"}, {"rule": "cv"}, {"palette": "sunset"}, {"format": "nope"}]
)
def test_bad_options_write_nothing(geopixel_file: File, options: Any) -> None:
    with pytest.raises(MMDataError):
        rasterize_file(str(geopixel_file()), "out", **options)
    assert not Path("out").exists()
    with pytest.raises(SystemExit) as ended:
        main(["rasterize", "gone.json", "-o", "out"])
    assert ended.value.code == 2
