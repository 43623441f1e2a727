"""Training masks: what learns, that ranks and ZeRO stages agree on mixed batches, resume, export, prediction."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from recipe_runs import FROZEN, LORA, RUN, ZERO, batch_of, built, goes_on_after_a_kill, learned  # noqa: E402
from recipe_runs import losses as told_losses  # noqa: E402

from mmdata.errors import UsageError  # noqa: E402
from mmtrain.tiny import make_tiny  # noqa: E402
from mmtrain.tiny_sam2 import make_tiny_sam2  # noqa: E402
from mmtrain.tiny_sam3 import make_tiny_sam3  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*is_gradient_checkpointing:FutureWarning"
)  # peft asks for it


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model whose tokenizer knows no [SEG], and a tiny decoder."""
    folder = tmp_path_factory.mktemp("grounding")
    make_tiny_sam2(folder / "sam2", side=64)
    make_tiny_sam3(folder / "sam3", side=56)
    make_tiny_sam2(folder / "other", side=64, seed=1)
    make_tiny("internvl", folder / "vlm", text=["Where is the red square?", "The corner."])
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return scenes.make(tmp_path_factory.mktemp("scenes"))


def plain(models: Path, data: dict[str, Path], output: Path, *kinds: str, **more: Any) -> dict[str, Any]:
    """Settings as JSON."""
    section = {"decoder_name_or_path": "sam2", **more.pop("section", {})}
    section["decoder_name_or_path"] = str(models / section["decoder_name_or_path"])
    return {
        "model": str(models / "vlm"),
        "output_dir": str(output),
        "recipe": "grounding",
        "section": section,
        "train": [{"path": str(data[k]), "media_root": str(data[k].parent)} for k in kinds or tuple(data)],
        "max_tiles": 2,
        "packed_tiles": 8,
        **RUN,
        **more,
    }


def parts(names: set[str]) -> set[str]:
    """Which parts of the model names belong to."""
    found = set()
    for name in names:
        if name.startswith("vlm."):
            kind = (
                "vision" if "vision_tower" in name else "projector" if "multi_modal" in name else "language"
            )
            kind = "adapter" if "lora_" in name else "rows" if "trainable_tokens" in name else kind
        else:
            kind = ".".join(name.split(".")[:2]) if name.startswith("decoder.") else "projection"
        found.add(kind)
    return found


ALL = {"vision", "projector", "language", "decoder.vision_encoder", "decoder.mask_decoder", "projection"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"section": {"encoder": {"tuning": "full"}}}, ALL),
        ({"section": {"encoder": {"tuning": "full"}, "decoder_name_or_path": "sam3"}}, ALL),
        ({}, ALL - {"decoder.vision_encoder"}),
        ({"section": {"decoder": FROZEN}}, {"vision", "projector", "language", "projection"}),
        (
            {"section": {"projection": FROZEN}, "vision": FROZEN, "projector": FROZEN},
            {"language", "decoder.mask_decoder"},
        ),
        (LORA | {"projector": FROZEN}, {"adapter", "rows", "decoder.mask_decoder", "projection"}),
    ],
    ids=["all", "all with sam3", "default", "decoder frozen", "language and decoder", "lora"],
)
def test_gradients_reach_exactly_what_is_trained(
    changes: dict[str, Any], expected: set[str], models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    settings = plain(models, data, tmp_path, "rle", **changes)
    model, encoder = built(settings)
    from mmtrain.recipes import grounding

    found = learned(model, batch_of(encoder, settings, [(0, 0), (0, 1)]), grounding)
    assert parts(found) == expected
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    # Adapters begin with one side 0, behind which the other has no gradient yet; a frozen [SEG]-less row has none either.
    assert found <= trained
    silent = {name for name in trained - found if "lora_A" not in name}
    assert not silent


def test_batches_without_masks_touch_the_decoder_and_change_nothing(
    models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    settings = plain(models, data, tmp_path, "rle", "image", "text")
    model, encoder = built(settings)
    batch = batch_of(encoder, settings, [(1, 0), (2, 0)])
    from mmtrain.recipes import grounding

    terms = grounding.loss(model.train(), batch)
    assert {name: float(t.total.detach()) for name, t in terms.items() if name != "ce"} == {
        "bce": 0.0,
        "dice": 0.0,
    }
    sum(t.total * t.weight for t in terms.values()).backward()
    heads = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("vlm.")]
    assert all(p.grad is not None and not p.grad.any() for p in heads)


def test_the_loss_does_not_depend_on_batch_mates_or_packing(
    models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    """Padding and neighbours of other sizes are excluded: sums of a batch are the sums of its samples."""
    from mmtrain.recipes import grounding

    settings = plain(models, data, tmp_path)
    model, encoder = built(settings)
    model.train()
    places = [(0, 1), (1, 2), (2, 1), (3, 0), (0, 2)]

    def sums(which: list[tuple[int, int]], packing: bool) -> dict[str, float]:
        with torch.no_grad():
            found = grounding.loss(model, batch_of(encoder, settings, which, packing))
        return {name: float(term.total) for name, term in found.items()}

    alone = [sums([place], True) for place in places]
    expected = {name: sum(one[name] for one in alone) for name in alone[0]}
    assert expected["bce"] > 0
    assert sums(places, True) == pytest.approx(expected, rel=1e-5)
    assert sums(places, False) == pytest.approx(expected, rel=1e-5)


def test_mask_tokens_are_added_and_their_rows_trained(
    models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    from transformers import AutoModelForImageTextToText, AutoTokenizer

    from mmtrain.recipes import grounding

    bare = tmp_path / "bare"
    shutil.copytree(models / "vlm", bare)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        text = (bare / file).read_text()
        for mark, other in (("[SEG]", "[XYZ]"), ('"<p>"', '"<q>"'), ('"</p>"', '"</q>"')):
            text = text.replace(mark, other)
        (bare / file).write_text(text)
    before = len(AutoTokenizer.from_pretrained(bare))
    rows = AutoModelForImageTextToText.from_pretrained(bare).get_input_embeddings().num_embeddings
    assert rows == before
    settings = plain(models, data, tmp_path, "rle", model=str(bare), **LORA)
    model, encoder = built(settings)
    assert len(encoder.tokenizer) == before + 3
    assert model.vlm.get_input_embeddings().weight.shape[0] == before + 3
    assert "rows" in parts(learned(model, batch_of(encoder, settings, [(0, 1)]), grounding))
    with pytest.raises(UsageError, match="language: frozen"):
        built(plain(models, data, tmp_path, "rle", model=str(bare), language=FROZEN))


def test_a_missing_decoder_is_told_before_anything_is_loaded(
    models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.recipes import grounding
    from mmtrain.settings import from_plain

    wrong = plain(models, data, tmp_path, section={"decoder_name_or_path": str(tmp_path)})
    with pytest.raises(UsageError, match="no mask decoder there"):
        grounding.model_config(from_plain(wrong))
    wrong = plain(models, data, tmp_path, section={"decoder_name_or_path": str(models / "vlm")})
    with pytest.raises(UsageError, match="expected sam2 or sam2_video or sam3_tracker"):
        grounding.model_config(from_plain(wrong))


# --- whole runs -------------------------------------------------------------------------------------------------------


def losses(result: dict[str, Any]) -> list[tuple[float, ...]]:
    return told_losses(result, "loss", "loss_ce", "loss_bce", "loss_dice")


@pytest.mark.parametrize("decoder", ["sam2", "sam3"])
def test_a_run_falls_evaluates_and_comes_back_from_its_export(
    decoder: str, models: Path, data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    """One process: a mixture of all kinds, terms by name, held-out masks; export, load, predict, evaluate, validate."""
    import mmdata
    import mmtrain
    from mmtrain.evaluate.grounding import evaluate
    from mmtrain.export import export
    from mmtrain.predict import predict

    start, finish = launch
    held = [{"path": str(data["rle"]), "media_root": str(data["rle"].parent)}]
    section = {"decoder_name_or_path": decoder}
    run = plain(models, data, tmp_path / "run", eval=held, eval_steps=6, max_steps=6, section=section)
    other = {**run, "max_steps": 8, "section": {"decoder_name_or_path": str(models / "other")}}
    found, refused = finish(start([run, other], tmp_path / "w"), tmp_path / "w")

    # Weights that stay as they are come from the decoder's directory: a resumed run needs the same.
    assert "grounding.decoder_name_or_path: " in refused["error"]
    assert "model.safetensors" in refused["error"]
    told = losses(found)
    assert told[-1][0] < told[0][0]
    for loss, ce, bce, dice in told:
        assert loss == pytest.approx(1.0 * ce + 2.0 * bce + 0.5 * dice, rel=1e-6)
    (evaluation,) = [e for e in found["log"] if "eval_loss" in e]
    assert evaluation.keys() >= {"eval_loss_bce", "eval_ciou", "eval_giou", "eval_recall"}

    done = export(tmp_path / "run", tmp_path / "model")
    assert done.difference == 0.0
    assert not [p for p in (tmp_path / "model").rglob("*") if p.suffix in (".bin", ".pt", ".pkl", ".pth")]
    model = mmtrain.load(tmp_path / "model")
    scored = evaluate(
        model,
        str(data["rle"]),
        media_root=str(data["rle"].parent),
        answers="given",
        output=tmp_path / "scores",
    )
    # The masks of the exported model are those of the last evaluation in training.
    assert scored.scores.giou == pytest.approx(evaluation["eval_giou"], abs=1e-3)
    assert scored.scores.ciou == pytest.approx(evaluation["eval_ciou"], abs=1e-3)
    assert (scored.scores.masks, scored.scores.missing) == (6, 0)
    predictions = tmp_path / "scores" / "predictions.json"
    report = mmdata.validate(str(predictions), media_root=str(data["rle"].parent))
    assert [f.code for f in report.findings if f.severity == "error"] == []
    again = mmdata.open(str(predictions)).sample(0)
    assert mmdata.masks.of(again).shape == (1, 60, 80)

    answered = predict(
        model, str(data["rle"].parent / "0.png"), "Where is it?", tmp_path / "one", max_new_tokens=6
    )
    told_json = json.loads(answered.json.read_text())
    assert told_json["answer"] == answered.answer.text
    assert len(told_json["masks"]) == answered.answer.text.count("[SEG]")
    from PIL import Image

    assert answered.overlay is not None
    with Image.open(answered.overlay) as shown:
        assert shown.size == (80, 60)


def test_a_bad_record_stops_the_run_or_is_left_out(
    models: Path, data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    start, finish = launch
    records = json.loads(data["rle"].read_text())
    records[1]["conversations"][1]["value"] += " <p> more </p> [SEG]"
    bad = scenes.write(tmp_path, "bad.json", records)
    wrong = [{"path": str(bad), "media_root": str(data["rle"].parent)}]
    stop = plain(models, data, tmp_path / "stop", train=wrong)
    left = {**stop, "on_bad_sample": "quarantine", "output_dir": str(tmp_path / "left"), "max_steps": 2}
    stopped, quarantined = finish(start([stop, left], tmp_path / "w"), tmp_path / "w")
    assert "bad.json: record 1" in stopped["error"]
    assert "[SEG]" in stopped["error"]
    assert quarantined["bad_samples"] >= 1


def test_loading_something_else_is_told(models: Path, tmp_path: Path) -> None:
    import mmtrain

    with pytest.raises(UsageError, match=r"mmtrain\.json is missing"):
        mmtrain.load(models / "vlm")


EVERY = ("rle", "polygons", "image", "text")
CASES: tuple[tuple[str, dict[str, Any], bool, tuple[str, ...]], ...] = (
    ("full", {}, True, EVERY),
    ("full", {}, False, EVERY),
    ("lora", LORA, True, EVERY),
    ("no-masks", {"max_steps": 2}, True, ("image", "text")),
    ("text", {"max_steps": 2}, True, ("text",)),
)


def matrix(
    models: Path, data: dict[str, Path], folder: Path, accumulation: int, stages: list[int]
) -> list[Any]:
    runs = []
    for stage in stages:
        for name, changes, packing, kinds in CASES:
            more = {"packing": packing, "gradient_accumulation_steps": accumulation, "deepspeed": ZERO[stage]}
            # A sequence holds about one sample: most steps have a rank with masks beside one without.
            more |= {"packing_window": 4} if packing else {"per_device_train_batch_size": 1}
            more |= {"section": {"encoder": {"tuning": "full"}}, "max_steps": 4, **changes}
            runs.append(plain(models, data, folder / f"{stage}-{name}-{packing}", *kinds, **more))
    return runs


def agree(models: Path, data: dict[str, Path], tmp_path: Path, launch: Any, stages: list[int]) -> None:
    start, finish = launch
    one, two = tmp_path / "one", tmp_path / "two"
    alone = finish(start(matrix(models, data, one, 2, [0]), one), one, 900)
    together = finish(start(matrix(models, data, two, 1, stages), two, ranks=2), two, 1800)
    for number, result in enumerate(together):
        expected = alone[number % len(CASES)]
        for ours, theirs in zip(losses(result), losses(expected), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)
        assert result["order_hash"] == expected["order_hash"]


@pytest.mark.slow
def test_two_ranks_equal_one_on_mixed_batches_in_every_stage(
    models: Path, data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    """Text, pictures and masks in any mixture over the ranks; no stage waits for ever, all give one process's losses."""
    agree(models, data, tmp_path, launch, [0, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2, 3])
@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_a_killed_run_goes_on_bit_for_bit(
    models: Path, data: dict[str, Path], tmp_path: Path, launch: Any, stage: int, changes: dict[str, Any]
) -> None:
    more = {"max_steps": 7, "save_steps": 2, "deepspeed": ZERO[stage], "packing_window": 4, **changes}
    whole, cut = (plain(models, data, tmp_path / name, **more) for name in ("whole", "cut"))
    goes_on_after_a_kill(launch, whole, cut, tmp_path)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava_onevision"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_every_family_grounds(
    family: str, dtype: str, data: dict[str, Path], models: Path, tmp_path: Path
) -> None:
    """Packed and padded give one loss, which falls, and a given answer gets a mask for each [SEG] at the picture's size."""
    from mmtrain.data.sources import Reader
    from mmtrain.loading import Model
    from mmtrain.recipes import grounding
    from mmtrain.settings import from_plain

    make_tiny(family, tmp_path / family)
    settings = plain(models, data, tmp_path, "rle", "text", model=str(tmp_path / family), dtype=dtype)
    del settings["max_tiles"]  # InternVL's
    model, encoder = built(settings)
    model.train()
    places = [(0, 1), (1, 0), (0, 0)]
    found = []
    for packing in (True, False):
        batch = batch_of(encoder, settings, places, packing).to(
            torch.device("cpu"), next(model.parameters()).dtype
        )
        with torch.no_grad():
            terms = grounding.loss(model, batch)
        found.append({name: float(term.total) for name, term in terms.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-5 if dtype == "fp32" else 0.02)
    if dtype == "fp32":
        optimizer = torch.optim.AdamW(grounding.groups(model, from_plain(settings)))
        for _ in range(6):
            optimizer.zero_grad()
            learned(model, batch, grounding)
            optimizer.step()
        with torch.no_grad():
            later = grounding.loss(model, batch)
        assert float(later["ce"].total) < 0.97 * found[1]["ce"]
        assert float(later["dice"].total) < found[1]["dice"]
    sample = Reader(from_plain(settings).train, encoder, max_length=256).sample(0, 1)
    answer = Model("grounding", model.eval(), encoder).follow(sample, 1, root=str(data["rle"].parent))
    assert answer.text == "The <p> red square </p> [SEG] and the <p> corner </p> [SEG]."
    assert answer.masks.shape == (2, 64, 74)


def wrong_records(data: dict[str, Path], folder: Path, kind: str) -> tuple[Path, list[str]]:
    """A file of records that cannot be trained on, each in its own way, and what must be said of each."""
    import numpy as np

    from mmdata import masks

    records = json.loads(data[kind].read_text())
    answer = records[0]["conversations"][1]["value"]
    changes: list[tuple[dict[str, Any], str]]
    if kind == "rle":
        changes = [
            ({"segmentation": [masks.encode(np.ones((10, 12), np.uint8))]}, "10 x 12, its picture 60 x 80"),
            ({"conversations": scenes.turns("<ImageHere>Where?", answer + " <p> b </p> [SEG]")}, "[SEG]"),
            ({"conversations": scenes.turns("<ImageHere>Where?", "Nowhere.")}, "[SEG]"),
            ({"segmentation": [{"size": [60, 80], "counts": "zz"}]}, "mask 0: character 0 of `counts`"),
            ({"conversations": [{"from": "human", "value": 1}]}, "turn 0 has no `from` and `value`"),
        ]
    else:
        (folder / "two.json").write_text(json.dumps({"polygons": [[[[1, 1], [5, 1], [5, 5]]]] * 2}))
        changes = [
            ({"polygons": str(folder / "two.json")}, "has 2 masks, the answers have 1 [SEG]"),
            ({"polygons": "nowhere.json"}, "no such polygon file"),
            ({"conversations": scenes.turns("<ImageHere>Is it [SEG]?", answer)}, "in a question"),
            ({"image": "nowhere.png"}, "nowhere.png"),
            ({"conversations": scenes.turns("<ImageHere>Where is it?" * 99, answer)}, "longer"),
        ]
    wrong = [{**records[0], **one} for one, _ in changes]
    return scenes.write(folder, f"{kind}.json", [*wrong, records[1]]), [reason for _, reason in changes]


@pytest.mark.parametrize("kind", ["rle", "polygons"])
def test_the_preflight_stops_mismatches_with_file_record_and_reason(
    kind: str, models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.config import parse_config
    from mmtrain.preflight import preflight

    path, reasons = wrong_records(data, tmp_path, kind)
    config = {
        "model_name_or_path": str(models / "vlm"),
        "output_dir": str(tmp_path / "run"),
        "recipe": "grounding",
        "grounding": {"decoder_name_or_path": str(models / "sam2")},
        "bf16": False,
        "max_length": 256,
        "data": {"train": {"path": str(path), "media_root": str(data[kind].parent)}},
    }
    steps = {step.name: step for step in preflight(parse_config(config, "run.yaml"), step=False)}
    assert steps["data"].verdict == "failed"
    assert steps["lengths"].verdict == "failed"
    for number, reason in enumerate(reasons):
        found = [line for line in steps["lengths"].lines if f"record {number}:" in line]
        if reason == "longer":
            assert not found
            assert any("1 samples are longer than max_length 256" in line for line in steps["lengths"].lines)
            continue
        if "counts" in reason:  # measuring draws no mask; the validation of the file reads every one
            assert not found
            assert any(f"record {number}: " in line and reason in line for line in steps["data"].lines)
            assert any(str(path) in line for line in steps["data"].lines)
            continue
        (line,) = found
        assert reason in line
        assert line.count(str(path)) == 1  # a record that cannot be decoded names itself too
        assert line.count("record ") == 1


def test_the_preflight_tells_that_there_is_no_decoder(
    models: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    from mmtrain.config import parse_config
    from mmtrain.preflight import preflight

    config = {
        "model_name_or_path": str(models / "vlm"),
        "output_dir": str(tmp_path / "run"),
        "recipe": "grounding",
        "grounding": {"decoder_name_or_path": str(tmp_path)},
        "data": {"train": {"path": str(data["rle"])}},
    }
    (only,) = preflight(parse_config(config, "run.yaml"), step=False)
    assert only.verdict == "failed"
    assert "no mask decoder there" in only.lines[0]
    with pytest.raises(UsageError, match="the recipe is chat"):
        parse_config({**config, "recipe": "chat"}, "run.yaml")
