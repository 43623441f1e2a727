"""A driving data set the whole way: skeleton, import, stitch, meta, check; on data of ``make_domains.py``."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from make_domains import make_all

from mmdata.cli import main as mmdata

TREE = "InternVL-Domain-Adaptation-Data"
META = f"{TREE}/train_meta/internvl_1_2_finetune_drivelm.json"
DRIVING = "raw/drivelm/v1_1_train_nus.json"
RSVQA = [f"raw/rsvqa/LR_split_train_{name}.json" for name in ("questions", "answers", "images")]
CHAT, TILES = "raw/geochat/GeoChat_Instruct.json", "raw/geochat/final_images_llava"

COMMANDS = [
    ["layout", "init", TREE, "--preset", "drivelm"],
    ["import", "drivelm", DRIVING, "-o", f"{TREE}/train_data", "--name", "drivelm_train"],
    [
        "stitch",
        "--ann",
        DRIVING,
        "--data-root",
        f"{TREE}/images/drivelm",
        "-o",
        f"{TREE}/images/drivelm/stitch",
    ],
    ["import", "drivelm", DRIVING, "-o", "windows", "--window", "2", "--ask", "every"],
    [
        "meta",
        "add",
        META,
        "windows",
        "--annotation",
        "windows/drivelm.jsonl",
        "--root",
        f"{TREE}/images/drivelm/stitch",
    ],
    ["meta", "check", META],
    ["validate", META],
    ["layout", "check", TREE, "--preset", "drivelm"],
    ["import", "rsvqa", *RSVQA, "-o", "remote"],
    ["import", "dior-rsvg", "raw/dior/Annotations", "--split", "raw/dior/train.txt", "-o", "remote"],
    ["import", "geochat", CHAT, "--boxes", "internvl", "--media-root", TILES, "-o", "remote"],
]


def main(folder: str) -> None:
    """Make the data in `folder` and run every command there."""
    make_all(Path(folder, "raw"))
    shutil.copytree(Path(folder, "raw/drivelm/nuscenes"), Path(folder, TREE, "images/drivelm/nuscenes"))
    with contextlib.chdir(folder):
        for command in COMMANDS:
            print(f"\n$ mmdata {' '.join(command)}", flush=True)
            try:
                mmdata(command)
            except SystemExit as done:
                if done.code == 2:
                    raise


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as made:
            main(made)
