"""Questions that point: masks read, regions outlined where they are, answers written beside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parent))
import region_scenes

from mmdata import masks
from mmdata.errors import DataError, UsageError
from mmtrain.pointing import COLORS, beside, outlined, read_masks
from mmtrain.predict import predict
from schemas.sample import Sample


class Says:
    """A model of regions that says how many objects it was asked about."""

    recipe, draws = "regions", False

    def reply(self, sample: Sample, *, max_new_tokens: int) -> Any:
        del max_new_tokens
        return SimpleNamespace(text=f"{len(sample.objects)} objects", masks=np.zeros((0, 0, 0), np.uint8))


def test_outlines_lie_on_the_inner_edge_of_their_masks() -> None:
    """Pixel by pixel, away from the numbers: a colour on the edge, the picture inside and outside."""
    picture = Image.new("RGB", (300, 260), (100, 100, 100))
    first, second = np.zeros((2, 260, 300), np.uint8)
    first[60:160, 50:150] = 1
    second[200:240, 200:280] = 1
    pixels = np.asarray(outlined(picture, {0: first, 1: second}))
    assert pixels.shape == (260, 300, 3)
    for mask, color in ((first, COLORS[0]), (second, COLORS[1])):
        ys, xs = np.nonzero(mask)
        top, bottom, left, right = ys.min(), ys.max(), xs.min(), xs.max()
        middle = (left + right) // 2
        assert pixels[bottom, middle].tolist() == list(color)
        assert pixels[(top + bottom) // 2, right].tolist() == list(color)
        assert pixels[bottom + 1, middle].tolist() == [100] * 3
        assert pixels[(top + bottom) // 2, middle].tolist() == [100] * 3
    drawn = (pixels != 100).any(2)
    allowed = (first | second).astype(bool)
    allowed[38:64, 46:70] = allowed[178:204, 196:220] = True  # the numbers
    assert not (drawn & ~allowed).any()


def test_small_pictures_are_enlarged_by_whole_numbers() -> None:
    mask = np.zeros((56, 60), np.uint8)
    mask[20:40, 20:40] = 1
    made = outlined(Image.new("RGB", (60, 56)), {0: mask})
    assert made.size == (240, 224)
    colored = (np.asarray(made) == COLORS[0]).all(2)
    ys, xs = np.nonzero(colored[90:])  # below the number
    assert (xs.min(), xs.max(), ys.max()) == (80, 159, 69)


def test_text_never_covers_the_picture() -> None:
    picture = Image.new("RGB", (50, 40), (1, 2, 3))
    made = beside(picture, "a long line " * 20)
    assert made.height > 40
    assert (np.asarray(made)[:40, :50] == (1, 2, 3)).all()
    assert (np.asarray(made)[:, 60:] < 128).any()


@pytest.mark.parametrize("name", ["frames", "moving.gif"])
def test_a_video_is_shown_as_its_frames_with_masks(tmp_path: Path, name: str) -> None:
    region_scenes.video(tmp_path, name)
    given = {}
    for color in (0, 1):
        for frame in (4, 1) if color == 0 else (1,):
            path = tmp_path / f"{color}-{frame}.png"
            Image.fromarray(region_scenes.place(color, frame) * np.uint8(255)).save(path)
            given.setdefault(color, []).append(f"{frame}={path}")
    regions = [",".join(own) for own in given.values()]
    question = "Is <region> above <region>?"
    model: Any = Says()
    done = predict(model, str(tmp_path / name), question, tmp_path / "out", regions=regions, video=True)
    told = json.loads(done.json.read_text())
    assert told["answer"] == "2 objects"
    assert told["video"] == str(tmp_path / name)
    assert [list(one["masks"]) for one in told["regions"]] == [["1", "4"], ["1"]]
    found = masks.decode(told["regions"][0]["masks"]["4"]["rle"])
    np.testing.assert_array_equal(found, region_scenes.place(0, 4))
    assert done.overlay is not None
    shown = np.asarray(Image.open(done.overlay))
    # Two frames of 84 x 60 pixels, four times as large, a gap between them; the second object is on the first alone.
    left, right = shown[: 60 * 4, : 84 * 4], shown[: 60 * 4, 84 * 4 + 8 : 84 * 8 + 8]
    has = [[bool((half == color).all(2).any()) for half in (left, right)] for color in COLORS[:2]]
    assert has == [[True, True], [True, False]]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    region_scenes.video(tmp_path, "frames")
    mask = tmp_path / "m.png"
    Image.fromarray(region_scenes.place(0, 1) * np.uint8(255)).save(mask)
    for wrong in (str(mask), f"a={mask}", f"1={mask},", f"1={mask},x"):
        with pytest.raises(UsageError, match="expected FRAME=MASK"):
            read_masks(wrong, True)
    with pytest.raises(UsageError, match="more than one mask"):
        read_masks(f"1={mask},01={mask}", True)
    with pytest.raises(DataError, match=r"none\.png"):
        read_masks("1=none.png", True)
    model: Any = Says()
    with pytest.raises(DataError, match="2 <region> in the question for 1 masks"):
        predict(model, "frames", "<region> <region>", tmp_path / "out", regions=[f"1={mask}"], video=True)
    with pytest.raises(DataError, match="no frame 9: the video has 6"):
        predict(
            model, str(tmp_path / "frames"), "<region>", tmp_path / "out", regions=[f"9={mask}"], video=True
        )
    other: Any = SimpleNamespace(recipe="chat", draws=False)
    with pytest.raises(DataError, match="a model of the recipe chat takes no regions"):
        predict(other, "frames", "<region>", tmp_path / "out", regions=[f"1={mask}"], video=True)
