"""Records that cannot be trained on, each in its own way, among good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_broken(folder: Path, good: list[str]) -> dict[int, str]:
    """Write ``broken.jsonl`` and its pictures.

    Args:
        folder: where to; the pictures of `good` lie there.
        good: lines of good records; the bad ones are put between them.

    Returns:
        Record number of each bad one -> what its message must tell.
    """
    pixels = (folder / json.loads(good[1])["image"]).read_bytes()
    (folder / "cut.png").write_bytes(pixels[: len(pixels) * 2 // 3])  # its header is whole
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not a picture")
    (folder / "folder.png").mkdir()

    def asked(image: str | None, question: str = "What?") -> dict[str, Any]:
        turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "left"}]
        if image is None:
            return {"conversations": turns}
        turns[0]["value"] = "<image>\n" + question
        return {"image": image, "conversations": turns}

    bad = [
        (asked("nowhere.png"), "nowhere.png"),
        (asked("cut.png"), "cut.png"),
        (asked("empty.png"), "empty.png"),
        (asked("text.png"), "text.png"),
        (asked("folder.png"), "folder.png"),
        (asked(None, "left " * 2000), "more than the limit"),
        (asked(None, "<IMG_CONTEXT>"), "IMG_CONTEXT"),
        ({"conversations": [{"from": "human", "value": "only asked"}]}, ""),
        ("{broken", ""),
    ]
    lines: list[str] = []
    expected = {}
    for number, (record, told) in enumerate(bad):
        lines.append(good[number % len(good)])
        expected[len(lines)] = told
        lines.append((record if isinstance(record, str) else json.dumps(record)) + "\n")
    (folder / "broken.jsonl").write_text("".join(lines), "utf-8")
    return expected
