"""`mmdata layout`: the guide's tree, on trees built from the mini data sets."""

import json
import os
import shutil

import pytest
from PIL import Image

from mmdata.errors import UnknownName, UsageError
from mmdata.importing import ImportOptions, import_files
from mmdata.layout import check, layouts, make
from mmdata.meta_file import add
from mmdata.stitching.canvas import DRIVELM
from mmdata.stitching.frames import read_frames
from mmdata.stitching.run import Stitcher, stitch


def statuses(report):
    return {place.path: place.status for place in report.places}


@pytest.fixture(scope="module")
def whole(domains, tmp_path_factory):
    """A complete driving tree."""
    root = tmp_path_factory.mktemp("whole") / "InternVL-Domain-Adaptation-Data"
    make(str(root), "drivelm")
    images = root / "images"
    shutil.copytree(domains / "drivelm" / "nuscenes", images / "drivelm" / "nuscenes", dirs_exist_ok=True)
    ann = str(domains / "drivelm" / "v1_1_train_nus.json")
    stitch(read_frames(ann), Stitcher(DRIVELM, str(images / "drivelm"), str(images / "drivelm" / "stitch")))
    for folder, name in (("train_data", "drivelm_train"), ("val", "drivelm_val")):
        import_files("drivelm", [ann], str(root / folder), ImportOptions(name=name))
    driving = images / "MME-RealWorld" / "data" / "AutonomousDriving"
    shutil.copy(next((images / "drivelm" / "stitch").iterdir()), driving / "1.jpg")
    rows = [
        {"Subtask": "Autonomous_Driving", "Image": "AutonomousDriving/1.jpg"},
        {"Subtask": "Monitoring", "Image": "elsewhere/2.jpg"},
    ]
    (root / "val" / "MME_RealWorld.json").write_text(json.dumps(rows))
    return root


@pytest.fixture
def tree(whole, tmp_path):
    root = tmp_path / whole.name
    shutil.copytree(
        whole, root, copy_function=lambda a, b: (os.link if a.endswith(".jpg") else shutil.copy)(a, b)
    )
    text = (root / "train_meta" / "internvl_1_2_finetune_drivelm.json").read_text()
    (root / "train_meta" / "internvl_1_2_finetune_drivelm.json").write_text(
        text.replace(str(whole), str(root))
    )
    return root


def test_a_complete_tree_is_clean(tree):
    report = check(str(tree), "drivelm")
    assert report.clean, report.to_dict()
    messages = {place.path: place.message for place in report.places}
    assert messages["train_data/drivelm_train.jsonl"] == "30 records"
    assert messages["val/MME_RealWorld.json"] == "1 rows, 1 pictures looked at", (
        "only the driving subset counts"
    )
    assert [(one.name, one.lines, one.sampled) for one in report.sets] == [("drivelm_train", 30, 8)]


def test_objects_are_where_their_tags_say(whole):
    """The way of a point: annotated in a camera, mapped by the importer, found on the stitched picture."""
    colours = {"Red": (200, 40, 40), "Blue": (40, 60, 200), "White": (235, 235, 235), "Black": (25, 25, 25)}
    seen = 0
    for line in (whole / "train_data" / "drivelm_train_frames.jsonl").read_text().splitlines():
        frame = json.loads(line)
        with Image.open(whole / "images" / "drivelm" / "stitch" / frame["image"]) as canvas:
            for thing in frame["objects"]:
                x, y = json.loads("[" + thing["canvas_tag"].partition("[")[2].rstrip(">"))
                pixel = canvas.getpixel((x * canvas.width // 1000, y * canvas.height // 1000))
                wanted = colours[thing["Visual_description"].split()[0]]
                assert max(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) < 25, thing
                seen += 1
    assert seen == 18


def test_the_published_meta_starts_in_the_parent(tree):
    """Its paths are ``InternVL-Domain-Adaptation-Data/…``, from internvl_chat."""
    meta = tree / "train_meta" / "internvl_1_2_finetune_drivelm.json"
    meta.write_text(meta.read_text().replace(f"{tree.parent}/", ""))
    assert check(str(tree), "drivelm").clean


def test_missing_misplaced_packed_and_empty(tree):
    shutil.move(tree / "val" / "drivelm_val.jsonl", tree / "images" / "drivelm_val.jsonl")
    (tree / "val" / "MME_RealWorld.json").unlink()
    shutil.rmtree(tree / "images" / "drivelm" / "nuscenes")
    (tree / "images" / "nuscenes.tar.gz").write_bytes(b"")
    shutil.rmtree(tree / "images" / "MME-RealWorld" / "data" / "AutonomousDriving")
    (tree / "images" / "MME-RealWorld" / "data" / "AutonomousDriving").mkdir()
    report = check(str(tree), "drivelm")
    assert not report.clean
    found = {place.path: (place.status, place.message) for place in report.places if place.status != "there"}
    assert found == {
        "images/drivelm/nuscenes/": ("misplaced", "images/nuscenes.tar.gz is there; unpack it"),
        "images/MME-RealWorld/data/AutonomousDriving/": ("empty", "the directory is empty"),
        "val/drivelm_val.jsonl": ("misplaced", "lies at images/drivelm_val.jsonl; move it"),
        "val/MME_RealWorld.json": ("missing", ""),
    }
    assert all(place.source for place in report.places if place.status != "there")


def test_missing_and_damaged_media_are_told(tree):
    for path in sorted((tree / "images" / "drivelm" / "stitch").iterdir())[:3]:
        path.unlink()
    report = check(str(tree), "drivelm", samples=20)
    assert statuses(report)["val/drivelm_val.jsonl"] == "faulty"
    assert "sampled media are missing" in report.sets[0].problems[0]


def test_a_length_that_is_not_the_lines(tree):
    meta = tree / "train_meta" / "internvl_1_2_finetune_drivelm.json"
    entries = json.loads(meta.read_text())
    entries["drivelm_train"]["length"] = 31
    meta.write_text(json.dumps(entries))
    assert "length is 31" in check(str(tree), "drivelm").sets[0].problems[0]


@pytest.mark.parametrize("preset", ["drivelm", "medical", "remote", "bdd"])
def test_every_preset_makes_what_it_checks(tmp_path, preset):
    folder = str(tmp_path / "data")
    _, meta = make(folder, preset)
    assert meta is not None
    report = check(folder, preset)
    assert set(statuses(report).values()) <= {"there", "missing", "empty"}
    assert report.places[0].status == "there", "the meta file"
    assert all(one.name and one.root.startswith(folder) for one in report.sets)
    assert make(folder, preset) == ([], None), "a second time nothing is made"


def test_presets_are_files():
    assert sorted(layouts()) == ["bdd", "drivelm", "medical", "remote"]
    with pytest.raises(UnknownName, match="did you mean 'medical'"):
        layouts()["medicine"]


def test_medical_and_own_data_together(domains, tmp_path):
    """The way of a person with scans of their own: make, copy, add, check."""
    root = tmp_path / "data"
    make(str(root), "medical")
    shutil.copytree(
        domains / "medical" / "medical_images", root / "images" / "medical_images", dirs_exist_ok=True
    )
    shutil.copy(domains / "medical" / "medical_sft_sample500k.jsonl", root / "train_data")
    shutil.copy(domains / "medical" / "medical_sft_sample500k.jsonl", root / "train_data" / "own.jsonl")
    meta = str(root / "train_meta" / "internvl_1_2_finetune_medical.json")
    add(meta, "own", str(root / "train_data" / "own.jsonl"), str(root / "images" / "medical_images"))
    report = check(str(root), "medical")
    assert report.clean
    assert [(one.name, one.length, one.lines) for one in report.sets] == [
        ("medical_sft_sample500k", None, 4),
        ("own", 4, 4),
    ]


def test_no_such_directory(tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        check(str(tmp_path / "none"), "bdd")
