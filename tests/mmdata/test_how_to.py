"""Every command of mmdata in the how-to pages does what its page says, in a fresh folder with example data."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mmdata
from mmdata.cli import main

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/how-to"
BLOCK = re.compile(r"^```(?:bash|console|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    """The lines of a block that call mmdata, as words."""
    lines = [line.strip().removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("mmdata ")]


SLOW = ("containers",)
"""Pages whose commands take seconds."""

BLOCKS = [
    pytest.param(
        page.stem,
        block,
        id=f"{page.stem}-{number}",
        marks=[pytest.mark.slow] if page.stem in SLOW else [],
    )
    for page in sorted(PAGES.glob("*.md"))
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")))
    if commands(block) and page.stem != "plugins"  # its package is installed in test_foreign_plugins
]

FINDINGS = {
    ("diff",): "the files differ",
    ("layout", "check"): "released files are missing",
    ("import", "geochat"): "a turned box became an upright one",
}
"""Beginnings of commands that end with exit code 1, and why."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples make, once."""
    place = tmp_path_factory.mktemp("made")
    for script, folder in (("make_data", "data"), ("make_domains", "domains")):
        subprocess.run([sys.executable, ROOT / f"examples/{script}.py", place / folder], check=True)
    return place


def datasets(data: Path, here: Path) -> None:
    shutil.copytree(data, here / "data")


def mixtures(data: Path, here: Path) -> None:
    shutil.copytree(data, here, dirs_exist_ok=True)
    shutil.copy(data / "internvl_meta.json", here / "meta.json")


def general(data: Path, here: Path) -> None:
    mixtures(data, here)
    shutil.copytree(data, here / "data")
    shutil.copy(data / "geopixel.json", here / "train.json")
    shutil.copy(data / "internvl.jsonl", here / "train.jsonl")
    from tokenizers import Tokenizer, models

    (here / "path/to/model").mkdir(parents=True)
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(here / "path/to/model/tokenizer.json"))


def containers(data: Path, here: Path) -> None:
    general(data, here)
    mmdata.convert("geopixel.json", "made", to="coco", relative_to=".")
    shutil.copy(next(Path("made").glob("*.json")), here / "instances_train.json")
    shutil.rmtree("made")


def neighbours(data: Path, here: Path) -> None:
    general(data, here)
    mmdata.convert("xcomposer.json", "made", to="llamafactory", carry=False, relative_to=".")
    info = json.loads(Path("made/dataset_info.json").read_text())
    name = next(iter(info.values()))["file_name"]
    shutil.copy(Path("made", name), here / "sharegpt.json")
    shutil.copy(Path("made", name), here / "data" / name)
    shutil.copy("made/dataset_info.json", here / "data")
    shutil.rmtree("made")
    mmdata.convert("internvl.jsonl", "made", to="ms-swift", carry=False, relative_to=".")
    shutil.copy("made/internvl.jsonl", here / "train.jsonl")
    shutil.rmtree("made")


def domains(data: Path, here: Path) -> None:
    made = data.parent / "domains"
    shutil.copytree(made / "drivelm", here, dirs_exist_ok=True)
    shutil.copytree(made / "rsvqa", here, dirs_exist_ok=True)
    shutil.copytree(made / "dior", here, dirs_exist_ok=True)
    shutil.copytree(made / "geochat", here, dirs_exist_ok=True)
    if (made / "drivelm/nuscenes").is_dir():
        shutil.copytree(
            made / "drivelm/nuscenes", here / "InternVL-Domain-Adaptation-Data/images/drivelm/nuscenes"
        )
    shutil.copytree(data / "images", here / "mine/images/images")
    shutil.copy(data / "internvl.jsonl", here / "mine/train.jsonl")
    views = {"left": "mine/images/images/scene_0.png", "right": "mine/images/images/scene_1.png"}
    (here / "frames.jsonl").write_text(json.dumps({"id": "one", "views": views}) + "\n")


PLACES: dict[str, Callable[[Path, Path], None]] = {
    "datasets": datasets,
    "mixtures": mixtures,
    "containers": containers,
    "neighbours": neighbours,
    "domains": domains,
}


@pytest.mark.parametrize("page, block", BLOCKS)
def test_a_block_runs(
    page: str,
    block: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    PLACES.get(page, general)(made / "data", tmp_path)
    folder = re.search(r"&& cd (\w+)", block)
    if folder:
        monkeypatch.chdir(tmp_path / folder[1])
    for words in commands(block):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        told = capsys.readouterr()
        expected = any(tuple(words[: len(first)]) == first for first in FINDINGS)
        assert ended.value.code == expected, f"{shlex.join(words)}\n{told.err}{told.out[-2000:]}"
