"""A file of records to work on, in both containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def record(i: int, **more: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "é" * (i % 5 + 1)}]
    return {"id": i, "image": f"{i % 20}.png", "conversations": turns, "source": "xyz"[i % 3], **more}


def lines(records: list[Any]) -> bytes:
    """JSON Lines whose spacing differs from record to record."""
    written = [
        json.dumps(r, ensure_ascii=i % 2 == 0, separators=(",", ":") if i % 3 == 0 else (", ", ": "))
        for i, r in enumerate(records)
    ]
    return "".join(f"{line}\n" for line in written).encode()


@pytest.fixture(params=["jsonl", "array"])
def data(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """100 records, number 60 broken in between."""
    monkeypatch.chdir(tmp_path)
    text = lines([record(i) for i in range(100)]).splitlines()
    text.insert(60, b'{"id": 60, "conversations": [}')
    path = tmp_path / ("data.jsonl" if request.param == "jsonl" else "data.json")
    path.write_bytes(
        b"\n".join(text) + b"\n" if request.param == "jsonl" else b"[\n" + b",\n".join(text) + b"]"
    )
    return path


def raw_records(path: Path) -> list[bytes]:
    """The bytes of a written file's records."""
    text = path.read_bytes()
    if path.name.endswith(".jsonl"):
        assert not text or text.endswith(b"\n")
        return text.splitlines()
    assert json.loads(text) is not None
    body = text.removeprefix(b"[").removesuffix(b"]\n").strip()
    return body.split(b",\n") if body else []
