"""Scores of grounding against pycocotools and sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.scoring.grounding import GroundingScorer, average_precision, phrase_likeness


def boxes(*places: tuple[int, int, int, int]) -> np.ndarray:
    """Masks of rectangles (top, left, bottom, right) on 20 x 20 pixels."""
    out = np.zeros((len(places), 20, 20), np.uint8)
    for mask, (top, left, bottom, right) in zip(out, places, strict=True):
        mask[top:bottom, left:right] = 1
    return out


def test_paired_scores_by_hand() -> None:
    scorer = GroundingScorer()
    # IoU 50/100: half of it is found. Then a full hit of 16 pixels.
    ious = scorer.add(boxes((0, 0, 5, 10), (12, 12, 16, 16)), boxes((0, 0, 10, 10), (12, 12, 16, 16)))
    assert ious.tolist() == [0.5, 1.0]
    # One mask missing (25 pixels), one all wrong.
    ious = scorer.add(boxes((0, 0, 2, 2)), boxes((10, 10, 15, 15), (0, 0, 5, 5)))
    assert ious.tolist() == [0.0, 0.0]
    found = scorer.result()
    assert (found.masks, found.predicted, found.missing, found.surplus) == (4, 3, 1, 0)
    assert found.ciou == pytest.approx((50 + 16) / (100 + 16 + 29 + 25))
    assert found.giou == pytest.approx(1.5 / 4)
    assert found.recall50 == 0.5


def test_empty_masks_and_surplus() -> None:
    nothing = np.zeros((1, 20, 20), np.uint8)
    scorer = GroundingScorer()
    assert scorer.add(nothing, nothing).tolist() == [1.0]
    assert scorer.result().giou == 1.0
    assert scorer.add(boxes((0, 0, 2, 2), (5, 5, 9, 9)), boxes((0, 0, 2, 2))).tolist() == [1.0]
    assert scorer.result().surplus == 1
    assert scorer.result().ciou == pytest.approx(4 / 20)
    # A missing mask is an empty one: right where the truth is empty.
    assert scorer.add(np.zeros((0, 20, 20), np.uint8), nothing).tolist() == [1.0]


def test_nothing_scored_is_not_a_number() -> None:
    found = GroundingScorer().result()
    assert all(math.isnan(v) for v in (found.ciou, found.giou, found.recall50, found.ap50, found.mask_recall))


def test_masks_of_other_sizes_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="against"):
        GroundingScorer().add(np.ones((1, 4, 5), np.uint8), np.ones((1, 5, 4), np.uint8))
    with pytest.raises(ValueError, match="2 scores"):
        GroundingScorer().add(boxes((0, 0, 1, 1)), boxes((0, 0, 1, 1)), scores=[1, 2])


def test_a_mask_with_another_phrase_is_not_found() -> None:
    one = boxes((0, 0, 5, 5))
    for phrase, expected in (("the red Circle", 1.0), ("a blue square", 0.0)):
        scorer = GroundingScorer()
        scorer.add(one, one, phrases=[phrase], true_phrases=["red circle"])
        assert scorer.result().mask_recall == expected
    assert phrase_likeness("", "") == 1.0
    assert phrase_likeness("a a b", "a c") == pytest.approx(2 / 5)


def _coco_ap50(images: list[tuple[np.ndarray, np.ndarray, list[float]]]) -> float:
    """The same by pycocotools."""
    import contextlib
    import io

    from pycocotools import mask as rle
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth: dict[str, list] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    found = []
    for number, (ours, true, scores) in enumerate(images, 1):
        truth["images"].append({"id": number, "height": 20, "width": 20})
        for mask in true:
            code = rle.encode(np.asfortranarray(mask))
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": code,
                    "area": float(mask.sum()),
                    "bbox": list(rle.toBbox(code)),
                    "iscrowd": 0,
                }
            )
        found += [
            {
                "image_id": number,
                "category_id": 1,
                "segmentation": rle.encode(np.asfortranarray(m)),
                "score": s,
            }
            for m, s in zip(ours, scores, strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[1])


@st.composite
def _boxes(draw: st.DrawFn, least: int) -> np.ndarray:
    count = draw(st.integers(least, 4))
    places = []
    for _ in range(count):
        top, left = draw(st.integers(0, 12)), draw(st.integers(0, 12))
        places.append((top, left, top + draw(st.integers(1, 8)), left + draw(st.integers(1, 8))))
    return boxes(*places)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_boxes(1), _boxes(1)), min_size=1, max_size=4), st.booleans(), st.data())
def test_ap50_is_pycocotools(
    pairs: list[tuple[np.ndarray, np.ndarray]], sure: bool, data: st.DataObject
) -> None:
    images = []
    scorer = GroundingScorer()
    for ours, true in pairs:
        marks = [0.1, 0.5, 0.9]
        scores = [1.0] * len(ours) if sure else [data.draw(st.sampled_from(marks)) for _ in ours]
        images.append((ours, true, scores))
        scorer.add(ours, true, scores=scores)
    assert scorer.result().ap50 == pytest.approx(_coco_ap50(images), abs=1e-9)


def test_average_precision_by_hand() -> None:
    # Hit, miss, hit of 2: precision 1 up to recall 0.5 (51 of the 101 points), then 2/3.
    assert average_precision([3, 2, 1], [True, False, True], 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average_precision([], [], 3) == 0.0
