"""Videos of Qwen2-VL and Qwen2.5-VL against the model's own way with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmdata.errors import DataError
from mmtrain.data.collate import packed
from mmtrain.recipes.chat import make_encoder, make_model
from mmtrain.tiny import make_tiny
from schemas.sample import Media, MediaPart, Sample, SampleTurn, TextPart


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl"])
def qwen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen") / str(request.param)
    make_tiny(request.param, folder)
    return folder


def frames(folder: Path, count: int, width: int = 150, height: int = 130) -> list[str]:
    folder.mkdir(exist_ok=True)
    for k in range(count):
        pixels = np.random.default_rng(k).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"f_{k}.png")
    return [str(folder / f"f_{k}.png") for k in range(count)]


def talk(*media: Media) -> Sample:
    parts: list[Any] = [p for k in range(len(media)) for p in (MediaPart(k), TextPart("\nand "))]
    return Sample(
        [
            SampleTurn("user", [*parts, TextPart("what happens?")]),
            SampleTurn("assistant", [TextPart("A tank.")]),
        ],
        list(media),
    )


@pytest.fixture
def video(tmp_path: Path) -> Media:
    return Media("frames", frames(tmp_path / "v", 5), timestamps=[0.0, 0.7, 1.4, 2.1, 2.8])


def test_a_video_gives_the_logits_and_positions_of_the_models_own_inputs(
    qwen: Path, settings_of: Any, video: Media, tmp_path: Path
) -> None:
    """A picture, a video and a picture: ours as one list of pictures, the model's apart and at their own tokens."""
    from transformers import AutoModelForImageTextToText

    encoder = make_encoder(settings_of(qwen))
    picture = Media("image", frames(tmp_path / "p", 1, 60, 40))
    encoded = encoder.encode(talk(picture, video, picture))
    grids = encoded.media["image_grid_thw"]
    assert grids[:, 0].tolist() == [1, 3, 1]  # five frames, the last one twice
    patches = np.split(encoded.media["pixel_values"], np.cumsum(grids.prod(1))[:-1])
    ids = encoded.input_ids.copy()
    kinds = (ids == encoder.image_id).astype(np.int64)
    starts = np.flatnonzero(np.diff(kinds, prepend=0) == 1)
    at = slice(starts[1], starts[1] + grids[1].prod() // 4)
    kinds[at] = 2
    ids[at] = encoder.tokenizer.convert_tokens_to_ids("<|video_pad|>")
    model = AutoModelForImageTextToText.from_pretrained(qwen, attn_implementation="eager")
    as_model = {
        "input_ids": torch.from_numpy(ids)[None],
        "mm_token_type_ids": torch.from_numpy(kinds)[None],
        "pixel_values": torch.from_numpy(np.concatenate([patches[0], patches[2]])),
        "image_grid_thw": torch.from_numpy(grids[[0, 2]]),
        "pixel_values_videos": torch.from_numpy(patches[1]),
        "video_grid_thw": torch.from_numpy(grids[[1]]),
    }
    by_seconds = qwen.name == "qwen2_5_vl"
    if by_seconds:
        as_model["second_per_grid_ts"] = torch.tensor([1.4])
    with torch.no_grad():
        expected = model(**as_model, use_cache=False).logits[0]
        named = {k: v for k, v in as_model.items() if not k.startswith("pixel")}
        positions, _ = model.model.get_rope_index(**named)
        batch = packed([encoded], None, "token")
        found = make_model(settings_of(qwen, dtype="fp32"), None)(**batch.inputs, use_cache=False).logits[0]
    assert encoded.positions is not None
    assert encoded.positions.tolist() == positions[:, 0].tolist()
    times = encoded.positions[0, at]
    assert times.max() - times.min() == (int(2 * 1.4 * 4) if by_seconds else 2)  # three grid times
    assert torch.allclose(found, expected, atol=1e-5)
    assert encoder.measure(talk(picture, video, picture)) == encoded.size


def test_frames_are_resized_as_the_video_processor_does(qwen: Path, settings_of: Any, video: Media) -> None:
    pytest.importorskip("torchvision")
    from transformers import Qwen2VLVideoProcessor

    processor = Qwen2VLVideoProcessor.from_pretrained(qwen)
    pictures = [np.asarray(Image.open(path)) for path in video.paths]
    made = processor(videos=[np.stack(pictures)], return_tensors="np", do_sample_frames=False)
    encoded = make_encoder(settings_of(qwen)).encode(talk(video))
    assert encoded.media["image_grid_thw"].tolist() == made["video_grid_thw"].tolist()
    assert np.array_equal(encoded.media["pixel_values"], made["pixel_values_videos"])


def test_the_pixels_of_a_video_are_bounded_together(qwen: Path, settings_of: Any, tmp_path: Path) -> None:
    import json
    import shutil

    shutil.copytree(qwen, tmp_path / "capped")
    path = tmp_path / "capped" / "video_preprocessor_config.json"
    size = {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 100}
    config = json.loads(path.read_text()) | {"size": size, "max_video_tokens": 100}
    videos = Media("frames", frames(tmp_path / "v", 8, 400, 400))
    for cap, tokens in ((False, 4 * 100), (True, 4 * 16)):  # 90 tokens for 4 grid times: 22 each, 4 x 4 fit
        path.write_text(json.dumps({**config, "cap_pixels_per_frame": cap}))
        encoder = make_encoder(settings_of(tmp_path / "capped"))
        encoded = encoder.encode(talk(videos))
        assert (encoded.input_ids == encoder.image_id).sum() == tokens
        assert encoder.measure(talk(videos)) == encoded.size


def test_frames_of_different_sizes_are_refused(qwen: Path, settings_of: Any, tmp_path: Path) -> None:
    paths = frames(tmp_path / "a", 1, 60, 40) + frames(tmp_path / "b", 1, 80, 40)
    with pytest.raises(DataError, match="frames of different sizes: 60x40, 80x40"):
        make_encoder(settings_of(qwen)).encode(talk(Media("frames", paths)))
