"""Phrases of an answer, and masks laid over a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmtrain.predict import COLORS, overlay, phrases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The <p> red ship </p> [SEG] and <p>it</p>[SEG].", ["red ship", "it"]),
        ("<p> ships </p> [SEG][SEG] [SEG]", ["ships"] * 3),
        ("Here [SEG].", [""]),
        ("<p> one <p> two </p> [SEG]", ["two"]),
        ("<p> one </p> and [SEG]", [""]),
        ("none", []),
    ],
)
def test_every_mask_has_the_phrase_before_it(text: str, expected: list[str]) -> None:
    assert phrases(text) == expected
    assert len(phrases(text)) == text.count("[SEG]")


def test_masks_are_mixed_in_with_a_white_edge_and_nothing_else_changes() -> None:
    picture = Image.new("RGB", (9, 8), (100, 100, 100))
    mask = np.zeros((1, 8, 9), np.uint8)
    mask[0, 2:7, 3:8] = 1
    pixels = np.asarray(overlay(picture, mask))
    assert (pixels[mask[0] == 0] == 100).all()
    assert (pixels[2, 3:8] == 255).all()
    assert pixels[4, 5].tolist() == [round(50 + c / 2) for c in COLORS[0]]
    assert np.array_equal(np.asarray(overlay(picture, mask[:0])), np.asarray(picture))
