"""Videos of LLaVA-OneVision against the model's own way with them and its processor's counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmdata.errors import DataError, UsageError
from mmtrain.data.collate import packed, padded
from mmtrain.data.encode import Encoded
from mmtrain.losses import weighted_nll
from mmtrain.recipes.chat import make_encoder, make_model
from mmtrain.tiny import load_processor, make_tiny
from schemas.sample import Media, MediaPart, Sample, SampleTurn, TextPart


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava") / "llava_onevision"
    make_tiny("llava_onevision", folder)
    return folder


@pytest.fixture(scope="module")
def model(llava: Path, settings_of: Any) -> Any:
    return make_model(settings_of(llava, dtype="fp32"), None)


@pytest.fixture(scope="module")
def plain(llava: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(llava, attn_implementation="eager")


@pytest.fixture
def clip(tmp_path: Path) -> Any:
    """clip(frames, width, height): a video of pictures."""

    def make(count: int, width: int = 50, height: int = 40) -> Media:
        folder = tmp_path / f"{count}x{width}x{height}"
        folder.mkdir(exist_ok=True)
        for k in range(count):
            pixels = np.random.default_rng(k).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"f_{k}.png")
        return Media("frames", [str(folder / f"f_{k}.png") for k in range(count)])

    return make


def talk(*media: Media) -> Sample:
    parts: list[Any] = [p for k in range(len(media)) for p in (MediaPart(k), TextPart("\nand "))]
    turns = [
        SampleTurn("user", [*parts, TextPart("what happens?")]),
        SampleTurn("assistant", [TextPart("A tank.")]),
    ]
    return Sample(turns, list(media))


def picture(clip: Any, width: int, height: int) -> Media:
    return Media("image", clip(1, width, height).paths)


def kinds(clip: Any, *names: str) -> list[Media]:
    made = {"v5": (5,), "v3": (3, 33, 90), "v1": (1,)}
    return [clip(*made[name]) if name in made else picture(clip, 60, 40) for name in names]


def as_the_model_takes_it(encoder: Any, sample: Sample) -> dict[str, torch.Tensor]:
    """Its own inputs: pictures in ``pixel_values``, each video on its own, at ``<image>`` and ``<video>``."""
    encoded = encoder.encode(sample)
    ids = encoded.input_ids.copy()
    tiles = torch.from_numpy(encoded.media["pixel_values"])
    starts = np.flatnonzero(np.diff((ids == encoder.image_id).astype(np.int8), prepend=0) == 1)
    pictures, sizes, videos = [], [], []
    at = 0
    for one, start, (own,) in zip(
        sample.media, starts, encoder.media.measure(sample.media, None, None), strict=True
    ):
        if one.kind == "image":
            pictures.append(tiles[at : at + own.tiles])
            with Image.open(one.paths[0]) as opened:
                sizes.append([opened.height, opened.width])
        else:
            videos.append(tiles[at : at + len(one.paths)][None])
            ids[start : start + own.tokens] = encoder.tokenizer.convert_tokens_to_ids("<video>")
        at += own.tiles
    assert at == len(tiles)
    found = {"input_ids": torch.from_numpy(ids)[None], "pixel_values_videos": videos}
    if pictures:
        found |= {
            "pixel_values": torch.cat(pictures),
            "image_sizes": torch.tensor(sizes),
            "batch_num_images": torch.tensor([len(pictures)]),
        }
    return found


def own_logits(plain: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Logits (L, V); videos of several lengths go through the model's own video path one by one."""
    videos = inputs.pop("pixel_values_videos")
    features = torch.cat(
        [plain.model.get_video_features(v, return_dict=True).pooler_output[0] for v in videos]
    )
    embeds = plain.get_input_embeddings()(inputs["input_ids"])
    if "pixel_values" in inputs:
        names = ("pixel_values", "image_sizes", "batch_num_images")
        pictures = plain.model.get_image_features(
            **{k: inputs[k] for k in names}, return_dict=True
        ).pooler_output
        at = (inputs["input_ids"] == plain.config.image_token_id)[..., None]
        embeds = embeds.masked_scatter(at, torch.cat(list(pictures)))
    at = (inputs["input_ids"] == plain.config.video_token_id)[..., None]
    assert at.sum() == len(features)
    logits: torch.Tensor = plain(inputs_embeds=embeds.masked_scatter(at, features), use_cache=False).logits[0]
    return logits


MIXES = [["v5"], ["v1"], ["v5", "p"], ["p", "v1", "p"], ["v3", "v5"], ["p", "v3", "v1"]]


@pytest.mark.parametrize("names", MIXES, ids="-".join)
def test_a_video_gives_the_logits_of_the_models_own_inputs(
    llava: Path, model: Any, plain: Any, settings_of: Any, clip: Any, names: list[str]
) -> None:
    encoder = make_encoder(settings_of(llava))
    sample = talk(*kinds(clip, *names))
    encoded = encoder.encode(sample)
    assert encoder.measure(sample) == encoded.size
    with torch.no_grad():
        found = model(**packed([encoded], None, "token").inputs, use_cache=False).logits[0]
        expected = own_logits(plain, as_the_model_takes_it(encoder, sample))
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_single_video_is_the_models_own_call(
    llava: Path, model: Any, plain: Any, settings_of: Any, clip: Any
) -> None:
    encoder = make_encoder(settings_of(llava))
    sample = talk(clip(5))
    inputs: Any = as_the_model_takes_it(encoder, sample)
    inputs["pixel_values_videos"] = inputs["pixel_values_videos"][0]
    with torch.no_grad():
        batch = packed([encoder.encode(sample)], None, "token")
        found = model(**batch.inputs, use_cache=False).logits
        assert torch.allclose(found, plain(**inputs, use_cache=False).logits, atol=1e-5)


@pytest.mark.parametrize("side", [2, 3, 4])
def test_tokens_are_counted_as_the_processor_does(
    llava: Path, tmp_path: Path, settings_of: Any, clip: Any, side: int
) -> None:
    """An odd number of tokens a side, as the released models have, is rounded up where it is halved."""
    folder, tile = tmp_path / "other", 14 * side
    shutil.copytree(llava, folder)
    for name, change in (
        ("config.json", lambda found: found["vision_config"].update(image_size=tile)),
        ("processor_config.json", lambda found: found.update(num_image_tokens=side**2)),
        ("video_preprocessor_config.json", lambda found: found.update(size={"height": tile, "width": tile})),
    ):
        found = json.loads((folder / name).read_text())
        change(found)
        (folder / name).write_text(json.dumps(found))
    encoder = make_encoder(settings_of(folder, video_frames=4))
    sizes = [(3, 40, 50), (4, 40, 50), (1, 40, 50)]
    videos = [clip(3), clip(9), clip(1)]  # of nine frames four are taken
    expected = load_processor(folder)._get_num_multimodal_tokens(video_sizes=sizes)
    counted = [one[0].tokens for one in encoder.media.measure(videos, None, None)]
    assert counted == expected["num_video_tokens"]


def test_frames_are_those_of_the_video_processor(llava: Path, settings_of: Any, clip: Any) -> None:
    pytest.importorskip("torchvision")
    from transformers import LlavaOnevisionVideoProcessor

    processor = LlavaOnevisionVideoProcessor.from_pretrained(llava)
    video = clip(5)
    frames = np.stack([np.asarray(Image.open(path)) for path in video.paths])
    made = processor(videos=[frames], return_tensors="np", do_sample_frames=False)
    encoded = make_encoder(settings_of(llava)).encode(talk(video))
    assert np.array_equal(encoded.media["pixel_values"], made["pixel_values_videos"][0])


def test_packed_and_padded_give_the_same_loss_and_gradient(
    llava: Path, model: Any, settings_of: Any, clip: Any
) -> None:
    encoder = make_encoder(settings_of(llava))
    samples: list[Encoded] = [encoder.encode(talk(*kinds(clip, *names))) for names in [*MIXES, [], ["p"]]]
    found = []
    for batch in (packed(samples, encoder.dummy(), "token"), padded(samples, encoder.dummy(), "token", 0)):
        model.zero_grad()
        loss = weighted_nll(model, batch.inputs, batch.labels, batch.weights) / batch.weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((loss.item(), torch.cat(grads)))
    alone = []
    for sample in samples:
        batch = packed([sample], None, "token")
        alone.append((weighted_nll(model, batch.inputs, batch.labels, batch.weights), batch.weights.sum()))
    mean = sum(nll.item() for nll, _ in alone) / sum(weight.item() for _, weight in alone)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][0] == pytest.approx(mean, rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=2e-6)


def test_what_is_not_one_tile_a_frame_is_refused(
    llava: Path, tmp_path: Path, settings_of: Any, clip: Any
) -> None:
    mixed = Media("frames", clip(1).paths + clip(1, 60, 60).paths)
    with pytest.raises(DataError, match="frames of different sizes: 50x40, 60x60"):
        make_encoder(settings_of(llava)).encode(talk(mixed))
    shutil.copytree(llava, tmp_path / "other")
    path = tmp_path / "other" / "video_preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": {"height": 56, "width": 56}}))
    with pytest.raises(UsageError, match="expected height and width 28"):
        make_encoder(settings_of(tmp_path / "other"))
