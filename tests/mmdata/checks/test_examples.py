"""Every example in a check's docstring does what it says: `Bad` has the finding, `Good` has none at all, fixes fix."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmdata
from mmdata.checks.registry import Check, Example, all_checks
from mmdata.format import get_format
from mmdata.options import ASSUMPTIONS, Options, parse_assumptions
from mmdata.validating.fix import fix_files

CASES = [(c, e) for c in all_checks().values() for e in c.doc.examples]
IDS = [f"{c.code}-{'bad' if e.bad else 'good'}-{n}" for n, (c, e) in enumerate(CASES)]

CLEAN_TEXT = {"conversations": [{"from": "user", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
CLEAN_LINE = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}


@pytest.fixture(scope="session")
def media_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that examples may name."""
    home = tmp_path_factory.mktemp("examples")
    picture = Image.effect_noise((64, 48), 60).convert("RGB")
    picture.save(home / "a.png")
    picture.save(home / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(home / "rotated.jpg", exif=exif)
    picture.save(home / "whole.jpg", quality=95)
    data = (home / "whole.jpg").read_bytes()
    (home / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (home / "empty.png").write_bytes(b"")
    (home / "lfs.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n")
    (home / "page.png").write_text("<!DOCTYPE html><html><body>404</body></html>")
    frames = [Image.effect_noise((64, 48), 60).convert("P") for _ in range(5)]
    frames[0].save(home / "clip.gif", save_all=True, append_images=frames[1:], duration=100)
    write_video(home / "clip.mp4", 8)
    for folder, names in {
        "frames": [f"frame_{k}.jpg" for k in range(1, 5)],
        "messy": ["1.png", "2.png", "10.png"],
    }.items():
        (home / folder).mkdir()
        for name in names:
            picture.save(home / folder / name)
    (home / "messy" / "notes.txt").write_text("stray")
    square = [[10, 10], [20, 10], [20, 20], [10, 20]]
    (home / "square.json").write_text(json.dumps({"polygons": [[square]]}))
    (home / "two.json").write_text(json.dumps({"polygons": [[square], [[[30, 10], [40, 10], [40, 20]]]]}))
    (home / "one.json").write_text(json.dumps([CLEAN_TEXT]))
    (home / "one.jsonl").write_text(json.dumps(CLEAN_LINE) + "\n")
    (home / "ten.jsonl").write_text((json.dumps(CLEAN_LINE) + "\n") * 10)
    return home


def write_video(path: Path, frames: int) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), k * 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@dataclass
class Prepared:
    path: Path
    format: str
    options: dict[str, Any]


def prepare(example: Example, home: Path) -> Prepared:
    """Write an example into a file of its format, and read its settings."""
    options: dict[str, Any] = {"media": "none"}
    assumptions: list[str] = []
    raw, repeat, rows = False, 1, 1
    for setting in example.settings:
        key, _, value = setting.partition("=")
        if key in ("media", "masks", "template", "tokenizer"):
            options[key] = value
        elif key == "max_record_bytes":
            options[key] = int(value)
        elif key == "repeat":
            repeat = int(value)
        elif key == "rows":
            rows = int(value)
        elif key == "file":
            name, _, content = value.partition(":")
            (home / name).write_text(content)
        elif key == "raw":
            raw = True
        elif key.removeprefix("assume ") in ASSUMPTIONS:
            assumptions.append(setting.removeprefix("assume "))
        else:
            pytest.fail(f"unknown example setting {setting!r}")
    if assumptions:
        options["assume"] = parse_assumptions(assumptions)
    container = get_format(example.format).container
    suffix = {"jsonl": ".jsonl", "lines": ".txt"}.get(container, ".json")
    path = home / f"example{suffix}"
    text = example.text.replace("Hello ", "Hello " * repeat)
    if not raw and container not in ("object", "lines"):
        value = json.loads(text)
        records = value if isinstance(value, list) else [value] * rows
        text = (
            "".join(json.dumps(r) + "\n" for r in records)
            if container == "jsonl"
            else json.dumps(records, indent=1)
        )
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return Prepared(path, example.format, options)


@pytest.mark.parametrize("check, example", CASES, ids=IDS)
def test_example(check: Check, example: Example, media_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(media_home)
    case = prepare(example, media_home)
    report = mmdata.validate(case.path.name, format=case.format, jobs=1, **case.options)
    found = {f.code for f in report}
    if example.bad:
        assert check.code in found, f"only {sorted(found)}"
    else:
        assert not report.findings, report.findings


@pytest.mark.parametrize(
    "check, example",
    [c for c in CASES if c[1].bad],
    ids=[i for i, c in zip(IDS, CASES, strict=True) if c[1].bad],
)
def test_fix(check: Check, example: Example, media_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(media_home)
    case = prepare(example, media_home)
    before = mmdata.validate(case.path.name, format=case.format, jobs=1, **case.options)
    fixable = [f for f in before.by_code(check.code) if f.fixable]
    if check.fixable == "always":
        assert fixable, "said to be repaired always"
    if check.fixable == "never":
        assert not fixable, "said to be repaired never"
    if not fixable:
        return
    options = Options(**case.options)
    list(fix_files([case.path.name], format=case.format, options=options, unsafe=True, write=True))
    fixed = case.path.read_bytes()
    after = mmdata.validate(case.path.name, format=case.format, jobs=1, **case.options)
    assert not [f for f in after.by_code(check.code) if f.fixable], fixed.decode("utf-8", "replace")
    assert len(after.by_code(check.code)) < len(before.by_code(check.code))
    list(fix_files([case.path.name], format=case.format, options=options, unsafe=True, write=True))
    assert case.path.read_bytes() == fixed, "fixing twice changes something"


def test_every_family_is_there() -> None:
    codes = set(all_checks())
    expected = {
        f"{family}{n:02}"
        for family, count in {"C": 16, "G": 22, "X": 15, "V": 20, "L": 13, "I": 20, "M": 8}.items()
        for n in range(1, count + 1)
    }
    assert expected <= codes, f"missing: {sorted(expected - codes)}"
