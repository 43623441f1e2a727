"""The verbs for domains as a person runs them: exit codes, messages, no traceback; and the example the whole way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdata.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(domains, tmp_path, monkeypatch):
    """A directory with links to the mini data sets."""
    for name in os.listdir(domains):
        (tmp_path / name).symlink_to(domains / name)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "frames.jsonl").write_text('{"id": "one", "views": {"left": "x.png", "right": "y.png"}}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line, capsys):
    with pytest.raises(SystemExit) as done:
        main(line.split())
    shown = capsys.readouterr()
    return done.value.code, shown.out, shown.err


ANN = "drivelm/v1_1_train_nus.json"


@pytest.mark.parametrize(
    "line, code, said",
    [
        ("import", 0, "dior-rsvg"),
        ("import drivelm", 2, "name the files to import"),
        (f"import drivelm {ANN}", 2, "say where to write"),
        (f"import drivelmm {ANN} -o out", 2, "did you mean 'drivelm'"),
        (f"import drivelm {ANN} -o out --window 0", 2, "from 1 on"),
        (f"import drivelm {ANN} -o out --arrange tiles", 2, "unknown arrange"),
        (f"import drivelm {ANN} -o out --name a/b", 2, "start of a file name"),
        (f"import drivelm {ANN} -o out --boxes internvl", 2, "drivelm takes no --boxes"),
        ("import drivelm broken.json -o out", 2, "not JSON"),
        ("import rsvqa drivelm/v1_1_train_nus.json -o out", 2, "`questions`, `answers` or `images`"),
        (f"import drivelm {ANN} -o out --window 2 --output-format json", 0, '"balanced": true'),
        (f"import drivelm {ANN} -o out --report report.json", 0, "30 records"),
        (f"stitch --ann {ANN} --data-root nowhere -o out", 2, "no such directory"),
        (f"stitch --ann {ANN} --data-root drivelm -o out --grid 3", 2, "expected two numbers like 3x2"),
        (f"stitch --ann {ANN} --data-root drivelm -o out --grid 2x2", 2, "6 views do not fit"),
        (f"stitch --ann {ANN} --data-root drivelm -o out --font broken.json", 2, "no font file"),
        (f"stitch --ann {ANN} --data-root drivelm -o out --to gif", 2, "expected jpg or png"),
        ("stitch --ann broken.json --data-root drivelm -o out", 2, "broken.json: record 0: expected a key"),
        ("stitch --ann none.json --data-root drivelm -o out", 2, "none.json"),
        (
            "stitch --ann frames.jsonl --data-root . -o out --paths-key views --grid 2x1 --views left,right",
            1,
            "no such file",
        ),
        ("stitch --ann frames.jsonl --data-root . -o out", 2, "expected `image_paths`"),
        ("layout look x --preset bdd", 2, "unknown action"),
        ("layout check x --preset bdd", 2, "no such directory"),
        ("layout check drivelm --preset medicine", 2, "did you mean 'medical'"),
        ("layout init tree --preset remote", 0, "wrote tree/train_meta"),
        ("meta add meta.json", 2, "needs a NAME"),
        ("meta show meta.json", 2, "meta.json"),
        ("meta show broken.json", 2, "broken.json"),
        ("meta show frames.jsonl mine", 2, "for meta add"),
        ("meta add m.json a --annotation x.jsonl --root . --repeat-time two", 2, "no number"),
    ],
)
def test_exit_codes_and_messages(home, capsys, line, code, said):
    found, out, err = run(line, capsys)
    assert (found, said in out + err) == (code, True), out + err
    assert "Traceback" not in err


def test_any_grid_from_records_over_the_command_line(home, capsys):
    """Stereo from JSON Lines; a view too many is told; a second run makes nothing."""
    for name in ("Images_LR/0.tif", "Images_LR/1.tif"):
        assert (home / "rsvqa" / name).exists()
    row = {
        "name": "pair",
        "views": {"left": "Images_LR/0.tif", "right": "Images_LR/1.tif", "top": "Images_LR/2.tif"},
    }
    Path("pairs.jsonl").write_text(json.dumps(row) + "\n")
    line = (
        "stitch --ann pairs.jsonl --data-root rsvqa -o out --paths-key views --id-key name --grid 2x1 --views right,left "
        "--tile 256x256 --to png --font none --jobs 2"
    )
    code, out, err = run(line, capsys)
    assert (code, "1 written" in out) == (0, True), err
    assert "view top is not in the grid: 1 pictures not shown" in err
    from PIL import Image, ImageChops

    found = Image.open("out/pair.png")
    for name, left in (("1.tif", 0), ("0.tif", 256)):
        tile = found.crop((left, 0, left + 256, 256))
        assert ImageChops.difference(tile, Image.open(f"rsvqa/Images_LR/{name}")).getbbox() is None
    code, out, _ = run(line + " --output-format json", capsys)
    assert json.loads(out)["done"] == 1


def test_the_example_goes_the_whole_way(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "domains.py"), "--data-only", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "6 frames = 6 written" in done.stdout
    assert "no findings in 36 records" in done.stdout
    assert "2 data sets, nothing wrong" in done.stdout
