"""A COCO detection set as conversations, as a table and as tar shards, and back: ``python examples/containers.py``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from PIL import Image

import mmdata


def main() -> None:
    """Convert a small COCO file through every container."""
    value = {
        "info": {"year": 2026},
        # Annotations need not be sorted by picture.
        "annotations": [
            {"id": 1, "image_id": 8, "category_id": 2, "bbox": [4, 3, 20, 10], "area": 200, "iscrowd": 0},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 1,
                "segmentation": [[2, 2, 30, 2, 30, 20, 2, 20]],
                "bbox": [2, 2, 28, 18],
                "area": 504,
                "iscrowd": 0,
            },
        ],
        "images": [
            {"id": 7, "file_name": "harbour.png", "height": 48, "width": 64},
            {"id": 8, "file_name": "quay.png", "height": 48, "width": 64},
        ],
        "categories": [{"id": 1, "name": "boat"}, {"id": 2, "name": "crane"}],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for image in value["images"]:
            Image.new("RGB", (64, 48)).save(folder / image["file_name"])  # type: ignore[index]
        (folder / "coco.json").write_text(json.dumps(value), "utf-8")

        table = mmdata.convert(folder / "coco.json", folder / "hf", to="parquet", media_files="copy")
        shards = mmdata.convert(folder / "hf" / table.outputs[0], folder / "wds", to="webdataset")
        print(mmdata.open(str(folder / "wds" / shards.outputs[0]))[0].conversations[1].value)

        back = mmdata.convert(folder / "wds" / shards.outputs[0], folder / "back", to="coco")
        again = json.loads((folder / "back" / back.outputs[0]).read_text("utf-8"))
        print("written:", *(one.outputs[0] for one in (table, shards, back)))
        for key in ("info", "categories"):
            print(f"the same {key}:", again[key] == value[key])
        by_id = {mark["id"]: mark for mark in again["annotations"]}
        print("the same annotations:", by_id == {mark["id"]: mark for mark in value["annotations"]})  # type: ignore[index]


if __name__ == "__main__":
    main()
