"""`mmdata import` on the mini data sets: everything read is written or named, and what is written is InternVL's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmdata
from mmdata.errors import DataError, UsageError
from mmdata.importing import ImportOptions, import_files, importers


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def drivelm(domains, out, file="v1_1_train_nus.json", **options):
    return import_files(
        "drivelm", [str(domains / "drivelm" / file)], str(out), ImportOptions(**options), force=True
    )


RSVQA = [f"LR_split_train_{name}.json" for name in ("questions", "answers", "images")]


def test_every_importer_is_named_as_its_file():
    assert sorted(importers()) == ["dior-rsvg", "drivelm", "geochat", "rsvqa"]


# --- DriveLM ----------------------------------------------------------------------------------------------------------


def test_drivelm_ids_are_the_challenges(domains, tmp_path):
    """scene_frame_i, i over perception, prediction, planning and behavior together, in the order of the file."""
    drivelm(domains, tmp_path)
    scenes = json.loads((domains / "drivelm" / "v1_1_train_nus.json").read_text())
    expected = []
    for scene, content in scenes.items():
        for frame, value in content["key_frames"].items():
            qa = value["QA"]
            asked = qa["perception"] + qa["prediction"] + qa["planning"] + qa["behavior"]
            expected += [(f"{scene}_{frame}_{i}", one["Q"]) for i, one in enumerate(asked)]
    records = lines(tmp_path / "drivelm.jsonl")
    assert [(record["id"], record["question_old"]) for record in records] == expected
    assert {record["image"] for record in records} == {f"{i.rpartition('_')[0]}.jpg" for i, _ in expected}


def test_drivelm_maps_tags_and_keeps_the_texts(domains, tmp_path):
    ledger = drivelm(domains, tmp_path)
    assert ledger.facts["tags_mapped"] == 36
    for record in lines(tmp_path / "drivelm.jsonl"):
        question, answer = (turn["value"] for turn in record["conversations"])
        assert question.startswith("<image>\n")
        for text, old in ((question, record["question_old"]), (answer, record.get("answer_old", answer))):
            assert text.count("<c") == old.count("<c")
            assert text.count(",[") == text.count("<c"), "every tag is on the canvas"


def test_drivelm_is_what_internvl_trains_on(domains, tmp_path):
    for options in ({}, {"window": 2}, {"window": 3, "arrange": "images", "ask": "every"}):
        drivelm(domains, tmp_path, **options)
        for record in lines(tmp_path / "drivelm.jsonl"):
            images = record["image"] if isinstance(record["image"], list) else [record["image"]]
            humans = [turn["value"] for turn in record["conversations"] if turn["from"] == "human"]
            assert sum(text.count("<image>") for text in humans) == len(images)
        report = mmdata.validate(str(tmp_path / "drivelm.jsonl"), media="none")
        assert not [f for f in report.findings if f.severity == "error"], options


def test_drivelm_questions_without_answers_go_to_a_file_of_their_own(domains, tmp_path):
    ledger = drivelm(domains, tmp_path, file="v1_1_val_nus_q_only.json", name="val")
    assert dict(ledger.files) == {"val_frames.jsonl": 6, "val_questions.jsonl": 30}
    assert [record["tag"] for record in lines(tmp_path / "val_questions.jsonl")] == [[0]] * 30


def test_drivelm_objects_lie_in_their_tiles(domains, tmp_path):
    drivelm(domains, tmp_path)
    tiles = {"CAM_FRONT_LEFT": 0, "CAM_FRONT": 1, "CAM_FRONT_RIGHT": 2}
    for frame in lines(tmp_path / "drivelm_frames.jsonl"):
        assert frame["scene_keys"] == {"scene_description": "The ego vehicle goes on."}
        for thing in frame["objects"]:
            x1, y1, x2, y2 = thing["canvas_box_xyxy"]
            left = tiles[thing["tag"].split(",")[1]] * 1000 / 3
            assert left <= x1 < x2 <= left + 334
            assert 0 <= y1 < y2 <= 500


def test_drivelm_windows_are_in_order_of_time(domains, tmp_path):
    """The annotation lists the key frames of a scene in another order."""
    ledger = drivelm(domains, tmp_path, window=3)
    assert ledger.facts["scenes_by_order_of_frames"] == {"by time stamp": 2}
    records = lines(tmp_path / "drivelm.jsonl")
    assert [record["frames"] for record in records] == [["frame00", "frame01", "frame02"]] * 2
    assert all([q["id"].split("_")[1] for q in record["questions"]] == ["frame02"] * 5 for record in records)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    ask=st.sampled_from(["last", "every"]),
    per=st.sampled_from(["question", "window"]),
)
def test_drivelm_windows_lose_nothing_in_silence(domains, tmp_path, window, stride, ask, per):
    ledger = drivelm(domains, tmp_path, window=window, stride=stride, ask=ask, per=per)
    assert ledger.balanced
    assert ledger.read["questions"] == 30
    each = (3 - window) // stride + 1 if window <= 3 else 0
    frames = {i * stride + k for i in range(each) for k in range(window) if ask == "every" or k == window - 1}
    assert ledger.written["questions"] == 2 * 5 * len(frames)
    if ledger.files["drivelm.jsonl"]:
        records = lines(tmp_path / "drivelm.jsonl")
        assert len({record["id"] for record in records}) == len(records), "ids are unique"
        if per == "window":
            assert len(records) == 2 * each


def test_drivelm_faults_are_named(domains, tmp_path):
    scenes = json.loads((domains / "drivelm" / "v1_1_train_nus.json").read_text())
    frame = next(iter(scenes["scene00"]["key_frames"].values()))
    frame["QA"]["perception"][0]["Q"] = None
    frame["QA"]["planning"][0]["A"] = ["a", "b"]
    frame["QA"]["behavior"][0]["Q"] = "Where is <c9,CAM_ROOF,1.0,2.0>?"
    (tmp_path / "bad.json").write_text(json.dumps(scenes))
    ledger = import_files("drivelm", [str(tmp_path / "bad.json")], str(tmp_path / "out"))
    assert {(one.kind, one.reason) for one in ledger.named} == {
        ("questions", "no text in Q"),
        ("questions", "the answer is no text"),
    }
    assert "tag left as it is" in ledger.notes
    assert ledger.exit_code == 1
    ids = [record["id"].rpartition("_")[2] for record in lines(tmp_path / "out" / "drivelm.jsonl")[:3]]
    assert ids == ["1", "2", "4"], "the others keep their numbers"


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not JSON"),
        ("[]", "expected an object of scenes"),
        ('{"s": {"key_frames": {}}, "s": {"key_frames": {}}}', "'s' stands twice"),
        ('{"s": {}}', "expected `key_frames`"),
        ('{"s": {"key_frames": {"f": {"QA": {}}}}}', "expected `image_paths`"),
        ('{"s": {"key_frames": {"f": {"image_paths": {}, "QA": []}}}}', "expected `QA`"),
    ],
)
def test_drivelm_files_that_are_none(tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(DataError, match=message):
        import_files("drivelm", [str(tmp_path / "bad.json")], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists(), "no half-written file, no empty directory"


def test_odd_but_valid_values_come_through(domains, tmp_path):
    """An escape that is no character and an integer beyond 64 bits: Python's json reads them, so does the trainer."""
    scenes = json.loads((domains / "drivelm" / "v1_1_train_nus.json").read_text())
    first = next(iter(scenes["scene00"]["key_frames"].values()))["QA"]["perception"][0]
    first.update(Q="What\ud83d?", C=10**30)
    (tmp_path / "odd.json").write_text(json.dumps(scenes))
    import_files("drivelm", [str(tmp_path / "odd.json")], str(tmp_path / "out"))
    record = lines(tmp_path / "out" / "drivelm.jsonl")[0]
    assert (record["question_old"], record["qa_C"]) == (first["Q"], first["C"])


def test_the_same_scene_twice_is_refused(domains, tmp_path):
    path = str(domains / "drivelm" / "v1_1_train_nus.json")
    with pytest.raises(DataError, match="scene00 is in"):
        import_files("drivelm", [path, path], str(tmp_path))


# --- remote sensing ---------------------------------------------------------------------------------------------------


def test_rsvqa_joins_questions_and_answers(domains, tmp_path):
    files = [str(domains / "rsvqa" / name) for name in reversed(RSVQA)]
    ledger = import_files("rsvqa", files, str(tmp_path))
    assert ledger.exit_code == 0
    assert (ledger.read["questions"], ledger.written["questions"]) == (12, 9)
    record = lines(tmp_path / "rsvqa.jsonl")[1]
    assert record["image"] == "0.tif"
    assert [turn["value"] for turn in record["conversations"]] == [
        "<image>\nHow many tanks are there?\nAnswer the question using a single word or phrase.",
        "3",
    ]


def test_rsvqa_for_evaluation_has_the_published_keys(domains, tmp_path):
    files = [str(domains / "rsvqa" / name) for name in RSVQA]
    import_files("rsvqa", files, str(tmp_path), ImportOptions(purpose="eval"))
    rows = json.loads((tmp_path / "rsvqa.json").read_text())
    assert rows[1] == {
        "id": 1,
        "image": "0.tif",
        "question": "How many tanks are there?",
        "gt_answer": "3",
        "type": "count",
    }


def test_rsvqa_names_what_does_not_fit(domains, tmp_path):
    tables = [json.loads((domains / "rsvqa" / name).read_text()) for name in RSVQA]
    tables[0]["questions"][0]["answers_ids"] = []
    tables[0]["questions"][1]["img_id"] = 77
    tables[0]["questions"][2]["question"] = ""
    for name, table in zip(RSVQA, tables, strict=True):
        (tmp_path / name).write_text(json.dumps(table))
    ledger = import_files("rsvqa", [str(tmp_path / name) for name in RSVQA], str(tmp_path / "out"))
    reasons = [one.reason for one in ledger.named if one.kind == "questions"]
    assert reasons == ["no active answer", "its picture is not in the images' file", "no text in `question`"]
    assert ledger.exit_code == 1


def test_dior_boxes(domains, tmp_path):
    folder = domains / "dior"
    options = ImportOptions(split=str(folder / "train.txt"))
    ledger = import_files("dior-rsvg", [str(folder / "Annotations")], str(tmp_path), options)
    assert (ledger.read["objects"], ledger.written["objects"], ledger.exit_code) == (12, 9, 0)
    for record in lines(tmp_path / "dior_rsvg.jsonl"):
        assert record["id"] % 4
        (x1, y1, x2, y2), (width, height) = record["bbox"], record["size"]
        box = [round(1000 * v / s) for v, s in ((x1, width), (y1, height), (x2, width), (y2, height))]
        assert record["conversations"][1]["value"].endswith(f"<box>[{box}]</box>")


def test_dior_for_evaluation_has_the_published_keys(domains, tmp_path):
    folder = domains / "dior"
    options = ImportOptions(split=str(folder / "test.txt"), purpose="eval")
    import_files("dior-rsvg", [str(folder / "Annotations")], str(tmp_path), options)
    rows = json.loads((tmp_path / "dior_rsvg.json").read_text())
    assert len(rows) == 3
    assert set(rows[0]) == {"image", "prompt", "bbox", "size"}
    assert rows[0]["image"] == "DIOR-RSVG/JPEGImages/00001.jpg"


@pytest.mark.parametrize(
    "member, reason",
    [
        (
            "<object><bndbox><xmin>1</xmin></bndbox><description>a</description></object>",
            "no four whole numbers in `bndbox`",
        ),
        ("<object><description> </description></object>", "no description"),
    ],
)
def test_dior_faults_are_named(tmp_path, member, reason):
    text = f"<annotation><filename>1.jpg</filename><size><width>9</width><height>9</height></size>{member}</annotation>"
    (tmp_path / "1.xml").write_text(text)
    ledger = import_files("dior-rsvg", [str(tmp_path / "1.xml")], str(tmp_path / "out"))
    assert [one.reason for one in ledger.named] == [reason]


def test_dior_refuses_entities_and_short_directories(domains, tmp_path):
    (tmp_path / "1.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>')
    with pytest.raises(DataError, match="document type"):
        import_files("dior-rsvg", [str(tmp_path / "1.xml")], str(tmp_path / "out"))
    (tmp_path / "split.txt").write_text("400\n")
    with pytest.raises(DataError, match="object 400 is wanted"):
        import_files(
            "dior-rsvg",
            [str(domains / "dior" / "Annotations")],
            str(tmp_path / "out"),
            ImportOptions(split=str(tmp_path / "split.txt")),
        )


def test_geochat_keeps_texts_unless_asked(domains, tmp_path):
    path = domains / "geochat" / "GeoChat_Instruct.json"
    import_files("geochat", [str(path)], str(tmp_path))
    assert lines(tmp_path / "geochat.jsonl") == json.loads(path.read_text())


def test_numbers_that_json_has_not_are_kept(domains, tmp_path):
    records = json.loads((domains / "geochat" / "GeoChat_Instruct.json").read_text())
    records[0] |= {"score": [float("inf"), {"deep": float("nan")}], "big": 10**30, "none": None}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(records))
    import_files("geochat", [str(path)], str(tmp_path))
    assert json.dumps(lines(tmp_path / "geochat.jsonl")) == json.dumps(records)
    records[0].pop("big")
    path.write_text(json.dumps(records))
    import_files("geochat", [str(path)], str(tmp_path), force=True)
    assert json.dumps(lines(tmp_path / "geochat.jsonl")) == json.dumps(records)


def test_geochat_boxes(domains, tmp_path):
    path = domains / "geochat" / "GeoChat_Instruct.json"
    old = json.loads(path.read_text())
    options = ImportOptions(boxes="internvl", media_root=str(domains / "geochat" / "final_images_llava"))
    ledger = import_files("geochat", [str(path)], str(tmp_path), options)
    records = lines(tmp_path / "geochat.jsonl")
    assert ledger.facts["boxes_written"] == 3
    assert [record["conversations_old"] for record in records] == [record["conversations"] for record in old]
    first = old[0]["conversations"][1]["value"]
    numbers = [
        10 * int(n)
        for n in first.partition("{")[2].replace("<", " ").replace(">", " ").replace("|", " ").split()[:4]
    ]
    assert records[0]["conversations"][1]["value"].endswith(f"</ref><box>[{numbers}]</box>")


def test_geochat_turned_boxes_need_the_size(domains, tmp_path):
    path = domains / "geochat" / "GeoChat_Instruct.json"
    ledger = import_files("geochat", [str(path)], str(tmp_path), ImportOptions(boxes="internvl"))
    assert list(ledger.notes) == [
        "box left as it is: turned, and the picture's size is not known (--media-root)"
    ]
    assert "{<" in lines(tmp_path / "geochat.jsonl")[1]["conversations"][1]["value"]


# --- all --------------------------------------------------------------------------------------------------------------


def test_options_of_others_are_refused(domains, tmp_path):
    with pytest.raises(UsageError, match=r"rsvqa takes no --window; it takes --ending"):
        import_files("rsvqa", [], str(tmp_path), ImportOptions(window=2))


def test_what_is_there_is_not_replaced(domains, tmp_path):
    path = str(domains / "geochat" / "GeoChat_Instruct.json")
    (tmp_path / "geochat.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        import_files("geochat", [path], str(tmp_path))
    assert (tmp_path / "geochat.jsonl").read_text() == "mine"


PEAK = """
import json, resource, sys
from mmdata.importing import import_files
def import_one(name, files, out):
    import_files(name, files, out)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
name, small, large, out = sys.argv[1], sys.argv[2].split(), sys.argv[3].split(), sys.argv[4]
before = import_one(name, small, out + "/small")
print((import_one(name, large, out + "/large") - before) >> 10)
"""


def growth(name, small, large, out):
    """MiB by which the peak of a process grows when it imports large files after small ones."""
    words = [name, " ".join(map(str, small)), " ".join(map(str, large)), str(out)]
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_drivelm_is_read_scene_by_scene(domains, tmp_path):
    """64 MB of scenes and few of them in memory."""
    path = domains / "drivelm" / "v1_1_train_nus.json"
    scene = json.loads(path.read_text())["scene00"]
    scene["scene_description"] = "The ego vehicle goes on. " * 10_000
    text = json.dumps(scene)
    with open(tmp_path / "large.json", "w") as file:
        file.write("{")
        file.write(",".join(f'"s{number}": {text}' for number in range(64_000_000 // len(text))) + "}")
    assert (tmp_path / "large.json").stat().st_size > 60_000_000
    assert growth("drivelm", [path], [tmp_path / "large.json"], tmp_path) < 24


@pytest.mark.slow
def test_rsvqa_is_read_row_by_row(domains, tmp_path):
    """Ids and answers are held, 200 bytes each; the rest of 70 MB is not."""
    many = 150_000
    more = {"date_added": 0.0, "people_id": 0, "active": True}
    rows = {
        "questions": [
            {"id": n, "img_id": n % 9, "type": "count", "question": f"How many {n}? " + "?" * 60, "answers_ids": [n], **more}
            for n in range(many)
        ],
        "answers": [{"id": n, "question_id": n, "answer": str(n % 50), **more, "remark": "-" * 120} for n in range(many)],
        "images": [{"id": n, "active": True} for n in range(9)],
    }  # fmt: skip
    for kind, found in rows.items():
        (tmp_path / f"{kind}.json").write_text(json.dumps({kind: found}))
    small = [domains / "rsvqa" / name for name in RSVQA]
    assert growth("rsvqa", small, [tmp_path / f"{kind}.json" for kind in rows], tmp_path) < 300 * many >> 20
