"""Grounded samples as tensors: which masks, in which order, at which size; and what is refused, by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent.parent))
import scenes

from mmdata import masks
from mmtrain.data.encode import Encoded
from mmtrain.data.grounding import DecoderPictures, GroundingEncoder
from mmtrain.data.internvl import InternVLMedia
from mmtrain.data.sources import BadSample, Reader, Source

PICTURES = DecoderPictures(64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> GroundingEncoder:
    import copy

    own = copy.deepcopy(tokenizer)
    own.add_tokens(["[SEG]", "<p>", "</p>"], special_tokens=True)
    return GroundingEncoder(
        own, "internvl2_5", InternVLMedia(tile=28, tokens=1, max_tiles=2), pictures=PICTURES, mask_size=None
    )


def read(
    encoder: GroundingEncoder, path: Path, record: int = 0, *, max_length: int = 512
) -> Encoded | BadSample:
    reader = Reader([Source(path=str(path), media_root=str(path.parent))], encoder, max_length=max_length)
    measured, encoded = reader.measure(0, record), reader.encode(0, record)
    if isinstance(measured, BadSample):
        # What can be known without pixels is known before.
        assert measured == encoded
    elif isinstance(encoded, Encoded):
        assert measured == encoded.size
    return encoded


def good(encoder: GroundingEncoder, path: Path, record: int = 0) -> Encoded:
    found = read(encoder, path, record)
    assert isinstance(found, Encoded), found
    return found


def test_masks_come_in_the_order_of_their_tokens_at_their_pictures_size(
    encoder: GroundingEncoder, tmp_path: Path
) -> None:
    files = scenes.make(tmp_path)
    one = good(encoder, files["rle"], 1)
    assert (one.input_ids == encoder.seg_id).sum() == 2
    assert (one.labels == encoder.seg_id).sum() == 2
    assert one.counts == {"mask": 2.0}
    assert one.media["mask_counts"].tolist() == [2]
    assert one.media["mask_sizes"].tolist() == [[64, 74]]
    expected = [scenes.rectangle((64, 74), 5, 8, 30, 40), scenes.rectangle((64, 74), 0, 0, 9, 9)]
    assert np.array_equal(one.media["mask_targets"].reshape(2, 64, 74), np.stack(expected))
    assert one.media["mask_pixels"].shape == (1, 3, 64, 64)
    # Polygons are filled as GeoPixel fills them, the border included.
    two = good(encoder, files["polygons"], 1)
    assert np.array_equal(two.media["mask_targets"].reshape(64, 74), expected[0])


def test_pixels_are_the_picture_at_the_decoders_size(encoder: GroundingEncoder, tmp_path: Path) -> None:
    from PIL import Image

    path = scenes.make(tmp_path)["rle"]
    pixels = good(encoder, path).media["mask_pixels"][0]
    with Image.open(tmp_path / "0.png") as picture:
        square = (
            np.asarray(picture.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR), np.float64) / 255
        )
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    assert np.allclose(pixels.transpose(1, 2, 0), (square - mean) / std, atol=1e-5)


def test_a_picture_is_decoded_once_for_both_encoders(
    encoder: GroundingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageFile

    path = scenes.make(tmp_path)["rle"]
    loaded: list[str] = []
    decode = ImageFile.ImageFile.load

    def counted(self: Any) -> Any:
        if self.fp is not None and getattr(self, "tile", None):
            loaded.append(self.filename)
        return decode(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    good(encoder, path)
    assert [name for name in loaded if name.endswith("0.png")] == [str(tmp_path / "0.png")]


def test_samples_without_masks_are_as_for_chat(encoder: GroundingEncoder, tmp_path: Path) -> None:
    files = scenes.make(tmp_path)
    assert good(encoder, files["image"]).media.keys() == {"pixel_values"}
    assert not good(encoder, files["text"]).media
    assert not good(encoder, files["text"]).counts


def test_masks_can_be_compared_at_another_size(encoder: GroundingEncoder, tmp_path: Path) -> None:
    small = GroundingEncoder(
        encoder.tokenizer, encoder.template, encoder.media, pictures=PICTURES, mask_size=37
    )
    one = good(small, scenes.make(tmp_path)["rle"], 1)
    assert one.media["mask_sizes"].tolist() == [[32, 37]]
    assert len(one.media["mask_targets"]) == 2 * 32 * 37


def change(path: Path, **changes: Any) -> Path:
    records = json.loads(path.read_text())
    records[0] |= changes
    path.write_text(json.dumps(records))
    return path


def answer(text: str, question: str = "<ImageHere>Where is it?") -> dict[str, Any]:
    return {"conversations": scenes.turns(question, text)}


WRONG_SIZE = {"segmentation": [masks.encode(scenes.rectangle((80, 60), 0, 0, 9, 9))]}


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("rle", answer("<p> a </p> [SEG] and [SEG]"), r"2 \[SEG\] for masks.*1|\[SEG\]"),
        ("rle", answer("nothing here"), r"\[SEG\]"),
        ("rle", WRONG_SIZE, r"80 x 60.*60 x 80"),
        ("polygons", answer("<p> a </p> [SEG] and [SEG]"), "has 1 objects"),
        ("polygons", answer("A <p> a </p> [SEG].", "<ImageHere>Is it [SEG]?"), "in a question"),
        ("polygons", {"polygons": "nowhere.json"}, "no such polygon file"),
        ("rle", {"segmentation": [{"size": [60, 80], "counts": "zz"}]}, "object 0|mask 0"),
    ],
)
def test_what_does_not_match_is_refused_with_file_record_and_reason(
    kind: str, changes: dict[str, Any], reason: str, encoder: GroundingEncoder, tmp_path: Path
) -> None:
    import re

    path = change(scenes.make(tmp_path)[kind], **changes)
    found = read(encoder, path)
    assert isinstance(found, BadSample)
    assert found.source == str(path)
    assert found.record == 0
    assert re.search(reason, found.reason), found.reason


def test_a_polygon_file_with_more_masks_than_tokens_is_refused(
    encoder: GroundingEncoder, tmp_path: Path
) -> None:
    path = scenes.make(tmp_path)["polygons"]
    (tmp_path / "0.json").write_text(json.dumps({"polygons": [[[[1, 1], [5, 1], [5, 5]]]] * 2}))
    found = read(encoder, path)
    assert isinstance(found, BadSample)
    assert "has 2 masks, the answers have 1 [SEG]" in found.reason


def test_a_mask_token_is_never_cut_off(encoder: GroundingEncoder, tmp_path: Path) -> None:
    path = scenes.make(tmp_path)["rle"]
    found = read(encoder, path, max_length=len(good(encoder, path).input_ids) - 1)
    assert isinstance(found, BadSample)
    assert "never cut" in found.reason


def test_a_box_is_no_mask(encoder: GroundingEncoder, tmp_path: Path) -> None:
    scenes.make(tmp_path)
    record = {
        "image": "0.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhere?"},
            {"from": "gpt", "value": "<ref>it</ref><box>[[1, 2, 300, 400]]</box>"},
        ],
    }
    path = tmp_path / "boxes.jsonl"
    path.write_text(json.dumps(record) + "\n")
    found = read(encoder, path)
    assert isinstance(found, BadSample)
    assert "is a box, not a mask" in found.reason


def test_a_batch_holds_the_masks_of_its_samples_in_order(encoder: GroundingEncoder, tmp_path: Path) -> None:
    from mmtrain.data.collate import packed, padded

    files = scenes.make(tmp_path)
    samples = [
        good(encoder, files[kind], k) for kind, k in (("rle", 1), ("text", 0), ("polygons", 2), ("image", 0))
    ]
    for batch in (packed(samples, encoder.dummy(), "token"), padded(samples, encoder.dummy(), "token", 0)):
        assert batch.counts["mask"] == 3
        assert batch.counts["label"] == float(batch.weights.sum())
        assert batch.inputs["mask_counts"].tolist() == [2, 1]
        assert int((batch.inputs["input_ids"] == encoder.seg_id).sum()) == 3
        both = np.concatenate([samples[0].media["mask_targets"], samples[2].media["mask_targets"]])
        assert np.array_equal(batch.inputs["mask_targets"].numpy(), both)
