"""The checks of an output find what the check bodies find, whichever of them are left out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest

from mmdata import masks
from mmdata.checks.registry import selected
from mmdata.converting import outputcheck
from mmdata.format import get_format
from mmdata.io.record import RawRecord
from mmdata.options import Options
from mmdata.plan import DataSet
from mmdata.validating.recordcheck import RecordChecker

RNG = random.Random(3)


def boxed(number: int) -> dict[str, Any]:
    """An InternVL record with boxes, some of them wrong, some with other faults."""
    box = [RNG.randrange(1001) for _ in range(4)] if number % 3 == 0 else [1, 2, 30, 40]
    text = f"<ref>it</ref><box>[{box}]</box>" + RNG.choice(
        ["", "", "", "<ref>", "<box>[[0.1,0.2,0.3,0.4]]</box>"]
    )
    record: dict[str, Any] = {
        "id": number,
        "image": "a.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhere?" if number % 5 else "<image><image>\nWhere?"},
            {"from": "gpt", "value": text if number % 7 else "</s>" + text},
        ],
    }
    if number > 60:
        record["note"] = RNG.choice(["x", 1, [1]])
    if number % 11 == 10:
        record["conversations"] = 5
    return record


def masked(number: int) -> dict[str, Any]:
    """A GeoPixel record with an RLE, some of them empty or cut off."""
    pixels = np.zeros((30, 40), np.uint8)
    pixels[3:9, 4 : 4 + RNG.randrange(9)] = 1
    found: dict[str, Any] = dict(masks.encode(pixels))
    if number % 4 == 3:
        found["counts"] = found["counts"][:-1] + RNG.choice("00ol1")
    answer = "<p> it </p> [SEG]" + (" [SEG]" if number % 9 == 8 else "")
    turns = [{"from": "human", "value": "<ImageHere>Where?"}, {"from": "bot", "value": answer}]
    return {"id": number, "image": "a.png", "segmentation": [found], "conversations": turns}


@pytest.mark.parametrize(("name", "make"), [("internvl", boxed), ("geopixel", masked)])
def test_every_fault_is_found_before_and_after_the_guards_were_asked_one_by_one(
    name: str, make: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputcheck, "FLAGGED", 10)
    format = get_format(name)
    dataset, options, checks = DataSet("data", format), Options(media="none"), list(selected(name))
    check = outputcheck.OutputCheck(dataset, checks, options)
    whole = RecordChecker(dataset, checks, options)
    faulty = 0
    for number in range(150):
        record = make(number)
        data = orjson.dumps(record)
        expected = [
            (one.code, one.severity, one.message)
            for one in whole.check(RawRecord(number, 0, data, None)).findings
        ]
        assert check.faults(record, data, number) == expected
        faulty += bool(expected)
    assert 0 < faulty < 150
    assert check.suspects
    assert len(check.suspects) < len(check.checks) / 2
