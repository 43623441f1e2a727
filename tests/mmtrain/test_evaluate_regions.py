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
        ("[" * 100_000, "not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        read(str(tmp_path / "none.json"))
    two = [{**question(), "type": "a\u2028b\x85c"}, question()]  # no ends of lines in JSON
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in two), "utf-8")
    assert read(str(path)) == two


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An untrained model: what it says is nonsense, but of every question another."""
    from mmtrain.loading import Model
    from mmtrain.recipes import regions
    from mmtrain.settings import from_plain
    from mmtrain.tiny import Shape, make_tiny

    made = make_tiny("internvl", tmp_path_factory.mktemp("m") / "tiny", shape=Shape(tile=56, deviation=0.3))
    plain = {
        "model": str(made.directory),
        "output_dir": "unused",
        "recipe": "regions",
        "train": [],
        "dtype": "fp32",
        "max_tiles": 2,
        "video_frames": 2,
    }
    settings = from_plain(plain)
    encoder = regions.make_encoder(settings)
    network = regions.make_model(settings, encoder.tokenizer).eval()
    network.vlm.set_attn_implementation(
        "sdpa"
    )  # as `mmtrain.load`: training's own knows no padding on the left
    return Model("regions", network, encoder)


@pytest.fixture(scope="module")
def questions(folder: Path) -> Path:
    """Seven, of different lengths; the third lacks a key, the fifth has a mask of another size."""
    every = [
        question(
            Question="What is <object0><region>" + " and" * k + "?", annotation=question()["annotation"][:1]
        )
        for k in range(7)
    ]
    del every[2]["options"]
    small = {"segmentation": {"size": [10, 12], "counts": "l3"}}
    every[4]["annotation"] = [{"3": small}]
    return region_scenes.write(folder, "questions.json", every)


def test_batches_give_the_answers_of_one_by_one(model: Any, questions: Path, tmp_path: Path) -> None:
    from mmtrain.evaluate.regions import evaluate

    def run(size: int) -> tuple[str, list[str], Any]:
        out = evaluate(
            model,
            str(questions),
            media_root=str(questions.parent),
            max_new_tokens=6,
            batch_size=size,
            output=tmp_path / str(size),
        )
        return (tmp_path / str(size) / "predictions.jsonl").read_text(), out.bad, out.told

    alone = run(1)
    said = [json.loads(line)["pred"] for line in alone[0].splitlines()]
    assert len(said) == 5
    assert len(set(said)) > 1
    assert [line.split(": ")[1] for line in alone[1]] == ["record 2", "record 4"]
    assert "no `options`" in alone[1][0]
    assert "the mask is 10 x 12, its frame 60 x 84" in alone[1][1]
    for size in (3, 7):
        assert run(size) == alone


def test_ranks_share_the_questions(
    model: Any, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three ranks, one after the other: together what one finds; the first writes."""
    from mmtrain.evaluate import regions

    def run(folder: str) -> Any:
        root = str(questions.parent)
        return regions.evaluate(
            model, str(questions), media_root=root, max_new_tokens=6, batch_size=2, output=tmp_path / folder
        )

    alone = run("alone")
    parts: list[Any] = []

    def hand_in(part: Any, world: int) -> list[Any]:
        del world
        parts.insert(0, part)
        return list(parts)

    monkeypatch.setattr(regions, "gathered", hand_in)
    for rank in (2, 1, 0):
        monkeypatch.setattr(regions, "ranks", lambda rank=rank: (rank, 3))
        together = run("together")
        assert (tmp_path / "together").exists() == (rank == 0)
    assert [len(part.made) + len(part.bad) for part in parts] == [2, 2, 3]
    assert together.told == alone.told
    assert together.bad == alone.bad
    for name in ("predictions.jsonl", "scores.json"):
        assert (tmp_path / "together" / name).read_text() == (tmp_path / "alone" / name).read_text()
