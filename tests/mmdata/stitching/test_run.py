"""`mmdata stitch`: pixels, resuming, faults."""

import json
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from mmdata.stitching.canvas import DRIVELM, Canvas
from mmdata.stitching.frames import read_frames
from mmdata.stitching.run import Stitcher, stitch

ORDER = ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"]


@pytest.fixture
def data(tmp_path):
    """Two scenes of one key frame each; cameras of 320 x 180 pixels of noise."""
    rng = np.random.default_rng(5)
    scenes = {}
    for scene, frame in (("s1", "f1"), ("s2", "f9")):
        paths = {}
        for camera in ["CAM_BACK", *[name for name in ORDER if name != "CAM_BACK"]]:
            place = tmp_path / "nuscenes" / "samples" / camera / f"{scene}_{frame}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(0, 256, (18, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((320, 180), Image.Resampling.BILINEAR).save(place, quality=90)
            paths[camera] = f"../nuscenes/samples/{camera}/{scene}_{frame}.jpg"
        scenes[scene] = {"key_frames": {frame: {"image_paths": paths, "QA": {}}}}
    (tmp_path / "ann.json").write_text(json.dumps(scenes))
    return tmp_path


SMALL = Canvas(3, 2, DRIVELM.views, (96, 48))


def run(data, jobs=1, canvas=SMALL, frames=slice(None), **options):
    return stitch(
        read_frames(str(data / "ann.json"))[frames],
        Stitcher(canvas, str(data), str(data / "stitch"), **options),
        jobs=jobs,
    )


DEJAVU = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"


@pytest.mark.parametrize("jobs, font", [(1, "none"), (2, str(DEJAVU))])
def test_pixels_are_those_of_the_upstream_layout(data, jobs, font):
    """An independent restatement with Pillow: resize, name, paste in order; with upstream's font the letters, too."""
    report = run(data, jobs, DRIVELM, slice(1, 2), ending="png", font=font)
    assert report.counts == {"written": 1}
    assert not report.problems
    expected = Image.new("RGB", (2688, 896))
    for i, camera in enumerate(ORDER):
        picture = Image.open(data / "nuscenes" / "samples" / camera / "s2_f9.jpg").convert("RGB")
        tile = picture.resize((896, 448))
        if font != "none":
            letters = ImageFont.truetype(font, 50)
            ImageDraw.Draw(tile).text((0, 0), camera, fill=(255, 0, 255), font=letters)
            assert report.font == "DejaVu Sans Bold"
        expected.paste(tile, (i % 3 * 896, i // 3 * 448))
    found = np.asarray(Image.open(data / "stitch" / "s2_f9.png"))
    assert np.array_equal(found, np.asarray(expected))


def test_letters_change_nothing_but_their_box(data):
    run(data, canvas=DRIVELM, frames=slice(1), ending="png", font="none")
    plain = np.asarray(Image.open(data / "stitch" / "s1_f1.png")).astype(int)
    report = run(data, canvas=DRIVELM, frames=slice(1), ending="png", force=True)
    lettered = np.asarray(Image.open(data / "stitch" / "s1_f1.png")).astype(int)
    rows, columns = np.nonzero((plain != lettered).any(axis=2))
    assert report.font == "Aileron Regular"
    assert {(x // 896, y // 448) for x, y in zip(columns, rows, strict=True)} == {
        (x, y) for x in range(3) for y in range(2)
    }
    assert (rows % 448).max() < 70
    assert (columns % 896).max() < 600


def test_a_second_run_makes_nothing_anew(data):
    run(data)
    before = [os.stat(path).st_mtime_ns for path in sorted((data / "stitch").iterdir())]
    assert run(data, jobs=2).counts == {"done": 2}
    assert [os.stat(path).st_mtime_ns for path in sorted((data / "stitch").iterdir())] == before


def test_an_interrupted_run_goes_on(data):
    run(data)
    (data / "stitch" / "s2_f9.jpg").unlink()
    assert run(data).counts == {"done": 1, "written": 1}


def test_a_canvas_of_another_layout_is_not_taken_for_done(data):
    run(data)
    report = run(data, font="none")
    assert report.counts == {"refused": 2}
    assert "s1_f1.jpg is there" in report.problems[0]
    assert run(data, font="none", force=True).counts == {"written": 2}


def test_a_missing_camera_is_named(data):
    scenes = json.loads((data / "ann.json").read_text())
    del scenes["s2"]["key_frames"]["f9"]["image_paths"]["CAM_BACK_LEFT"]
    (data / "ann.json").write_text(json.dumps(scenes))
    report = run(data)
    assert report.problems == ["scene s2, frame f9: no picture of CAM_BACK_LEFT in the annotation"]
    assert os.listdir(data / "stitch") == ["s1_f1.jpg"]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text"])
def test_a_damaged_picture_gives_no_black_tile(data, damage):
    place = data / "nuscenes" / "samples" / "CAM_FRONT" / "s1_f1.jpg"
    whole = place.read_bytes()
    place.unlink()
    if damage != "missing":
        place.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"<html>"}[damage])
    report = run(data, jobs=2)
    assert report.counts == {"failed": 1, "written": 1}
    assert report.problems[0].startswith("scene s1, frame f1, CAM_FRONT: ")
    assert os.listdir(data / "stitch") == ["s2_f9.jpg"]
