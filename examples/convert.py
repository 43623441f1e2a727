"""From InternVL to XComposer and back, nothing lost: ``python examples/convert.py``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import mmdata


def main() -> None:
    """Convert one record there and back."""
    record = {
        "id": 7,
        "source": "harbour survey",
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "What floats?"},
            {"from": "gpt", "value": "Boats."},
        ],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "talk.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
        there = mmdata.convert(folder / "talk.jsonl", folder / "xc", to="xcomposer", format="internvl")
        print(there.summary())
        print((folder / "xc" / there.outputs[0]).read_text("utf-8"))
        back = mmdata.convert(
            folder / "xc" / there.outputs[0], folder / "iv", to="internvl", format="xcomposer"
        )
        again = json.loads((folder / "iv" / back.outputs[0]).read_text("utf-8"))
        print("the same record:", again == record)


if __name__ == "__main__":
    main()
