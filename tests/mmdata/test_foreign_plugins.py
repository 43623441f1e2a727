"""A format in a package of its own works in every verb, as the guide says; a broken one takes nothing else down."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs/how-to/plugins.md"
RECORD = {
    "picture": "a.png",
    "dialog": [{"who": "me", "says": "What is it?"}, {"who": "it", "says": "A CAR"}],
    "note": 1,
}
PLAIN = {
    "image": "a.png",
    "conversations": [{"from": "user", "value": "<ImageHere>Hi"}, {"from": "bot", "value": "A"}],
}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def install(
    folder: Path, name: str, groups: Mapping[str, Mapping[str, str]], modules: Mapping[str, str]
) -> None:
    """What pip would leave of a distribution: its modules and its metadata."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
        for group, points in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "work").mkdir()
    (tmp_path / "site").mkdir()

    def command(*arguments: str, ok: tuple[int, ...] = (0, 1)) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from mmdata.cli import main; main()", *arguments],
            cwd=tmp_path / "work",
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in ok, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


@pytest.fixture
def dialog(tmp_path: Path, run: Run) -> Run:
    """The guide's package, installed; and a data file."""
    format_source, check_source = blocks("python")
    points = {
        group: dict(re.findall(r'^(\w+) = "(\w+)"$', body, re.MULTILINE))
        for group, body in re.findall(
            r'^\[project\.entry-points\."([\w.]+)"\]\n((?:\w+ = .*\n)*)', blocks("toml")[0], re.MULTILINE
        )
    }
    assert set(points) == {"mmdata.formats", "mmdata.checks"}
    install(
        tmp_path / "site",
        "dialog-format",
        points,
        {"dialog_format": format_source, "dialog_checks": check_source},
    )
    (tmp_path / "work" / "talks.json").write_text(json.dumps([RECORD]))
    return run


def test_the_guides_format_works_in_every_verb(dialog: Run, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert "dialog " in dialog("formats").stdout
    assert dialog("detect", "talks.json").stdout.startswith("talks.json: dialog")
    assert json.loads(dialog("schema", "dialog").stdout)["items"]
    found = json.loads(dialog("validate", "talks.json", "--media", "none", "--output-format", "json").stdout)
    assert [f["code"] for f in found["findings"]] == ["DIALOG01"]
    assert "shout" in dialog("explain", "DIALOG01").stdout
    dialog("convert", "talks.json", "--to", "internvl", "-o", "out", ok=(0,))
    (line,) = (work / "out/talks.jsonl").read_text().splitlines()
    assert json.loads(line)["conversations"][1] == {"from": "gpt", "value": "A CAR"}
    dialog("convert", "out/talks.jsonl", "--to", "dialog", "-o", "back", ok=(0,))
    assert json.loads((work / "back/talks.json").read_text()) == [RECORD]
    (work / "x.json").write_text(json.dumps([PLAIN]))
    dialog("convert", "x.json", "--to", "dialog", "-o", "there", ok=(0,))
    (made,) = json.loads((work / "there/x.json").read_text())
    assert made["dialog"] == [{"who": "me", "says": "Hi"}, {"who": "it", "says": "A"}]


def test_what_its_record_type_refuses_is_found(dialog: Run, tmp_path: Path) -> None:
    broken = [RECORD, None, {"dialog": [{"who": "me"}]}]
    (tmp_path / "work" / "bad.json").write_text(json.dumps(broken))
    done = dialog(
        "validate", "bad.json", "--format", "dialog", "--media", "none", "--output-format", "json", ok=(1,)
    )
    codes = {(f["record"], f["code"]) for f in json.loads(done.stdout)["findings"]}
    assert {(1, "S02"), (2, "S01")} <= codes


BROKEN = {
    "is not there": ("gone_module", None, "is gone: there is no module"),
    "needs something": ("needy", "import no_such_library", "which is not installed"),
    "raises": ("raiser", "1 / 0", "ZeroDivisionError"),
    "exits": ("leaver", "raise SystemExit(3)", "SystemExit"),
    "has no FORMAT": ("empty", "", "AttributeError"),
    "is no format": ("number", "FORMAT = 42", "not mmdata.format.Format"),
    "is no Python": ("prose", "this is no Python", "SyntaxError"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_format_takes_nothing_down(run: Run, tmp_path: Path, how: str) -> None:
    module, source, reason = BROKEN[how]
    install(
        tmp_path / "site",
        "outsider",
        {"mmdata.formats": {"odd": module}},
        {} if source is None else {module: source},
    )
    (tmp_path / "work" / "x.json").write_text(json.dumps([PLAIN]))
    done = run("detect", "x.json", ok=(0,))
    assert done.stdout.startswith("x.json: xcomposer")
    (line,) = done.stderr.splitlines()
    assert line.startswith("mmdata: warning: format 'odd' of outsider")
    assert reason in line
    asked = run("validate", "x.json", "--format", "odd", ok=(2,))
    assert "format 'odd' of outsider" in asked.stderr


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError"),
        (
            "from mmdata.checks.registry import check\n"
            "@check('ODD1', severity='error')\ndef odd(record):\n    '''No sections.'''\n",
            "docstring lacks",
        ),
        (
            "from mmdata.checks.registry import check\n"
            "@check('ODD1', severity='error')\ndef odd(record):\n"
            "    '''Odd.\n\n    Upstream: x.\n    Bad (xcomposer): {}\n    Good (xcomposer): {}\n    '''\n"
            "    raise RuntimeError('as checks do')\n",
            "RuntimeError: as checks do",
        ),
    ],
)
def test_a_broken_check_takes_nothing_down(run: Run, tmp_path: Path, source: str, reason: str) -> None:
    install(tmp_path / "site", "outsider", {"mmdata.checks": {"odd": "odd_checks"}}, {"odd_checks": source})
    wrong = {
        **PLAIN,
        "conversations": [{"from": "user", "value": "<ImageHere>Hi"}, {"from": "bot", "text": "A"}],
    }
    (tmp_path / "work" / "x.json").write_text(json.dumps([PLAIN, wrong, wrong]))
    done = run(
        "validate", "x.json", "--format", "xcomposer", "--media", "none", "--output-format", "json", ok=(1,)
    )
    assert [f["code"] for f in json.loads(done.stdout)["findings"]] == ["C03", "C03"]
    (line,) = [x for x in done.stderr.splitlines() if "outsider" in x]
    assert reason in line


def test_declarations_that_cannot_be_read_are_named(run: Run, tmp_path: Path) -> None:
    install(tmp_path / "site", "outsider", {}, {})
    (tmp_path / "site/outsider-1.0.dist-info/entry_points.txt").write_text(
        "[mmdata.formats]\nno equals sign\n"
    )
    (tmp_path / "work" / "x.json").write_text(json.dumps([PLAIN]))
    done = run("detect", "x.json", ok=(0,))
    assert done.stdout.startswith("x.json: xcomposer")
    assert "outsider" in done.stderr


def test_a_format_that_cannot_look_is_left_out(run: Run, tmp_path: Path) -> None:
    source = blocks("python")[0].replace("found = [r for", "raise KeyError('found')\n    found = [r for")
    install(
        tmp_path / "site",
        "outsider",
        {"mmdata.formats": {"dialog": "dialog_format"}},
        {"dialog_format": source},
    )
    (tmp_path / "work" / "x.json").write_text(json.dumps([PLAIN]))
    done = run("detect", "x.json", ok=(0,))
    assert done.stdout.startswith("x.json: xcomposer")
    assert "format 'dialog' cannot look at x.json" in done.stderr
