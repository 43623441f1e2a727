"""The command as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LINE = '{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}\n'
WRONG = LINE.replace("human", "user")
EMPTY = LINE.replace("Hello", "")


def mmdata(*arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mmdata.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "good.jsonl").write_text(LINE)
    (tmp_path / "bad.jsonl").write_text(LINE + WRONG)
    (tmp_path / "warn.jsonl").write_text(EMPTY)
    return tmp_path


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["validate", "good.jsonl"], 0),
        (["validate", "bad.jsonl"], 1),
        (["validate", "bad.jsonl", "--exit-zero"], 0),
        (["validate", "warn.jsonl"], 0),
        (["validate", "warn.jsonl", "--strict"], 1),
        (["validate", "warn.jsonl", "--strict", "--ignore", "C09"], 0),
        (["validate", "missing.jsonl"], 2),
        (["validate", "good.jsonl", "--format", "intervl"], 2),
        (["validate", "good.jsonl", "--output-format", "yaml"], 2),
        (["validate", "good.jsonl", "--media", "some"], 2),
        (["validate", "good.jsonl", "--jobs", "x"], 2),
        (["validate", "good.jsonl", "--no-such-option"], 2),
        (["validate"], 2),
        (["explain", "G05"], 0),
        (["explain", "G99"], 2),
        (["rules"], 0),
        (["formats"], 0),
        (["schema", "internvl"], 0),
        (["schema", "nothing"], 2),
        (["detect", "good.jsonl"], 0),
        (["--help"], 0),
        (["--version"], 0),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_exit_codes(home: Path, arguments: list[str], code: int) -> None:
    done = mmdata(*arguments, cwd=home)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code == 2:
        assert done.stderr.startswith("mmdata: ")
        assert done.stderr.count("\n") == 1, "one clear line"


def test_unknown_names_name_the_nearest(home: Path) -> None:
    assert (
        "did you mean 'internvl'" in mmdata("validate", "good.jsonl", "--format", "intervl", cwd=home).stderr
    )


def test_stdin_is_read_whole_after_its_format_was_told_from_it(home: Path) -> None:
    done = mmdata("validate", "-", "--media", "none", "--output-format", "json", stdin=LINE * 3)
    assert json.loads(done.stdout)["summary"]["records"] == 3
    done = mmdata("convert", "-", "--to", "xcomposer", "-o", "out", cwd=home, stdin=LINE * 3)
    assert "3 records read = 3 written" in done.stdout + done.stderr


def test_stdin_is_read(home: Path) -> None:
    done = mmdata("validate", "-", "--format", "internvl", "--output-format", "json", stdin=LINE + WRONG)
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(f["code"], f["record"], f["line"]) for f in result["findings"]] == [("C05", 1, 2)]


def test_output_file_is_complete_or_absent(home: Path) -> None:
    done = mmdata("validate", "bad.jsonl", "--output-format", "json", "--output", "report.json", cwd=home)
    assert done.stdout == ""
    assert json.loads((home / "report.json").read_text())["summary"]["errors"] == 1


def test_fix_reports_what_remains(home: Path) -> None:
    done = mmdata("validate", "bad.jsonl", "--fix", cwd=home)
    assert done.returncode == 0, done.stdout
    assert (home / "bad.jsonl").read_text() == LINE + LINE
    assert "fixed 1 C05" in done.stderr


def test_diff_shows_and_leaves(home: Path) -> None:
    done = mmdata("validate", "bad.jsonl", "--diff", cwd=home)
    assert f"-{WRONG}+{LINE}" in done.stdout
    assert (home / "bad.jsonl").read_text() == LINE + WRONG


def test_a_baseline_hides_old_findings_only(home: Path) -> None:
    assert mmdata("validate", "bad.jsonl", "--write-baseline", "base.json", cwd=home).returncode == 0
    assert mmdata("validate", "bad.jsonl", "--baseline", "base.json", cwd=home).returncode == 0
    (home / "bad.jsonl").write_text(LINE * 3 + WRONG + EMPTY.replace("human", "alien"))
    done = mmdata("validate", "bad.jsonl", "--baseline", "base.json", "--output-format", "json", cwd=home)
    assert done.returncode == 1
    assert {f["record"] for f in json.loads(done.stdout)["findings"]} == {4}


def test_help_imports_nothing_heavy() -> None:
    program = "import sys; sys.argv = ['mmdata', '--help']\nfrom mmdata.cli import main\ntry: main()\nexcept SystemExit: pass\nprint(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = done.stderr
    for heavy in ("torch", "numpy", "pydantic", "cv2", "PIL", "shapely", "msgspec"):
        assert f"'{heavy}'" not in loaded


def test_import_mmdata_never_imports_torch() -> None:
    program = (
        "import sys, mmdata\nfor n in mmdata.__all__: getattr(mmdata, n)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_interrupt_is_one_line() -> None:
    command = [sys.executable, "-c", "from mmdata.cli import main; main()", "validate", "-"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    child.stdin.write(LINE * 20_000)  # more than a pipe holds: once this returns, the child is reading
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", "mmdata: interrupted\n")


@pytest.mark.parametrize("stream, code", [("<&-", 0), (">&-", 0), ("2>&-", 0)])
def test_a_closed_stream_is_no_crash(home: Path, stream: str, code: int) -> None:
    command = f'"{sys.executable}" -c "from mmdata.cli import main; main()" validate good.jsonl {stream}'
    done = subprocess.run(["sh", "-c", command], cwd=home, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_report_never_replaces_the_data(home: Path) -> None:
    before = (home / "bad.jsonl").read_bytes()
    for option in ("--output", "--write-baseline"):
        done = mmdata("validate", "bad.jsonl", option, "bad.jsonl", cwd=home)
        assert (done.returncode, (home / "bad.jsonl").read_bytes()) == (2, before)
        assert "write to another file" in done.stderr


def test_a_ledger_in_the_way_is_told_before_the_work(home: Path) -> None:
    (home / "ledger.json").write_text("mine")
    done = mmdata("filter", "good.jsonl", "turns > 0", "-o", "out.jsonl", "--report", "ledger.json", cwd=home)
    assert done.returncode == 2
    assert (home / "ledger.json").read_text() == "mine"
    assert not (home / "out.jsonl").exists()
