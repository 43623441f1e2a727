"""From LLaMA-Factory to GeoPixel, ms-swift and back, nothing lost: ``python examples/neighbours.py``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from PIL import Image

import mmdata


def main() -> None:
    """Convert a grounded record from tool to tool."""
    record = {
        "images": ["street.png"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "<image>Where is the car?"},
            {"role": "assistant", "content": "<ref>The car</ref><box>[[250,200,500,500]]</box> is parked."},
        ],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.new("RGB", (400, 300)).save(folder / "street.png")
        (folder / "train.json").write_text(json.dumps([record]), "utf-8")
        path, source = folder / "train.json", "llamafactory"
        for to in ("ms-swift", "openai-messages", "geopixel", "llava", "llamafactory"):
            done = mmdata.convert(path, folder / to, to=to, format=source, relative_to=folder)
            path, source = folder / to / done.outputs[0], to
            text = path.read_text("utf-8")
            made = json.loads(text) if path.suffix == ".jsonl" else json.loads(text)[0]
            made.pop("mmdata_carry", None)
            print(f"{to}: {json.dumps(made)}")
        print("the same record:", made == record)


if __name__ == "__main__":
    main()
