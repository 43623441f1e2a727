"""What a `<region>` becomes: which patches a mask covers, in which tiles, and what stops a sample."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1]))
import region_scenes

import mmdata
from mmdata.errors import DataError
from mmdata.masks import encode as rle
from mmtrain.data.encode import IGNORED
from mmtrain.data.internvl import InternVLMedia
from mmtrain.data.refer_frames import ReferFrames
from mmtrain.data.regions import MEAN, Merging, RegionsEncoder
from mmtrain.data.regions_canvas import covered, even


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return region_scenes.make(tmp_path_factory.mktemp("regions"))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    from mmtrain.tiny import make_tiny

    return AutoTokenizer.from_pretrained(
        make_tiny("internvl", tmp_path_factory.mktemp("m") / "tiny").directory
    )


def encoder(words: Any, merging: Merging = MEAN, **more: Any) -> RegionsEncoder:
    media = InternVLMedia(tile=56, tokens=4, max_tiles=6, frames=ReferFrames(most=2), **more)
    return RegionsEncoder(words, "internvl2_5", media, merging=merging)


def sample(path: Path, record: int = 0) -> Any:
    kind = "videorefer-vl3" if path.stem == "vl3" else "videorefer"
    return mmdata.open(str(path), format=kind).sample(record)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_coverage_is_the_area_under_the_mask(h: int, w: int, rows: int, columns: int, seed: int) -> None:
    """Against adding up the overlaps of every pixel with every cell."""
    mask = np.random.default_rng(seed).integers(0, 2, (h, w), np.uint8)

    def overlap(a0: float, a1: float, b0: float, b1: float) -> float:
        return max(0.0, min(a1, b1) - max(a0, b0))

    expected = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            for y in range(h):
                for x in range(w):
                    high = overlap(y, y + 1, r * h / rows, (r + 1) * h / rows)
                    wide = overlap(x, x + 1, c * w / columns, (c + 1) * w / columns)
                    expected[r, c] += mask[y, x] * high * wide
    np.testing.assert_allclose(covered(mask, even(h, rows), even(w, columns)), expected, atol=1e-9)


def test_a_tiled_picture_is_pooled_in_the_tiles_that_show_the_object(words: Any, tmp_path: Path) -> None:
    """Every patch of every tile against its own rectangle of the picture; nothing lies on the thumbnail."""
    from PIL import Image

    from mmtrain.data.pictures import load_rgb

    size = (84, 168)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / "wide.png")
    mask = np.zeros(size, np.uint8)
    mask[50:70, 70:99] = 1
    record = {
        "image": "wide.png",
        "annotation": [{"0": {"segmentation": rle(mask)}}],
        "conversations": region_scenes.turns("<image>\nWhat is <region>?", "a thing"),
        "height": size[0],
        "width": size[1],
    }
    path = region_scenes.write(tmp_path, "wide.json", [record])
    made = encoder(words).encode(sample(path), str(tmp_path))
    media = InternVLMedia(tile=56, tokens=4, max_tiles=6)
    ((grid,),) = media.grids(sample(path).media, str(tmp_path), None)
    tiles = len(media.cut(load_rgb(str(tmp_path / "wide.png")), grid))
    assert made.tiles == tiles == grid.tiles + 1
    assert grid.tiles > 1
    expected = {}
    for tile in range(grid.tiles):
        for patch in range(16):
            row, column = tile // grid.columns * 4 + patch // 4, tile % grid.columns * 4 + patch % 4
            top, bottom = (np.array([row, row + 1]) * size[0] / grid.rows / 4).tolist()
            left, right = (np.array([column, column + 1]) * size[1] / grid.columns / 4).tolist()
            high = max(0.0, min(bottom, 70) - max(top, 50))
            wide = max(0.0, min(right, 99) - max(left, 70))
            if high * wide > 1e-9:
                expected[tile, patch] = high * wide / mask.sum()
    found = {
        divmod(int(f), 16): float(w)
        for (_, f), w in zip(made.media["region_cells"], made.media["region_weights"], strict=True)
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert len({tile for tile, _ in found}) > 1


def test_masks_lie_on_their_own_frames(words: Any, data: dict[str, Path]) -> None:
    """Two frames evenly and those with masks, in time; each mask on the tile of its frame."""
    one = sample(data["v1"], 2)  # masks on frames 1, 3 and 5 of both objects
    made = encoder(words).encode(one, str(data["v1"].parent))
    assert made.tiles == 4  # 1, 4 evenly, and 3, 5
    assert made.media["region_frames"].tolist() == [3, 3]
    tiles = {int(pair): int(feature) // 16 for pair, feature in made.media["region_cells"]}
    assert tiles == {0: 0, 1: 1, 2: 3, 3: 0, 4: 1, 5: 3}
    assert made.media["region_sizes"].tolist() == [[4 * 16, 6, len(made.media["region_cells"])]]
    # The pixels are those of the frames, and of no others.
    media = InternVLMedia(tile=56, tokens=4)
    from PIL import Image

    from mmdata.tiling import Grid

    for tile, number in enumerate((1, 3, 4, 5)):
        wanted = media.cut(Image.fromarray(region_scenes.frame(number)), Grid(1, 1))[0]
        np.testing.assert_array_equal(made.media["pixel_values"][tile], wanted)


@pytest.mark.parametrize(
    ("merging", "expected"),
    [
        (Merging(), 1),
        (Merging("tokens", 2), 2),
        (Merging("tokens", 4), 3),
        (Merging("clusters", 5), 5),
    ],
)
def test_a_region_is_as_many_tokens_as_are_asked_for(
    words: Any, data: dict[str, Path], merging: Merging, expected: int
) -> None:
    makes = encoder(words, merging)
    made = makes.encode(sample(data["v1"], 2), str(data["v1"].parent))
    at = made.input_ids == makes.region_id
    assert int(at.sum()) == 2 * expected
    assert (made.labels[at] == IGNORED).all()
    assert makes.measure(sample(data["v1"], 2), str(data["v1"].parent)) == made.size


def test_each_mask_has_its_own_region_in_the_other_dialect(words: Any, data: dict[str, Path]) -> None:
    made = encoder(words, Merging("tokens", 4)).encode(sample(data["vl3"]), str(data["vl3"].parent))
    assert made.media["region_frames"].tolist() == [1, 1]


def test_samples_without_regions_are_the_chat_recipes(words: Any, data: dict[str, Path]) -> None:
    from mmtrain.data.encode import Encoder

    makes = encoder(words)
    for kind in ("plain", "text"):
        one, root = sample(data[kind]), str(data[kind].parent)
        ours, chat = makes.encode(one, root), Encoder.encode(makes, one, root)
        np.testing.assert_array_equal(ours.input_ids, chat.input_ids)
        np.testing.assert_array_equal(ours.labels, chat.labels)
        assert ours.media.keys() - chat.media.keys() == (
            {"region_sizes", "region_frames", "region_cells", "region_weights"} if ours.tiles else set()
        )


def changed(data: dict[str, Path], tmp_path: Path, kind: str, **more: Any) -> Any:
    records = json.loads(data[kind].read_text())
    path = region_scenes.write(tmp_path, f"{kind}.json", [{**records[0], **more}])
    return sample(path)


def test_what_does_not_fit_is_told(words: Any, data: dict[str, Path], tmp_path: Path) -> None:
    root = str(data["v1"].parent)
    makes = encoder(words)
    good = region_scenes.rle(0, 1)
    small = {"segmentation": rle(np.ones((10, 12), np.uint8))}
    empty = {"segmentation": rle(np.zeros(region_scenes.SIZE, np.uint8))}
    cases = [
        ([{"9": good}, {"1": good}], "object 0: frame 9 is out of range: frames has 6 frames"),
        ([{"1": good}, {"1": small}], r"object 1, frame 1: the mask is 10 x 12, its frame 60 x 84"),
        ([{"1": good}, {"1": empty, "2": {"segmentation": None}}], "object 1 has no pixel on any frame"),
        ([{"one": good}, {"1": good}], "frame 'one' is no number"),
    ]
    for annotation, message in cases:
        wrong = changed(data, tmp_path, "v1", annotation=annotation)
        for what in (makes.encode, makes.measure):
            with pytest.raises(DataError, match=message):
                what(wrong, root)
    with pytest.raises(DataError, match="2 <region> for objects for 3"):
        changed(data, tmp_path, "v1", annotation=[{"1": good}] * 3)
    # Of a format without regions the text itself must not hold the placeholder.
    said = mmdata.open(
        str(
            region_scenes.write(
                tmp_path, "x.json", [{"conversations": region_scenes.turns("a <region>?", "b")}]
            )
        ),
        format="internvl",
    )
    with pytest.raises(DataError, match="1 <region> in the text for 0 regions"):
        makes.encode(said.sample(0), root)
    # An object that nothing speaks of.
    one = sample(data["v1"])
    one.objects.append(one.objects[0])
    with pytest.raises(DataError, match="3 objects, 2 <region>: none stands for object 2"):
        makes.encode(one, root)
