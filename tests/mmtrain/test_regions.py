"""Training on regions: what learns, that answers follow the masks, ranks and ZeRO stages, resume, export, evaluation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))
import region_scenes  # noqa: E402
from recipe_runs import FROZEN, LORA, RUN, ZERO, batch_of, built, goes_on_after_a_kill  # noqa: E402
from recipe_runs import losses as told_losses  # noqa: E402

from mmdata.errors import UsageError  # noqa: E402
from mmtrain.tiny import Shape, make_tiny  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*is_gradient_checkpointing:FutureWarning"
)  # peft asks for it

MODULE_ONLY = {"vision": FROZEN, "projector": FROZEN, "language": FROZEN}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regions") / "tiny"
    words = ["What is <region> and what is <region>?", "red green blue"]
    return make_tiny("internvl", folder, text=words, shape=Shape(tile=56, deviation=0.08)).directory


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return region_scenes.make(tmp_path_factory.mktemp("scenes"))


def plain(model: Path, data: dict[str, Path], output: Path, *kinds: str, **more: Any) -> dict[str, Any]:
    """Settings as JSON."""
    return {
        "model": str(model),
        "output_dir": str(output),
        "recipe": "regions",
        "train": [
            {
                "path": str(data[kind]),
                "media_root": str(data[kind].parent),
                "format": "videorefer-vl3" if kind == "vl3" else "videorefer",
            }
            for kind in kinds or tuple(data)
        ],
        **RUN,
        "max_length": 512,
        "max_tiles": 2,
        "packed_tiles": 10,
        "video_frames": 1,
        **more,
    }


def parts(names: set[str]) -> set[str]:
    found = set()
    for name in names:
        kind = "vision" if "vision_tower" in name else "projector" if "multi_modal" in name else "language"
        kind = "adapter" if "lora_" in name else kind
        found.add(kind if name.startswith("vlm.") else "module")
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"vision", "projector", "language", "module"}),
        (MODULE_ONLY, {"module"}),
        ({"section": {"module": FROZEN}}, {"vision", "projector", "language"}),
        (LORA | {"projector": FROZEN}, {"adapter", "module"}),
    ],
    ids=["everything", "stage 1", "module frozen", "lora"],
)
def test_gradients_reach_exactly_what_is_trained(
    changes: dict[str, Any], expected: set[str], model: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.recipes import regions

    settings = plain(model, data, tmp_path, "v1", **changes)
    network, encoder = built(settings)
    batch = batch_of(encoder, settings, [(0, 0), (0, 1)])
    regions.loss(network.train(), batch)["ce"].total.backward()
    found = {n for n, p in network.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
    assert parts(found) == expected
    trained = {n for n, p in network.named_parameters() if p.requires_grad}
    assert found <= trained


def test_nothing_to_train_is_told(model: Path, data: dict[str, Path], tmp_path: Path) -> None:
    from mmtrain.config import parse_config

    with pytest.raises(UsageError, match="nothing to train"):
        built(plain(model, data, tmp_path, section={"module": FROZEN}, **MODULE_ONLY))
    config = {
        "model_name_or_path": str(model),
        "output_dir": "x",
        "recipe": "regions",
        "data": {"train": "a"},
        **MODULE_ONLY,
    }
    parse_config(config, "run.yaml")
    with pytest.raises(UsageError, match="nothing to train"):
        parse_config({**config, "regions": {"module": FROZEN}}, "run.yaml")
    with pytest.raises(UsageError, match=r"takes frames by regions\.sampling"):
        parse_config({**config, "video_sampling": "rand"}, "run.yaml")


def test_batches_without_regions_touch_the_module_and_change_nothing(
    model: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.recipes import regions

    settings = plain(model, data, tmp_path, "plain", "text")
    network, encoder = built(settings)
    for places in ([(0, 0)], [(1, 0)], [(0, 0), (1, 0)]):
        network.zero_grad()
        regions.loss(network.train(), batch_of(encoder, settings, places))["ce"].total.backward()
        assert all(p.grad is not None and not p.grad.any() for p in network.projection.parameters())


@pytest.mark.parametrize(
    "section",
    [{}, {"merge": "tokens", "tokens": 2}, {"merge": "clusters"}],
    ids=["mean", "tokens", "clusters"],
)
def test_the_loss_does_not_depend_on_batch_mates_or_packing(
    section: dict[str, Any], model: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    """No region is shifted to another sample: sums of a batch are the sums of its samples."""
    from mmtrain.recipes import regions

    settings = plain(model, data, tmp_path, section=section)
    network, encoder = built(settings)
    places = [(0, 2), (3, 0), (1, 1), (4, 0), (2, 0), (0, 0)]

    def total(which: list[tuple[int, int]], packing: bool) -> float:
        with torch.no_grad():
            return float(regions.loss(network, batch_of(encoder, settings, which, packing))["ce"].total)

    expected = sum(total([place], True) for place in places)
    assert total(places, True) == pytest.approx(expected, rel=1e-5)
    assert total(places, False) == pytest.approx(expected, rel=1e-5)


def test_counts_that_do_not_fit_stop_instead_of_shifting(
    model: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    settings = plain(model, data, tmp_path, "v1")
    network, encoder = built(settings)
    inputs = batch_of(encoder, settings, [(0, 0), (0, 1)]).inputs
    sizes, ids = inputs["region_sizes"], inputs["input_ids"]
    with pytest.raises(ValueError, match="features of the vision encoder where"):
        network(**{**inputs, "region_sizes": sizes + torch.tensor([1, 0, 0])}, use_cache=False)
    fewer = torch.where(ids == network.region_id, 0, ids)
    with pytest.raises(ValueError, match="0 <region> for 4 tokens of regions"):
        network(**{**inputs, "input_ids": fewer}, use_cache=False)


def test_answers_follow_the_masks(model: Path, data: dict[str, Path], tmp_path: Path) -> None:
    """Trained on which colour is under a mask, the model says of swapped masks the swapped colours."""
    import dataclasses

    import mmdata
    from mmtrain.loading import Model
    from mmtrain.recipes import regions

    settings = plain(model, data, tmp_path, "image")
    network, encoder = built(settings)
    batch = batch_of(encoder, settings, [(0, 0), (0, 1), (0, 2)])
    best = torch.optim.AdamW(network.parameters(), lr=2e-3)
    network.train()
    for _ in range(80):
        loss = regions.loss(network, batch)["ce"].total / batch.counts["label"]
        best.zero_grad()
        loss.backward()
        best.step()
    asked = Model("regions", network.eval(), encoder)
    file = mmdata.open(str(data["image"]), format="videorefer")
    root = str(data["image"].parent)
    samples = [file.sample(number) for number in range(3)]
    said = []
    for one in samples:
        for other in samples:
            mixed = dataclasses.replace(one, turns=one.turns[:1], objects=other.objects)
            said.append(asked.reply(mixed, root=root, max_new_tokens=8).text)
    assert said == ["red", "green", "blue"] * 3

    # The same from a picture and a picture of the mask.
    import numpy as np
    from PIL import Image

    from mmdata.errors import DataError
    from mmtrain.predict import predict

    picture = str(data["image"].parent / "2.png")
    for color, name in enumerate(region_scenes.COLORS):
        Image.fromarray(region_scenes.place(color, 2) * np.uint8(255)).save(tmp_path / "mask.png")
        done = predict(
            asked, picture, "\nWhat is <region>?", tmp_path / name, regions=[str(tmp_path / "mask.png")]
        )
        assert done.answer.text == name
    mask = region_scenes.place(0, 2)
    with pytest.raises(DataError, match="1 <region> in the question for 2 masks"):
        asked.answer(picture, "What is <region>?", regions=[mask, mask])
    with pytest.raises(DataError, match="the mask is 30 x 84, its picture 60 x 84"):
        asked.answer(picture, "What is <region>?", regions=[mask[:30]])


# --- whole runs -------------------------------------------------------------------------------------------------------


def losses(result: dict[str, Any]) -> list[float]:
    return [loss for (loss,) in told_losses(result, "loss")]


def test_a_run_falls_and_comes_back_from_its_export(
    model: Path, data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    """One process: a mixture of all kinds; a bad record stops it; export, load, evaluate in both layouts, score again."""
    import mmtrain
    from mmdata.scoring import score_file
    from mmtrain.evaluate.regions import evaluate
    from mmtrain.export import export

    start, finish = launch
    run = plain(model, data, tmp_path / "run", max_steps=6, save_steps=6, section={"merge": "tokens"})
    records = json.loads(data["v1"].read_text())
    records[1]["annotation"][0] = {"17": region_scenes.rle(0, 1)}
    wrong = region_scenes.write(tmp_path, "bad.json", records)
    source = [{"path": str(wrong), "media_root": str(data["v1"].parent), "format": "videorefer"}]
    stop = {**run, "train": source, "output_dir": str(tmp_path / "stop")}
    found, stopped = finish(start([run, stop], tmp_path / "w"), tmp_path / "w")
    told = losses(found)
    assert told[-1] < told[0]
    assert "bad.json: record 1: object 0: frame 17 is out of range" in stopped["error"]

    done = export(tmp_path / "run", tmp_path / "model")
    assert done.difference == 0.0
    with pytest.raises(UsageError, match="leave out --adapter"):
        export(tmp_path / "run", tmp_path / "adapter", adapter=True)
    assert not [p for p in (tmp_path / "model").rglob("*") if p.suffix in (".bin", ".pt", ".pkl", ".pth")]
    loaded = mmtrain.load(tmp_path / "model")
    assert loaded.network.merging == ("tokens", 4)
    # The next stage begins with this one's region module.
    later, _ = built(plain(tmp_path / "model", data, tmp_path, section={"merge": "tokens"}))
    for name, weight in loaded.network.projection.state_dict().items():
        assert torch.equal(weight, later.projection.state_dict()[name])

    questions = [
        {
            "video": "frames",
            "Question": "What is <object0><region>?",
            "options": ["(A) red", "(B) green"],
            "Answer": "(A) red",
            "type": "Basic Questions",
            "frame_idx": 1,
            "annotation": [{str(f): region_scenes.rle(0, f) for f in (1, 3)}],
        },
        {"video": "frames", "Question": "no more keys"},
    ]
    file = region_scenes.write(tmp_path, "q.json", questions)
    root = str(data["v1"].parent)
    for frames in ("single", "multi"):
        out = evaluate(
            loaded, str(file), media_root=root, frames=frames, max_new_tokens=4, output=tmp_path / frames
        )
        assert out.bad == [f"{file}: record 1: no `options`"]
        again = score_file(str(tmp_path / frames / "predictions.jsonl"), "videorefer-bench-q")
        assert again.to_dict() == out.scores.to_dict()
        assert list(again.cards["upstream"].kinds) == ["Basic Questions"]
    captions = [
        {"video": "moving.gif", "caption": "a red one", "annotation": [{"1": region_scenes.rle(0, 1)}]}
    ]
    file = region_scenes.write(tmp_path, "d.json", captions)
    out = evaluate(
        loaded, str(file), media_root=root, frames="multi", max_new_tokens=4, output=tmp_path / "d"
    )
    (line,) = (tmp_path / "d" / "predictions.jsonl").read_text().splitlines()
    assert json.loads(line).keys() == {"video", "caption", "pred"}


def test_a_family_without_known_features_is_told_early(
    model: Path, data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmtrain.heads.regions_features import VIEWS
    from mmtrain.recipes import regions
    from mmtrain.settings import from_plain

    monkeypatch.delitem(VIEWS, "internvl")
    with pytest.raises(
        UsageError, match="model type 'internvl' is not one of qwen2_vl, qwen2_5_vl, llava_onevision"
    ):
        regions.model_config(from_plain(plain(model, data, tmp_path)))


def test_the_preflight_stops_mismatches_with_file_record_and_reason(
    model: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.config import parse_config
    from mmtrain.preflight import preflight

    records = json.loads(data["v1"].read_text())
    records[0]["annotation"].append({"1": region_scenes.rle(0, 1)})
    records[1]["annotation"][0] = {"17": region_scenes.rle(0, 1)}
    for key in ("height", "width"):
        records[2][key] //= 2
    records[2]["annotation"] = [{"1": {"segmentation": [[1, 1, 20, 1, 20, 20, 1, 20]]}}] * 2
    path = region_scenes.write(tmp_path, "wrong.json", records)
    config = {
        "model_name_or_path": str(model),
        "output_dir": str(tmp_path / "run"),
        "recipe": "regions",
        "bf16": False,
        "max_length": 512,
        "data": {"train": {"path": str(path), "media_root": str(data["v1"].parent), "format": "videorefer"}},
    }
    steps = {step.name: step for step in preflight(parse_config(config, "run.yaml"), step=False)}
    assert steps["lengths"].verdict == "failed"
    lines = [line for line in steps["lengths"].lines if "wrong.json" in line]
    for number, reason in enumerate(
        ("2 <region> for objects for 3", "out of range", "mask is 30 x 42, its frame 60 x 84")
    ):
        assert any(f"record {number}" in line and reason in line for line in lines), (number, lines)


CASES: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("full", {}, True),
    ("module", MODULE_ONLY, True),
    ("padded", {"section": {"merge": "tokens", "tokens": 2}}, False),
    ("lora", LORA, True),
)


def matrix(
    model: Path, data: dict[str, Path], folder: Path, accumulation: int, stages: list[int]
) -> list[Any]:
    runs = []
    for stage in stages:
        for name, changes, packing in CASES:
            more = {"packing": packing, "gradient_accumulation_steps": accumulation, "deepspeed": ZERO[stage]}
            # About a sample a sequence: most steps have a rank with regions beside one without.
            more |= {"max_length": 300, "packing_window": 4} if packing else {}
            runs.append(plain(model, data, folder / f"{stage}-{name}", **more, max_steps=3, **changes))
    return runs


@pytest.mark.slow
def test_two_ranks_equal_one_on_mixed_batches_in_every_stage(
    model: Path, data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    """Text, pictures and regions in any mixture over the ranks; no stage waits for ever, all give one process's losses."""
    start, finish = launch
    one, two = tmp_path / "one", tmp_path / "two"
    alone = finish(start(matrix(model, data, one, 2, [0]), one), one, 900)
    together = finish(start(matrix(model, data, two, 1, [0, 2, 3]), two, ranks=2), two, 1800)
    for number, result in enumerate(together):
        expected = alone[number % len(CASES)]
        assert losses(result) == pytest.approx(losses(expected), rel=5e-5)
        assert result["order_hash"] == expected["order_hash"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "changes"),
    [(0, {}), (2, LORA), (3, {}), (3, MODULE_ONLY)],
    ids=["zero 0, full", "zero 2, lora", "zero 3, full", "zero 3, stage 1"],
)
def test_a_killed_run_goes_on_bit_for_bit(
    model: Path, data: dict[str, Path], tmp_path: Path, launch: Any, stage: int, changes: dict[str, Any]
) -> None:
    more = {"max_steps": 6, "save_steps": 2, "deepspeed": ZERO[stage], "packing_window": 4, **changes}
    whole, cut = (plain(model, data, tmp_path / name, **more) for name in ("whole", "cut"))
    goes_on_after_a_kill(launch, whole, cut, tmp_path)
