"""Small data files with masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]
OVER = [[20, 20], [50, 20], [50, 40], [20, 40]]


@pytest.fixture
def geopixel_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes GeoPixel records with one picture of 64 x 48 and one polygon file into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(objects: Any = None, records: int = 1) -> Path:
        Image.new("RGB", (64, 48)).save("a.png")
        objects = [[SQUARE], [OVER]] if objects is None else objects
        Path("a.json").write_text(json.dumps({"polygons": objects}))
        answer = " and ".join("<p> it </p> [SEG]" for _ in objects) or "nothing"
        turns = [{"from": "human", "value": "Where?"}, {"from": "bot", "value": answer}]
        Path("train.json").write_text(
            json.dumps([{"image": "a.png", "polygons": "a.json", "conversations": turns}] * records)
        )
        return Path("train.json")

    return write


@pytest.fixture
def videorefer_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes one VideoRefer record of a video with the given objects into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(annotation: Any, **extra: Any) -> Path:
        regions = " ".join("<region>" for _ in annotation)
        turns = [
            {"from": "human", "value": f"<video>\nWhat are {regions}?"},
            {"from": "gpt", "value": "Dogs."},
        ]
        record = {"video": "clip.mp4", "annotation": annotation, "conversations": turns, **extra}
        Path("video.json").write_text(json.dumps([record]))
        return Path("video.json")

    return write
