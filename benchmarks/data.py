"""The files that the benchmarks read: made once, kept in ``benchmarks/.data``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import DATA

_WORDS = [
    "the",
    "of",
    "a",
    "road",
    "tank",
    "field",
    "harbour",
    "ship",
    "white",
    "small",
    "left",
    "right",
    "near",
    "under",
    "bridge",
    "court",
    "roof",
    "tree",
    "shadow",
    "lane",
]


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words)).capitalize() + "."


def internvl_record(rng: random.Random, number: int) -> dict[str, Any]:
    """One InternVL record of about 1 KB: one image, one to three exchanges."""
    turns = []
    for k in range(rng.choice((1, 1, 2, 3))):
        question = _text(rng, 8)
        turns.append({"from": "human", "value": f"<image>\n{question}" if k == 0 else question})
        turns.append({"from": "gpt", "value": _text(rng, rng.randint(30, 120))})
    return {
        "id": number,
        "image": f"train/{number % 977:04}/{number:08}.jpg",
        "width": 640,
        "height": 480,
        "conversations": turns,
    }


def geopixel_record(rng: random.Random, number: int) -> dict[str, Any]:
    """One GeoPixel record of about 1.5 KB whose two masks lie in a polygon file."""
    answer = f"{_text(rng, 90)} The <p> tank </p> [SEG] and {_text(rng, 60)} the <p> ship </p> [SEG]. {_text(rng, 40)}"
    turns = [{"from": "human", "value": _text(rng, 12)}, {"from": "bot", "value": answer}]
    return {
        "id": number,
        "conversations": turns,
        "image": f"train/{number // 50:06}/{number % 50}.png",
        "polygons": str(DATA / f"polygons_{number % 50}.json"),
    }


def jsonl(megabytes: int = 200) -> Path:
    """An InternVL JSONL file of that size."""
    path = DATA / f"internvl_{megabytes}.jsonl"
    if not path.exists():
        rng = random.Random(1)
        _write(path, (json.dumps(internvl_record(rng, n)) + "\n" for n in iter(_Count(), None)), megabytes)
    return path


def for_loaders(megabytes: int = 20) -> Path:
    """`jsonl`, and beside it the same records as ms-swift's `messages` rows and as LLaMA-Factory's ShareGPT rows."""
    path = jsonl(megabytes)
    for suffix, row in ((".messages.jsonl", _messages_row), (".sharegpt.jsonl", _sharegpt_row)):
        if not path.with_suffix(suffix).exists():
            with path.open(encoding="utf-8") as file:
                rows = (json.dumps(row(json.loads(line))) + "\n" for line in file)
                _write(path.with_suffix(suffix), rows, 10 * megabytes)
    return path


def _messages_row(record: dict[str, Any]) -> dict[str, Any]:
    roles = {"human": "user", "gpt": "assistant"}
    turns = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in record["conversations"]]
    return {"messages": turns, "images": [record["image"]]}


def _sharegpt_row(record: dict[str, Any]) -> dict[str, Any]:
    return {"conversations": record["conversations"], "images": [record["image"]]}


def messages(name: str, megabytes: int = 20) -> Path:
    """A file of messages: ``<format>.<shape>``, with shapes as in `_MESSAGES`."""
    shape = name.partition(".")[2]
    lines = shape != "array"
    path = DATA / f"{name}.{megabytes}.{'jsonl' if lines else 'json'}"
    if not path.exists():
        rng = random.Random(4)
        rows = (_message_record(internvl_record(rng, n), shape) for n in iter(_Count(), None))
        if lines:
            _write(path, (json.dumps(row) + "\n" for row in rows), megabytes)
        else:
            texts = ((", " if n else "[") + json.dumps(row) for n, row in enumerate(rows))
            _write(path, texts, megabytes, closing="]")
    return path


def _message_record(record: dict[str, Any], shape: str) -> dict[str, Any]:
    """A record in one of the shapes: `messages`, `sharegpt`, `system`, `boxes`, `text`, `parts`, `array`."""
    if shape == "array":
        return {key: record[key] for key in ("id", "image", "conversations")}
    if shape == "sharegpt":
        return _sharegpt_row(record)
    row = _messages_row(record)
    if shape in ("messages", "system", "boxes"):
        turns: list[dict[str, Any]] = row["messages"]
        if shape == "system":
            turns.insert(0, {"role": "system", "content": "You are a helpful assistant."})
        if shape == "boxes":
            turns[-1]["content"] += " <ref-object><bbox>"
            row["objects"] = {"ref": ["ship"], "bbox": [[10, 20, 30 + record["id"] % 400, 60]]}
        return row
    asked = row["messages"][0]
    asked["content"] = asked["content"].removeprefix("<image>\n")
    if shape == "parts":
        picture = {"type": "image_url", "image_url": {"url": record["image"]}}
        asked["content"] = [picture, {"type": "text", "text": asked["content"]}]
    return {"messages": row["messages"]}


def long_jsonl(gigabytes: int = 10) -> Path:
    """An InternVL JSONL file of many records: one of 200 MB over and over, each time with ids of its own."""
    path = DATA / f"internvl_{gigabytes}gb.jsonl"
    if not path.exists():
        block = jsonl(200).read_bytes()
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            for number in range(gigabytes * 5):
                # Ids that begin with another four digits differ, whatever follows.
                file.write(block.replace(b'{"id": ', b'{"id": %d' % (1000 + number)))
        part.rename(path)
    return path


def array(megabytes: int = 300, indent: int | None = None) -> Path:
    """A GeoPixel array of that size, compact or indented, with its polygon files."""
    path = DATA / f"geopixel_{megabytes}_{indent or 'compact'}.json"
    if not path.exists():
        DATA.mkdir(exist_ok=True)
        for n in range(50):
            ring = [[10 + n, 10], [90, 10 + n], [90, 90], [10, 90]]
            described = {
                "img": f"{n}.png",
                "gcg_description": "The <p> tank </p> [SEG] and the <p> ship </p> [SEG].",
            }
            (DATA / f"polygons_{n}.json").write_text(
                json.dumps({**described, "polygons": [[ring], [ring[:3]]]})
            )
        rng = random.Random(2)

        def pieces() -> Iterator[str]:
            yield "["
            for n in iter(_Count(), None):
                text = json.dumps(geopixel_record(rng, n), indent=indent)
                yield (",\n" if n else "\n") + text if indent else (", " if n else "") + text

        _write(path, pieces(), megabytes, closing="\n]" if indent else "]")
    return path


def sidecar(points: int = 100_000) -> Path:
    """A GeoPixel polygon file with that many points in rings of a thousand."""
    path = DATA / f"sidecar_{points}.json"
    if not path.exists():
        DATA.mkdir(exist_ok=True)
        rng = random.Random(3)
        rings = [
            [[[rng.randrange(4096), rng.randrange(4096)] for _ in range(1000)]] for _ in range(points // 1000)
        ]
        path.write_text(json.dumps({"id": 0, "polygons": rings}))
    return path


class _Count:
    def __init__(self) -> None:
        self.value = -1

    def __call__(self) -> int:
        self.value += 1
        return self.value


def _write(path: Path, pieces: Iterator[str], megabytes: int, closing: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8") as file:
        size = 0
        for piece in pieces:
            size += file.write(piece)
            if size > megabytes * 1_000_000:
                break
        file.write(closing)
    partial.rename(path)
