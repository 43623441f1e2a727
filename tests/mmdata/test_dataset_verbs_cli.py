"""The verbs over mixtures and files of records, as a person runs them: exit codes, ledgers, no tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LINE = '{"id":%d,"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}\n'
GOOD = "".join(LINE % i for i in range(10))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.jsonl").write_text(GOOD)
    Path("bad.jsonl").write_text(GOOD + "{broken\n")
    Path("empty.jsonl").write_text("")
    Path("binary.jsonl").write_bytes(bytes(range(256)) * 40)
    Path("text.txt").write_text("just words\nand more\n")
    turns = json.loads(LINE % 0)["conversations"]
    Path("good.json").write_text(json.dumps([{"conversations": turns}] * 3))
    Path("data.txt").write_text("good.json 0.003\n")
    Path("lossy.txt").write_text("good.json 2.01\n")
    Path("crash.txt").write_text("good.json\n")
    entry = {"root": "", "annotation": "good.jsonl", "data_augment": False, "repeat_time": 1}
    Path("meta.json").write_text(json.dumps({"a": entry}))
    return tmp_path


CASES = [
    ("mixture show data.txt", 0),
    ("mixture show crash.txt", 1),
    ("mixture plan data.txt", 0),
    ("mixture plan data.txt --mode geopixel --draws 2 --output-format json", 0),
    ("mixture plan data.txt --mode exact", 0),
    ("mixture plan lossy.txt", 1),
    ("mixture plan crash.txt", 2),
    ("mixture plan meta.json", 0),
    ("mixture plan meta.json --resampling", 1),
    ("mixture plan meta.json --mode xcomposer", 2),
    ("mixture plan meta.json --mode internvll", 2),
    ("mixture convert data.txt -o out.json", 0),
    ("mixture convert meta.json -o data.txt", 2),
    ("mixture convert meta.json -o data.txt --force", 0),
    ("mixture paint data.txt", 2),
    ("mixture show good.json", 2),
    ("mixture show gone", 2),
    ("mixture show binary.jsonl", 1),
    ("sample good.jsonl -n 3 -o out.jsonl", 0),
    ("sample bad.jsonl -n 3 -o out.jsonl", 1),
    ("sample good.jsonl -n 30 -o out.jsonl", 2),
    ("sample good.jsonl --ratio x -o out.jsonl", 2),
    ("sample empty.jsonl -n 0 -o out.jsonl", 0),
    ("sample good.jsonl -n 3 -o gone/out.jsonl", 2),
    ("split good.jsonl --parts a=0.5,b=0.5", 0),
    ("split good.jsonl --parts a=0.5,a=0.5", 2),
    ("split good.jsonl --parts a=0.5,../b=0.5", 2),
    ("split good.jsonl --parts a", 2),
    ("filter good.jsonl turns==2 -o out.jsonl", 0),
    ("filter good.jsonl turn==2 -o out.jsonl", 2),
    ("filter text.txt turns==2 -o out.jsonl", 2),
    ("filter binary.jsonl turns==2 -o out.jsonl", 2),
    ("filter data.txt turns==2 -o out.jsonl", 2),
    ("dedup good.jsonl --by content -o out.jsonl", 0),
    ("dedup gone.jsonl -o out.jsonl", 2),
    ("dedup text.txt -o out.jsonl", 2),
    ("merge good.jsonl bad.jsonl -o out.jsonl", 1),
    ("merge good.jsonl -o good.jsonl --force", 2),
    ("merge good.jsonl data.txt -o out.jsonl", 2),
    ("diff good.jsonl good.jsonl", 0),
    ("diff good.jsonl bad.jsonl", 1),
    ("diff good.jsonl gone.jsonl", 2),
    ("diff good.jsonl text.txt", 2),
]


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    from mmdata.cli import main

    with pytest.raises(SystemExit) as left:
        main(arguments)
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("line, code", CASES, ids=[line for line, _ in CASES])
def test_exit_codes_and_no_leftovers(line: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p.name: p.read_bytes() for p in Path().iterdir()}
    found, out, err = run(line.split(), capsys)
    assert found == code, out + err
    assert "Traceback" not in out + err
    if code == 2:
        assert err.startswith("mmdata: ")
        assert {p.name: p.read_bytes() for p in Path().iterdir()} == before


@pytest.mark.usefixtures("home")
def test_the_ledger_as_json_and_as_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    line = "sample bad.jsonl -n 3 -o out.jsonl --output-format json --report report.json --rejects rest.jsonl"
    _, out, _ = run(line.split(), capsys)
    ledger = json.loads(out)
    assert ledger == json.loads(Path("report.json").read_text())
    assert (ledger["read"], ledger["written"], ledger["dropped"]) == (11, 3, {"broken": 1, "not-sampled": 7})
    assert len(Path("rest.jsonl").read_text().splitlines()) == 8


@pytest.mark.usefixtures("home")
def test_plan_prints_upstream_s_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(["mixture", "plan", "lossy.txt", "--output-format", "json"], capsys)
    share = json.loads(out)["data_sets"][0]
    assert (share["samples"], share["records"], share["distinct"]) == (2009, 3, 3)
    assert "2010" in share["warnings"][0]


@pytest.mark.usefixtures("home")
def test_differences_of_a_conversion_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(["mixture", "convert", "data.txt"], capsys)
    assert json.loads(out)["good"]["repeat_time"] == 1
    assert "order:" in err
    assert "container: good.json" in err


@pytest.mark.usefixtures("home")
def test_standard_input_can_be_filtered() -> None:
    command = [
        sys.executable,
        "-c",
        "from mmdata.cli import main; main()",
        "filter",
        "-",
        "id >= 7",
        "-o",
        "out.jsonl",
    ]
    done = subprocess.run(
        [*command, "--format", "internvl"], input=GOOD, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert Path("out.jsonl").read_text() == "".join(GOOD.splitlines(keepends=True)[7:])
    for missing in (["--force"], ["--format", "internvl", "-o", "out"]):
        done = subprocess.run([*command, *missing], input=GOOD, capture_output=True, text=True, timeout=120)
        assert (done.returncode, "read only once" in done.stderr) == (2, True), done.stderr
