"""Ids, labels and tiles against what InternVL's loader builds, written anew from its rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmdata.errors import DataError, UsageError
from mmdata.templates import get_template
from mmtrain.data.encode import IGNORED, Encoder
from mmtrain.data.internvl import InternVLMedia
from mmtrain.data.video import FrameRule
from schemas.sample import Media, MediaPart, Sample, SampleTurn, TextPart

TALK = [
    ("user", "<image>\nWhere is it?\n"),
    ("assistant", "\n\nleft object"),
    ("user", "and?"),
    ("assistant", "mask "),
]


def sample(talk: list[tuple[str, str]], paths: list[str]) -> Sample:
    made = Sample([], [Media("image", [p]) for p in paths])
    seen = 0
    for role, text in talk:
        parts: list[Any] = []
        for k, piece in enumerate(text.split("<image>")):
            if k:
                parts.append(MediaPart(seen))
                seen += 1
            if piece:
                parts.append(TextPart(piece))
        made.turns.append(SampleTurn(role, parts))  # type: ignore[arg-type]
    return made


def noise(path: Path, width: int, height: int, mode: str = "RGB") -> str:
    channels = len(mode)
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, channels), np.uint8)
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(path)
    return str(path)


def upstream_tiles(path: str, side: int, most: int) -> torch.Tensor:
    """Every grid tried in order of tiles, picture resized, cropped tile by tile, thumbnail last, ImageNet statistics."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    grids = sorted(
        {
            (i, j)
            for n in range(1, most + 1)
            for i in range(1, n + 1)
            for j in range(1, n + 1)
            if i * j <= most
        },
        key=lambda g: g[0] * g[1],
    )
    best, nearest = (1, 1), float("inf")
    for i, j in grids:
        distance = abs(width / height - i / j)
        if distance < nearest or (distance == nearest and width * height > 0.5 * side * side * i * j):
            best, nearest = (i, j), min(distance, nearest)
    columns, rows = best
    big = image.resize((side * columns, side * rows))
    tiles = [
        big.crop((c * side, r * side, (c + 1) * side, (r + 1) * side))
        for r in range(rows)
        for c in range(columns)
    ]
    if len(tiles) > 1:
        tiles.append(image.resize((side, side)))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    made = []
    for tile in tiles:
        pixels = torch.from_numpy(np.array(tile)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        made.append(pixels.sub(mean.view(3, 1, 1)).div(std.view(3, 1, 1)))
    return torch.stack(made)


@pytest.mark.parametrize(
    ("width", "height", "mode"),
    [
        (800, 800, "RGB"),
        (1600, 900, "RGB"),
        (37, 500, "L"),
        (448, 448, "RGBA"),
        (2688, 896, "RGB"),
        (5, 3, "RGB"),
    ],
)
def test_tiles_are_upstreams_bit_for_bit(tmp_path: Path, width: int, height: int, mode: str) -> None:
    path = noise(tmp_path / "a.png", width, height, mode)
    counts, inputs = InternVLMedia().pixels([Media("image", [path])], None, None)
    expected = upstream_tiles(path, 448, 12)
    assert torch.equal(torch.from_numpy(inputs["pixel_values"]), expected)
    assert counts == [[(256 * len(expected), len(expected))]]
    assert InternVLMedia().measure([Media("image", [path])], None, None) == counts


def test_several_pictures_share_the_most_tiles(tmp_path: Path) -> None:
    wide = [Media("image", [noise(tmp_path / f"{i}.png", 900 + i, 300)]) for i in range(3)]
    media = InternVLMedia(tile=28, tokens=1, max_tiles=12)
    assert [one[0].tiles for one in media.measure(wide, None, None)] == [
        4,
        4,
        4,
    ]  # 12 // 3: 3x1 and a thumbnail
    assert [one[0].tiles for one in media.measure(wide, None, 2)] == [1, 1, 1]  # the data set's own maximum


def test_internvl25_ids_and_labels(tmp_path: Path, tokenizer: Any) -> None:
    """Turn by turn; of an answer's tokens the header's and the last are masked."""
    path = noise(tmp_path / "a.png", 56, 28)
    encoded = Encoder(tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=2)).encode(sample(TALK, [path]))
    system = get_template("internvl2_5").system
    ids: list[int] = []
    labels: list[int] = []
    header = len(tokenizer("<|im_start|>assistant\n").input_ids)
    for role, text in [("system", system), *TALK]:
        text = text.replace(
            "<image>", "<img>" + "<IMG_CONTEXT>" * 6 + "</img>"
        )  # 2x1 tiles and a thumbnail, 2 each
        turn = tokenizer(f"<|im_start|>{role}\n{text}<|im_end|>\n").input_ids
        ids += turn
        labels += (
            [IGNORED] * header + turn[header:-1] + [IGNORED] if role == "assistant" else [IGNORED] * len(turn)
        )
    assert encoded.input_ids.tolist() == ids
    assert encoded.labels.tolist() == labels
    assert encoded.tiles == 3


@pytest.mark.parametrize(("name", "end"), [("Hermes-2", "<|im_end|>"), ("internlm2-chat", "<|im_end|>")])
def test_legacy_labels_cover_answer_and_end(tokenizer: Any, name: str, end: str) -> None:
    talk = [("user", "Where?"), ("assistant", "left"), ("user", "and?"), ("assistant", "right")]
    encoded = Encoder(tokenizer, name, None).encode(sample(talk, []))
    trained = encoded.input_ids[encoded.labels != IGNORED]
    assert tokenizer.decode(trained) == f"left{end}right{end}"
    assert (encoded.labels[encoded.labels != IGNORED] == trained).all()


def test_measuring_agrees_with_encoding(mixed: Path, tokenizer: Any) -> None:
    import mmdata

    encoder = Encoder(tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=1, max_tiles=6))
    for one in mmdata.open(str(mixed / "mixed.jsonl")).samples():
        assert encoder.measure(one, str(mixed)) == encoder.encode(one, str(mixed)).size


def test_frames_of_a_video_are_a_tile_each(tmp_path: Path, tokenizer: Any) -> None:
    for i in range(20):
        noise(tmp_path / f"f_{i}.jpg", 40, 30)
    talk = sample([("user", "<image>\nWhat?"), ("assistant", "left")], [str(tmp_path)])
    talk.media[0].kind = "video"
    encoded = Encoder(
        tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=1, frames=FrameRule(most=4))
    ).encode(talk)
    assert encoded.media["pixel_values"].shape == (4, 3, 28, 28)
    text = tokenizer.decode(encoded.input_ids)
    one = "<img><IMG_CONTEXT></img>"
    assert "\n".join(f"Frame-{i}: {one}" for i in range(1, 5)) + "\nWhat?" in text


def test_what_cannot_be_encoded_says_why(tmp_path: Path, tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=1))
    with pytest.raises(DataError, match="which stands for a picture"):
        encoder.encode(sample([("user", "a <IMG_CONTEXT>"), ("assistant", "b")], []))
    with pytest.raises(DataError, match="cannot be opened"):
        encoder.measure(sample(TALK, [str(tmp_path / "none.png")]))
    cut = tmp_path / "cut.png"
    whole = Path(noise(tmp_path / "whole.png", 200, 200)).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be decoded"):
        encoder.encode(sample(TALK, [str(cut)]))
    with pytest.raises(UsageError, match="does not fit the template"):
        Encoder(tokenizer, "qwen2-vl", InternVLMedia())
