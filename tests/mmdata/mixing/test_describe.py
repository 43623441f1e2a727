"""Whose arithmetic a mixture file is planned by, where nobody says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdata.mixing.describe import describe

TURNS = [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "Here [SEG]"}]
PLAIN = [{"from": "user", "value": "What?"}, {"from": "assistant", "value": "A dog."}]


@pytest.mark.parametrize(
    "second, mode",
    [
        ({"image": "a.png", "polygons": "a.json", "conversations": TURNS}, "geopixel"),
        ({"image": "a.png", "segmentation": [], "conversations": TURNS}, "geopixel"),
        ({"image": "a.png", "conversations": PLAIN}, "xcomposer"),
        ({"conversations": PLAIN}, "xcomposer"),
    ],
)
def test_a_data_txt_with_masks_is_geopixels(tmp_path: Path, second: dict[str, object], mode: str) -> None:
    (tmp_path / "one.json").write_text(json.dumps([{"image": "b.png", "conversations": PLAIN}]))
    (tmp_path / "two.json").write_text(json.dumps([second]))
    (tmp_path / "data.txt").write_text(f"{tmp_path}/one.json 0.001\n{tmp_path}/two.json 0.001\n")
    assert describe(str(tmp_path / "data.txt")).mode == mode
