"""Regions in every family: a mask weighs the features of what it covers, and answers follow the masks."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))
import region_scenes  # noqa: E402

import mmdata  # noqa: E402
from mmdata.masks import encode as rle  # noqa: E402
from mmtrain.tiny import Shape, make_tiny  # noqa: E402

FAMILIES = ["internvl", "qwen2_vl", "qwen2_5_vl", "llava_onevision"]
PATCH = 14


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    words = ["What is <region> and what is <region>?", "red green blue"]
    shape = Shape(tile=56, deviation=0.08)
    return {
        family: make_tiny(family, folder / family, text=words, shape=shape).directory for family in FAMILIES
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return region_scenes.make(tmp_path_factory.mktemp("scenes"))


def settings_of(model: Path, **more: Any) -> Any:
    from mmtrain.settings import from_plain

    tiles = {"max_tiles": 6} if model.name == "internvl" else {}
    return from_plain(
        {
            "model": str(model),
            "output_dir": "unused",
            "recipe": "regions",
            "train": [],
            "dtype": "fp32",
            "learning_rate": 1e-3,
            "video_frames": 2,
            **tiles,
            **more,
        }
    )


def built(model: Path, **more: Any) -> tuple[Any, Any]:
    from mmtrain.recipes import regions

    settings = settings_of(model, **more)
    encoder = regions.make_encoder(settings)
    return regions.make_model(settings, encoder.tokenizer), encoder


def scene(folder: Path, shown: list[np.ndarray], video: bool = False) -> Any:
    """A sample of pictures (or the frames of a video), white where the mask of each is, with a region on each."""
    folder.mkdir(exist_ok=True)
    for k, mask in enumerate(shown):
        Image.fromarray(np.repeat(mask[..., None] * np.uint8(255), 3, 2)).save(folder / f"{k}.png")
    height, width = shown[0].shape
    masks = [{"segmentation": rle(mask)} for mask in shown]
    record: dict[str, Any] = {"height": height, "width": width}
    if video:
        record |= {"video": folder.name, "annotation": [{str(k): one} for k, one in enumerate(masks)]}
    else:
        record |= {"image": "0.png", "annotation": [{"0": masks[0]}]}
    asked = "and <region>" * len(record["annotation"])
    record["conversations"] = region_scenes.turns(f"<{'video' if video else 'image'}>\n{asked}?", "yes")
    home = folder.parent if video else folder
    return mmdata.open(str(region_scenes.write(home, "one.json", [record])), format="videorefer").sample(
        0
    ), str(home)


def whiteness(family: str, pixels: np.ndarray) -> np.ndarray:
    """How white the part of the picture is that each feature sees, 0 to 1, from the pixels that the model is given."""
    if family.startswith("qwen"):
        flat = pixels.reshape(len(pixels), 3, 2, PATCH * PATCH)
        low, high = flat.min(axis=(0, 2, 3), keepdims=True), flat.max(axis=(0, 2, 3), keepdims=True)
        return ((flat - low) / (high - low)).mean(axis=(1, 3))  # (features, 2 frames)
    low, high = pixels.min(axis=(0, 2, 3), keepdims=True), pixels.max(axis=(0, 2, 3), keepdims=True)
    scaled = ((pixels - low) / (high - low)).mean(1)
    side = pixels.shape[-1] // PATCH
    return scaled.reshape(len(pixels), side, PATCH, side, PATCH).mean((2, 4)).reshape(-1)


def block(height: int, width: int, top: int, left: int, high: int, wide: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + high, left : left + wide] = 1
    return mask


@pytest.mark.parametrize(("height", "width"), [(84, 168), (168, 84), (100, 130), (56, 56)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_weighs_what_the_model_sees_of_it(
    family: str, height: int, width: int, models: dict[str, Path], tmp_path: Path
) -> None:
    """White where the mask is: of every feature the share under the mask is how white its pixels are."""
    from mmtrain.recipes import regions

    encoder = regions.make_encoder(settings_of(models[family]))
    mask = block(height, width, height // 3, width // 2, height // 2, width // 3)
    one, root = scene(tmp_path / "a", [mask])
    made = encoder.encode(one, root)
    white = whiteness(family, made.media["pixel_values"])
    white = white[:, 0] if white.ndim == 2 else white
    found = np.zeros(len(white))
    found[made.media["region_cells"][:, 1]] = made.media["region_weights"]
    assert found.sum() == pytest.approx(1)
    # The whole in small, where there is one, is not looked at: InternVL's comes last, LLaVA-OneVision's first.
    tile = 16
    if family == "internvl" and made.tiles > 1:
        assert not found[-tile:].any()
        white[-tile:] = 0
    if family == "llava_onevision":
        assert not found[:tile].any()
        white[:tile] = 0
    np.testing.assert_allclose(found, white / white.sum(), atol=0.25 / max(4, (found > 0).sum()))
    assert np.corrcoef(found, white)[0, 1] > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_on_a_frame_weighs_the_features_of_that_frame(
    family: str, models: dict[str, Path], tmp_path: Path
) -> None:
    """Three frames, the last twice where two are merged in time; on each another part is white."""
    from mmtrain.recipes import regions

    encoder = regions.make_encoder(settings_of(models[family], video_frames=3))
    shown = [block(112, 112, 56 * (k // 2), 56 * (k % 2), 56, 56) for k in range(3)]
    one, root = scene(tmp_path / "clip", shown, video=True)
    made = encoder.encode(one, root)
    white = whiteness(family, made.media["pixel_values"])
    for k in range(3):
        own = made.media["region_cells"][:, 0] == k
        found = np.zeros(len(white))
        found[made.media["region_cells"][own, 1]] = made.media["region_weights"][own]
        seen = white[:, k % 2] if white.ndim == 2 else white
        times = len(white) // (2 if white.ndim == 2 else 3)
        at = k // 2 if white.ndim == 2 else k
        expected = np.zeros(len(white))
        expected[at * times : (at + 1) * times] = seen[at * times : (at + 1) * times]
        np.testing.assert_allclose(found, expected / expected.sum(), atol=0.03)


def test_several_pictures_of_onevision_are_padded_to_squares(models: dict[str, Path], tmp_path: Path) -> None:
    from mmtrain.recipes import regions
    from schemas.sample import Media, MediaPart

    encoder = regions.make_encoder(settings_of(models["llava_onevision"]))
    one, root = scene(tmp_path / "a", [block(60, 100, 20, 50, 30, 40)])
    one.media.append(Media("image", ["0.png"]))
    one.turns[0].parts.append(MediaPart(1))
    one.objects[0] = dataclasses.replace(one.objects[0], media=1)
    made = encoder.encode(one, root)
    # In a square of 100 pixels the mask lies 20 lower: rows 40 to 70, columns 50 to 90, of cells of 25.
    expected = np.outer([0, 10, 20, 0], [0, 0, 25, 15]).reshape(-1)
    found = np.zeros(32)
    found[made.media["region_cells"][:, 1]] = made.media["region_weights"]
    np.testing.assert_allclose(found[16:], expected / expected.sum(), atol=1e-6)
    assert not found[:16].any()
    white = whiteness("llava_onevision", made.media["pixel_values"])[16:]
    assert white.argmax() == expected.argmax()


@pytest.mark.parametrize("family", FAMILIES)
def test_one_patch_gives_exactly_its_features(family: str, models: dict[str, Path], tmp_path: Path) -> None:
    """In the order of the inputs: merged by the model's own projector they are the tokens of the picture."""
    from mmtrain.heads.regions_features import watched

    network, encoder = built(models[family])
    pixels = np.random.default_rng(0).integers(0, 256, (84, 140, 3), np.uint8)
    mask = block(84, 140, 28, 42, 14, 14)
    one, root = scene(tmp_path / "a", [mask])
    Image.fromarray(pixels).save(tmp_path / "a" / "0.png")
    made = encoder.encode(one, root)
    inputs = {key: torch.from_numpy(value) for key, value in made.media.items()}
    own = {key: inputs.pop(key) for key in list(inputs) if key.startswith("region_")}
    model = network.base.model
    with torch.no_grad(), watched(network.view, model) as found:
        seen = model.get_image_features(**inputs, return_dict=True)
    features = network.view.flat(found[-1], inputs, network.config)
    assert len(features) == int(own["region_sizes"][0, 0])
    with torch.no_grad():
        if family.startswith("qwen"):
            torch.testing.assert_close(model.visual.merger(features), torch.cat(list(seen.pooler_output)))
        elif family == "llava_onevision":
            again = model.multi_modal_projector(features.reshape(-1, 16, features.shape[-1]))
            torch.testing.assert_close(again[0], seen.pooler_output[0][:16])
        tokens = network._tokens(found, own, inputs)
    cells, weights = own["region_cells"][:, 1], own["region_weights"]
    by_hand = sum(float(w) * features[c] for c, w in zip(cells.tolist(), weights, strict=True))
    torch.testing.assert_close(tokens[0], by_hand, rtol=1e-4, atol=1e-5)
    if family.startswith("qwen"):
        # Nothing is resized. Row 2, column 3 of 6 x 10 patches: in square (1, 1) of 3 x 5, its upper right one.
        assert cells.tolist() == [(1 * 5 + 1) * 4 + 1]


def colours(
    models: dict[str, Path], data: dict[str, Path], family: str, kinds: list[str], **more: Any
) -> Any:
    """A model trained until it names the colour under a mask; and a sample of every colour of each kind."""
    from mmtrain.data.collate import packed
    from mmtrain.recipes import regions

    network, encoder = built(models[family], **more)
    root = str(data["image"].parent)
    samples = {
        kind: [mmdata.open(str(data[kind]), format="videorefer").sample(k) for k in range(3)]
        for kind in kinds
    }
    for some in samples.values():
        if len(some[0].objects) > 1:  # of two objects the first alone
            for k, one in enumerate(some):
                one.turns[0].parts = one.turns[0].parts[:3]
                del one.objects[1:]
                one.turns[1].parts[0] = dataclasses.replace(
                    one.turns[1].parts[0], text=list(region_scenes.COLORS)[k]
                )
    encoded = [encoder.encode(one, root) for some in samples.values() for one in some]
    batch = packed(encoded, None, "token")
    best = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(150):
        loss = regions.loss(network, batch)["ce"].total / batch.counts["label"]
        best.zero_grad()
        loss.backward()
        best.step()
        if loss.item() < 0.05:
            break
    network.vlm.set_attn_implementation(
        "sdpa"
    )  # as `mmtrain.load`: training's own knows no padding on the left
    return network.eval(), encoder, samples, root


@pytest.mark.slow  # trains to certainty: a minute and more each
@pytest.mark.parametrize(
    ("family", "kinds", "section"),
    [
        ("qwen2_5_vl", ["image", "v1"], {}),
        ("llava_onevision", ["v1"], {"merge": "clusters", "tokens": 2}),
        ("qwen2_vl", ["v1"], {"merge": "tokens"}),
    ],
    ids=["qwen2_5_vl", "llava_onevision", "qwen2_vl"],
)
def test_answers_follow_the_masks(
    family: str,
    kinds: list[str],
    section: dict[str, Any],
    models: dict[str, Path],
    data: dict[str, Path],
    tmp_path: Path,
) -> None:
    """Trained on the colour under a mask; with masks swapped the answers are swapped. Saved, loaded, in one batch: the same."""
    from mmtrain.loading import Model
    from mmtrain.recipes import regions

    network, encoder, samples, root = colours(models, data, family, kinds, section=section)
    names = list(region_scenes.COLORS)
    asked = Model("regions", network, encoder)
    for some in samples.values():
        mixed = [
            dataclasses.replace(one, turns=one.turns[:1], objects=other.objects, media=other.media)
            for one in some[:1]
            for other in some
        ]
        said = [asked.reply(one, root=root, max_new_tokens=8).text for one in mixed]
        assert said == names
    every = [dataclasses.replace(one, turns=one.turns[:1]) for some in samples.values() for one in some]
    alone = [asked.reply(one, root=root, max_new_tokens=8).text for one in every]
    assert asked.answers(every, root=root, max_new_tokens=8) == alone
    network.vlm.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    regions.save(network, tmp_path)
    again = regions.load(tmp_path, torch.float32)
    assert again.merging == network.merging
    reloaded = Model("regions", again, encoder)
    assert [reloaded.reply(one, root=root, max_new_tokens=8).text for one in every[:2]] == alone[:2]


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_answers_have_the_rotary_positions_of_training(
    family: str, models: dict[str, Path], data: dict[str, Path]
) -> None:
    """Token by token against the whole sequence each time, placed as in training; alone and in a batch."""
    from mmtrain.loading import Model

    network, encoder = built(models[family])
    with torch.no_grad():
        network.vlm.lm_head.weight.normal_(generator=torch.Generator().manual_seed(0))
    network.eval()
    network.vlm.set_attn_implementation(
        "sdpa"
    )  # as `mmtrain.load`: training's own knows no padding on the left
    root = str(data["v1"].parent)
    samples = [mmdata.open(str(data[kind]), format="videorefer").sample(2) for kind in ("v1", "image")]
    samples = [dataclasses.replace(one, turns=one.turns[:1], objects=one.objects) for one in samples]
    asked = Model("regions", network, encoder)
    expected = []
    for one in samples:
        ids, _, media = encoder.prompt(one, root)
        rotary = media.pop("rotary")
        inputs = {key: torch.from_numpy(value) for key, value in media.items()}
        for _ in range(5):
            plain = np.arange(len(ids))
            more = rotary[:, -1:] + 1 + np.arange(len(ids) - rotary.shape[1])
            placed = np.concatenate([plain[None], np.concatenate([rotary, more], 1)])[:, None]
            with torch.no_grad():
                logits = network(
                    torch.from_numpy(ids)[None],
                    position_ids=torch.from_numpy(placed),
                    use_cache=False,
                    **inputs,
                ).logits
            ids = np.append(ids, int(logits[0, -1].argmax()))
        expected.append(asked._text(ids[rotary.shape[1] :]))
    assert [asked.reply(one, root=root, max_new_tokens=5).text for one in samples] == expected
    assert asked.answers(samples, root=root, max_new_tokens=5) == expected


def source(data: dict[str, Path], kind: str) -> dict[str, str]:
    dialect = "videorefer-vl3" if kind == "vl3" else "videorefer"
    return {"path": str(data[kind]), "media_root": str(data[kind].parent), "format": dialect}


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "llava_onevision"])
def test_the_preflight_measures_what_training_gets(
    family: str, models: dict[str, Path], data: dict[str, Path], tmp_path: Path
) -> None:
    """Videos, pictures, text, both dialects; then a record that does not fit."""
    import json

    from mmtrain.config import parse_config
    from mmtrain.preflight import preflight

    config: dict[str, Any] = {
        "model_name_or_path": str(models[family]),
        "output_dir": str(tmp_path / "run"),
        "recipe": "regions",
        "regions": {"merge": "clusters", "tokens": 3},
        "bf16": False,
        "max_length": 512,
        "video_frames": 2,
        "data": {"train": [source(data, kind) for kind in data]},
    }
    steps = {step.name: step for step in preflight(parse_config(config, "run.yaml"), step=False)}
    assert {name: step.verdict for name, step in steps.items() if step.verdict == "failed"} == {}
    encoder = built(models[family], section={"merge": "clusters", "tokens": 3})[1]
    for kind in data:
        one = mmdata.open(str(data[kind]), format=source(data, kind)["format"]).sample(0)
        assert (
            encoder.measure(one, str(data[kind].parent)) == encoder.encode(one, str(data[kind].parent)).size
        )
    records = json.loads(data["v1"].read_text())
    records[2]["annotation"][0] = {"17": region_scenes.rle(0, 1)}
    wrong = region_scenes.write(tmp_path, "wrong.json", records)
    config["data"] = {"train": {**source(data, "v1"), "path": str(wrong)}}
    steps = {step.name: step for step in preflight(parse_config(config, "run.yaml"), step=False)}
    assert steps["lengths"].verdict == "failed"
    assert "wrong.json: record 2: object 0: frame 17 is out of range" in "\n".join(steps["lengths"].lines)


@pytest.mark.slow
def test_two_ranks_under_zero_3_equal_one_and_come_back_from_their_export(
    models: dict[str, Path], data: dict[str, Path], tmp_path: Path, launch: Any
) -> None:
    from recipe_runs import RUN, ZERO, losses

    import mmtrain
    from mmtrain.export import export

    start, finish = launch
    families = ["qwen2_5_vl", "llava_onevision"]

    def runs(name: str, accumulation: int, stage: int) -> list[dict[str, Any]]:
        return [
            {
                **RUN,
                "model": str(models[family]),
                "output_dir": str(tmp_path / name / family),
                "recipe": "regions",
                "train": [source(data, kind) for kind in data],
                "max_length": 512,
                "packing_window": 4,
                "video_frames": 2,
                "gradient_accumulation_steps": accumulation,
                "deepspeed": ZERO[stage],
                "section": {"merge": "tokens"},
            }
            for family in families
        ]

    alone = finish(start(runs("one", 2, 0), tmp_path / "a"), tmp_path / "a", 900)
    together = finish(start(runs("two", 1, 3), tmp_path / "b", ranks=2), tmp_path / "b", 900)
    for family, one, two in zip(families, alone, together, strict=True):
        assert np.array(losses(two, "loss")) == pytest.approx(np.array(losses(one, "loss")), rel=5e-5)
        assert one["order_hash"] == two["order_hash"]
        export(tmp_path / "two" / family, tmp_path / "model" / family)
        loaded = mmtrain.load(tmp_path / "model" / family)
        question = mmdata.open(str(data["v1"]), format="videorefer").sample(2)
        question.turns = question.turns[:1]
        assert isinstance(loaded.reply(question, root=str(data["v1"].parent), max_new_tokens=3).text, str)
