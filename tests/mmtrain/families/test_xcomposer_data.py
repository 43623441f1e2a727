"""XComposer's records through the chat recipe: each picture's tokens stand where its mark stood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmdata
from mmdata.errors import DataError


def write(folder: Path, turns: list[str], sizes: list[tuple[int, int]]) -> Any:
    """The sample of one XComposer record: turns by user and bot, pictures of those sizes."""
    names = []
    for k, (width, height) in enumerate(sizes):
        pixels = np.random.default_rng(k).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
        names.append(f"{k}.png")
    talk = [{"from": ("user", "bot")[k % 2], "value": text} for k, text in enumerate(turns)]
    record: dict[str, Any] = {
        "id": "0",
        "image": names if len(names) != 1 else names[0],
        "conversations": talk,
    }
    if not names:
        del record["image"]
    path = folder / "xc.json"
    path.write_text(json.dumps([record]))
    return mmdata.open(str(path), format="xcomposer").sample(0)


def runs(encoder: Any, encoded: Any) -> list[tuple[int, int]]:
    """(first, last + 1) of each unbroken run of image tokens."""
    at = np.concatenate([[0], (encoded.input_ids == encoder.image_id).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(at))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def between(encoder: Any, encoded: Any) -> list[str]:
    """Text before, between and after the pictures, without the tags that a family puts around them."""
    edges = [0, *(e for run in runs(encoder, encoded) for e in run), len(encoded.input_ids)]
    pieces = [
        encoder.tokenizer.decode(encoded.input_ids[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    for tag in ("<img>", "</img>", "<|vision_start|>", "<|vision_end|>"):
        pieces = [piece.replace(tag, "") for piece in pieces]
    return pieces


def test_pictures_stand_at_their_marks(encoder: Any, tmp_path: Path) -> None:
    turns = [
        "Look <ImageHere> at this. Where?",
        "On the left.",
        "Compare <ImageHere>; with <ImageHere>!",
        "The same.",
    ]
    sample = write(tmp_path, turns, [(60, 40), (28, 28), (40, 60)])
    encoded = encoder.encode(sample, str(tmp_path))
    pieces = between(encoder, encoded)
    assert len(pieces) == 4
    assert pieces[0].endswith("user\nLook ")
    assert pieces[1].startswith(" at this. Where?<|im_end|>")
    assert pieces[1].endswith("user\nCompare ")
    assert pieces[2] == "; with "
    assert pieces[3].startswith("!<|im_end|>")
    # The k-th run is as long as the k-th picture needs.
    needed = [one[0].tokens for one in encoder.media.measure(sample.media, str(tmp_path), None)]
    assert [b - a for a, b in runs(encoder, encoded)] == needed
    # Loss covers the answers alone.
    trained = encoder.tokenizer.decode(encoded.input_ids[encoded.labels != -100])
    assert trained.replace("\n", "") == "On the left.<|im_end|>The same.<|im_end|>"


def test_the_exact_positions_of_an_internvl_picture(encoder: Any, model_dir: Path, tmp_path: Path) -> None:
    if model_dir.name != "internvl":
        pytest.skip("the numbers are InternVL's")
    sample = write(tmp_path, ["ab <ImageHere> cd", "ef"], [(56, 28)])
    encoded = encoder.encode(sample, str(tmp_path))
    tokenizer = encoder.tokenizer
    system = encoder.template.system
    before = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nab <img>"
    first = len(tokenizer(before).input_ids)
    assert runs(encoder, encoded) == [(first, first + 3)]  # two tiles of one token, and the thumbnail
    assert tokenizer.decode(encoded.input_ids[:first]) == before
    assert tokenizer.decode(encoded.input_ids[first + 3 :]).startswith("</img> cd<|im_end|>\n")


def test_a_picture_without_a_mark_comes_first_and_other_counts_are_refused(
    encoder: Any, tmp_path: Path
) -> None:
    encoded = encoder.encode(write(tmp_path, ["What is it?", "A tank."], [(60, 40)]), str(tmp_path))
    pieces = between(encoder, encoded)
    assert len(pieces) == 2
    assert pieces[0].endswith("user\n")
    assert pieces[1].startswith("\nWhat is it?")
    with pytest.raises(DataError, match="<ImageHere>"):
        write(tmp_path, ["<ImageHere> and <ImageHere>", "no"], [(60, 40)])
