"""Questions about regions are put as VideoRefer's scripts put them; what cannot be asked is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parent))
import region_scenes

from mmdata.errors import DataError, UsageError
from mmtrain.evaluate.regions import asked, read
from schemas.sample import MediaPart, Origin, RegionPart, TextPart

ORIGIN = Origin("q.json", "videorefer", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    region_scenes.video(made, "frames")
    return made


def question(**more: Any) -> dict[str, Any]:
    annotation = [{str(f): region_scenes.rle(c, f) for f in (1, 3)} for c in (0, 1)]
    return {
        "video": "frames",
        "Question": "Is <object0><region> left of <object1><region>?",
        "options": ["(A) yes", "(B) no"],
        "Answer": "(A) yes",
        "type": "Relationship Questions",
        "annotation": annotation,
        "frame_idx": 3,
        **more,
    }


def test_a_question_is_put_as_upstream_puts_it(folder: Path) -> None:
    """``inference_videorefer_q_bench.py`` and ``mm_infer``: brackets, options, the closing sentence, the video first."""
    sample = asked(question(), str(folder), "single", ORIGIN)
    (turn,) = sample.turns
    assert turn.parts == [
        MediaPart(0),
        TextPart("\nIs <object0>["),
        RegionPart(0),
        TextPart("] left of <object1>["),
        RegionPart(1),
        TextPart("]? (A) yes (B) no. Answer with the option's letter from the given choices directly."),
    ]
    assert (sample.height, sample.width) == region_scenes.SIZE
    assert [list(one.masks) for one in sample.objects] == [["3"], ["3"]]
    every = asked(question(), str(folder), "multi", ORIGIN)
    assert [list(one.masks) for one in every.objects] == [["1", "3"], ["1", "3"]]


def test_a_description_is_asked_for_as_upstream_asks(folder: Path) -> None:
    record = {"video": "frames", "caption": "x", "annotation": [{"0": region_scenes.rle(0, 0)}]}
    sample = asked(record, str(folder), "multi", ORIGIN)
    assert sample.turns[0].parts[1:] == [
        TextPart("\nPlease give a detailed description of the highlighted object ["),
        RegionPart(0),
        TextPart("] in the video."),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_idx": 2}, r"object 0 has no mask on frame 2 \(`frame_idx`\)"),
        ({"annotation": {}}, "`annotation` is no list of objects"),
        ({"options": "A"}, "`options` is no list of texts"),
        ({"Question": "Is it <region>?"}, "1 <region> for objects for 2"),
        ({"video": "none.mp4"}, "none.mp4"),
    ],
)
def test_what_cannot_be_asked_is_told(folder: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        asked(question(**change), str(folder), "single", ORIGIN)


def test_files_of_another_layout_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    for text, message in (
        ("[]", "expected a list of records"),
        ("[1]", "expected a list of records"),
        ('[{"conversations": []}]', "`Question` in every record"),
        (json.dumps([question(), {"caption": "x"}]), "`Question` in every record"),
        ("[{", "not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        read(str(tmp_path / "none.json"))
    path.write_text(json.dumps(question()) + "\n" + json.dumps(question()) + "\n")
    assert len(read(str(path))) == 2
