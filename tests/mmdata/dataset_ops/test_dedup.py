"""dedup: the first of equal records stays, whatever equal means; pictures that look alike are found, all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdata.dataset_ops.deduping import dedup
from mmdata.dataset_ops.perceptual import BITS, Fingerprint, NearIndex, fingerprint
from mmdata.errors import DataError, UsageError

from .conftest import lines, raw_records, record


def ids(path: Path) -> list[object]:
    return [json.loads(r).get("id") for r in raw_records(path)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


@pytest.mark.parametrize(
    "by, kept",
    [("record", [0, 1, 2, 0, 3]), ("content", [0, 1, 2, 0]), ("id", [0, 1, 2, 3])],
)
def test_equal_records(source: Path, by: str, kept: list[int]) -> None:
    first = record(0)
    again = dict(reversed(first.items()))
    records = [first, record(1), again, record(2), record(0, extra=1), record(3, image="1.png", source="y")]
    records[-1]["conversations"] = record(1)["conversations"]
    source.write_bytes(lines(records))
    out = source.with_name("out.jsonl")
    ledger = dedup(str(source), str(out), by=by)  # type: ignore[arg-type]
    assert ids(out) == kept
    assert all(r in source.read_bytes() for r in raw_records(out))
    assert ledger.dropped == {"duplicate": 6 - len(kept)}
    assert ledger.exit_code == 0
    assert ledger.named[0].detail == "of record 0"


def test_records_without_the_key_all_stay(source: Path) -> None:
    source.write_bytes(lines([{"a": 1}, {"a": 1}, {"id": None}]))
    for by in ("id", "media", "image"):
        dedup(str(source), str(source.with_name(f"{by}.jsonl")), by=by)  # type: ignore[arg-type]
        assert len(raw_records(source.with_name(f"{by}.jsonl"))) == 3


def texture(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    texture(1).save(tmp_path / "a.png")
    texture(1).save(tmp_path / "same.png")
    texture(1).save(tmp_path / "a.jpg", quality=70)
    texture(1, (180, 120)).save(tmp_path / "large.png")
    texture(2).save(tmp_path / "b.png")
    for name, level in (("black", 0), ("white", 255), ("grey", 128)):
        Image.new("RGB", (64, 64), (level,) * 3).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


NAMES = [
    "a.png",
    "same.png",
    "a.jpg",
    "large.png",
    "b.png",
    "black.png",
    "white.png",
    "grey.png",
    "broken.png",
    "gone.png",
]


def test_files_byte_for_byte(pictures: Path) -> None:
    source, out = pictures / "in.jsonl", pictures / "out.jsonl"
    source.write_bytes(lines([record(i, image=name) for i, name in enumerate([*NAMES, "./gone.png"])]))
    ledger = dedup(str(source), str(out), by="media", media_root=str(pictures))
    assert ids(out) == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert ledger.exit_code == 1
    assert any("gone.png" in note for note in ledger.notes)


def test_pictures_that_look_alike(pictures: Path) -> None:
    source, out = pictures / "in.jsonl", pictures / "out.jsonl"
    several = [["a.png", "b.png"], ["large.png", "b.png"], ["b.png", "a.png"], ["a.png"]]
    records = [record(i, image=name) for i, name in enumerate([*NAMES, *several])]
    source.write_bytes(lines(records))
    ledger = dedup(str(source), str(out), by="image", media_root=str(pictures))
    assert ids(out) == [0, 4, 5, 6, 7, 8, 9, 10, 12]
    assert ledger.dropped == {"near-duplicate": 5}
    assert len(ledger.notes) == 2
    with pytest.raises(DataError):
        fingerprint(str(pictures / "broken.png"))


GRID = bytes(81)
HASHES = st.integers(0, 2**BITS - 1)


@given(HASHES, st.lists(st.sets(st.integers(0, BITS - 1), max_size=9), max_size=8), st.integers(0, 15))
@settings(max_examples=60)
def test_the_index_finds_every_hash_within_the_distance(
    base: int, flips: list[set[int]], distance: int
) -> None:
    index, hashes = NearIndex(distance), []
    for item, bits in enumerate(flips):
        hashes.append(base ^ sum(1 << b for b in bits))
        index.add(Fingerprint(hashes[-1], GRID), item)
    expected = [i for i, h in enumerate(hashes) if (h ^ base).bit_count() <= distance]
    assert index.find(Fingerprint(base, GRID)) == expected


@pytest.mark.parametrize("options", [{"by": "luck"}, {"distance": -1}, {"distance": 16}])
def test_bad_options(source: Path, options: dict[str, object]) -> None:
    source.write_bytes(lines([record(0)]))
    with pytest.raises(UsageError):
        dedup(str(source), str(source.with_name("out")), **options)  # type: ignore[arg-type]
    assert not source.with_name("out").exists()
