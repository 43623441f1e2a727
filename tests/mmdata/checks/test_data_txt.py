"""The lines of ``data.txt``: X01 to X06 and X16, one line at a time and whole files through their repair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmdata
from mmdata.checks.registry import Hit, get_check, selected
from mmdata.checks.view import EntryView
from mmdata.finding import Splice
from mmdata.format import get_format
from mmdata.mixtures import read_data_txt
from mmdata.options import Options
from mmdata.validating.fix import fix_files

RECORD = '{"conversations": [{"from": "user", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}'


def views(data: bytes, *, exists: bool = True, records: int | None = 10, **assume: Any) -> list[EntryView]:
    """The lines as the engine hands them out."""
    entries = read_data_txt(data)
    later = {entry.earlier: i for i, entry in enumerate(entries) if entry.earlier is not None}
    return [
        EntryView(
            path="data.txt",
            format=get_format("data-txt"),
            options=Options(assume=assume),
            index=index,
            raw=entry.raw,
            name=entry.name,
            pointer=None,
            start=entry.start,
            end=entry.end,
            target=entry.annotation,
            exists=exists,
            records=records,
            earlier=entry.earlier,
            later=later.get(index),
            entries=len(entries),
        )
        for index, entry in enumerate(entries)
    ]


def run(code: str, text: str, **known: Any) -> list[Hit]:
    return [hit for view in views(text.encode(), **known) for hit in get_check(code).function(view)]


def codes(text: str, **known: Any) -> set[str]:
    checks = list(selected("data-txt"))
    return {
        c.code
        for view in views(text.encode(), **known)
        for c in checks
        if c.stage == "entry"
        for _ in c.function(view)
    }


def spliced(data: bytes, splices: tuple[Splice, ...]) -> bytes:
    for s in reversed(splices):
        data = data[: s.start] + s.replacement + data[s.end :]
    return data


# --- X01, X02, X03 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("line", ["", "   ", "\t", "# all of it", "  #a.json 1"])
def test_x01_the_line_goes_with_its_end(line: str, end: str) -> None:
    text = f"a.json 1{end}{line}{end}b.json 2{end}"
    (hit,) = run("X01", text)
    assert spliced(text.encode(), hit.splices) == f"a.json 1{end}b.json 2{end}".encode()
    assert codes(text) == {"X01"}


def test_x01_a_line_break_at_the_end_is_no_line() -> None:
    assert codes("a.json 1\n") == codes("a.json 1") == codes("  a.json 1  \n") == set()


@pytest.mark.parametrize(
    "line",
    ["a.json  1", "a.json\t1", "a.json\u00a01", "a.json \t 1", "a.json 1 # half", "a.json  1 #half of it"],
)
def test_x02_one_space_is_written(line: str) -> None:
    text = f"é.json 2\n{line}\r\nb.json 3"
    (hit,) = run("X02", text)
    assert spliced(text.encode(), hit.splices).decode() == "é.json 2\na.json 1\r\nb.json 3"
    assert codes(text) == {"X02"}


@pytest.mark.parametrize("line", ["my data.json 1", "a.json 1 2", "my\t data.json 1"])
def test_x02_a_path_with_white_space_is_for_a_person(line: str) -> None:
    (hit,) = run("X02", line, exists=False)
    assert hit.splices == ()
    assert codes(line, exists=False) == {"X02"}


def test_x02_a_byte_order_mark_goes() -> None:
    text = "\ufeffa.json 1\nb.json 2\n"
    (hit,) = run("X02", text, exists=False)
    assert spliced(text.encode(), hit.splices) == b"a.json 1\nb.json 2\n"
    assert codes("\ufeffa.json 1", exists=False) == {"X02"}


def test_x02_bytes_that_are_no_text_are_not_rewritten() -> None:
    (view,) = views(b"\xff.json  1")
    (hit,) = get_check("X02").function(view)
    assert hit.splices == ()


@pytest.mark.parametrize(
    "line", ["a.json all", "a.json 1k", "a.json nan", "a.json inf", "a.json 1,5", "a.json 0.5x # note"]
)
def test_x03_what_is_no_number(line: str) -> None:
    assert codes(line) == {"X03"}
    assert codes(line, given_num=False) == {"X03"}


def test_x03_a_path_alone_is_well_without_given_num() -> None:
    assert codes("a.json") == codes("a.json", given_num=True) == {"X03"}
    assert codes("a.json", given_num=False) == set()


# --- X04 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["2.01", "1.001", "1.015", "8.033"])
def test_x04_a_lost_sample_comes_back(number: str) -> None:
    text = f"a.json {number}\n"
    meant = round(float(number) * 1000)
    (hit,) = run("X04", text)
    assert f"are {meant - 1} samples, not {meant}" in hit.message
    fixed = spliced(text.encode(), hit.splices).decode()
    assert int(float(fixed.split()[1]) * 1000) == meant
    assert codes(fixed) == set()


@settings(max_examples=200, deadline=None)
@given(number=st.decimals(0, 100, places=4, allow_nan=False).map(str))
def test_x04_is_the_trainers_own_arithmetic(number: str) -> None:
    found = run("X04", f"a.json {number}")
    drawn, written = int(float(number) * 1000), float(number) * 1000
    if drawn == 0:
        assert len(found) == 1
    else:
        assert bool(found) == (drawn + 1 - written < 1e-6)


@pytest.mark.parametrize(
    "number, assume, severity",
    [
        ("0", {}, "error"),
        ("-1", {}, "error"),
        ("-0.5", {"given_num": False}, "error"),
        ("0.0004", {}, None),  # nothing as thousands, something as a ratio
        ("0.0004", {"given_num": True}, "error"),
        ("0.05", {"given_num": False}, "error"),  # of 10 records
    ],
)
def test_x04_no_sample_at_all(number: str, assume: dict[str, Any], severity: str | None) -> None:
    (hit,) = run("X04", f"a.json {number}", **assume)
    assert (hit.severity, hit.splices) == (severity, ())


@pytest.mark.parametrize("number, records", [("0.5", 10), ("1", 10), ("0.05", None), ("2", 10), ("0.1", 10)])
def test_x04_a_ratio_that_draws_something(number: str, records: int | None) -> None:
    assert run("X04", f"a.json {number}", records=records, given_num=False) == []


def test_x04_a_ratio_loses_samples_too() -> None:
    (hit,) = run("X04", "a.json 0.29", records=100, given_num=False)
    assert "are 28 samples, not 29" in hit.message
    assert hit.splices == ()


# --- X05, X06, X16 ------------------------------------------------------------------------------------------------


def test_x05_all_but_the_last_line_of_a_path_go() -> None:
    text = "a.json 1\nb.json 1\na.json 2\na.json 3\n"
    found = run("X05", text)
    assert [hit.message.split(":")[0] for hit in found] == ["line 1", "line 3"]
    assert spliced(text.encode(), tuple(s for hit in found for s in hit.splices)) == b"b.json 1\na.json 3\n"
    assert codes("a.json 1\n./a.json 1\n") == set()  # two paths to the trainer


@pytest.mark.parametrize(
    "number, records, assume, looks",
    [
        ("0.5", 100_000, {}, True),
        ("1", 50_000, {"given_num": True}, True),
        ("0.5", 5_000, {}, False),
        ("0.02", 30, {}, False),
        ("5", 1_000_000, {}, False),
        ("2.5", 3_000, {"given_num": False}, True),
        ("40", 10, {"given_num": False}, True),
        ("2", 10, {"given_num": False}, False),
        ("0.5", 100_000, {"given_num": False}, False),
        ("0.5", None, {}, False),
    ],
)
def test_x06_by_what_would_be_drawn(
    number: str, records: int | None, assume: dict[str, Any], looks: bool
) -> None:
    assert bool(run("X06", f"a.json {number}", records=records, **assume)) == looks


def test_x16_only_where_the_path_is_known() -> None:
    (hit,) = run("X16", "a.json 1", exists=False)
    assert hit.related_path == "a.json"
    assert codes("a.json  1", exists=False) == {"X02", "X16"}
    assert "X16" not in codes("# a.json 1\n\n", exists=False)
    assert "X16" not in codes("a.json 1 # half", exists=False)
    assert codes("my\tdata.json 1") == set()  # a strange name, but the trainer opens it
    assert codes("my\tdata.json 1", exists=False) == {"X16"}


# --- whole files --------------------------------------------------------------------------------------------------


def trainer_reads(text: str) -> dict[str, int]:
    """Path -> number of samples, as the training scripts read the lines; raises where they do."""
    drawn = {}
    for line in text.splitlines():
        words = line.strip().split(" ")
        assert len(words) == 2
        assert words[0] in ("a.json", "b.json")
        drawn[words[0]] = int(float(words[1]) * 1000)
        assert drawn[words[0]] > 0
    return drawn


pieces = st.sampled_from(
    [
        "a.json 1",
        "b.json 2.5",
        "",
        "# note",
        "a.json\t1",
        "b.json  0.5",
        "a.json 2.01",
        "b.json 0.25 # half",
        "  a.json 0.5 ",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(pieces, min_size=1, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    last=st.booleans(),
)
def test_repaired_files_are_what_the_trainer_reads(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, bom: bool, last: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in ("a.json", "b.json"):
        (folder / name).write_text(f"[{RECORD}]")
    path = folder / "data.txt"
    text = end.join(lines) + (end if last else "")
    path.write_bytes(("\ufeff" if bom else "").encode() + text.encode())
    options = Options(media_root=str(folder))
    list(fix_files([str(path)], format="data-txt", options=options, unsafe=False, write=True))
    fixed = path.read_bytes()
    report = mmdata.validate(str(path), format="data-txt", jobs=1, media_root=str(folder))
    if any("json" in line and not line.startswith("#") for line in lines):
        assert not report.findings, (fixed, report.findings)
        last_words = {line.split()[0]: line.split()[1] for line in lines if "json" in line}
        assert trainer_reads(fixed.decode()) == {p: round(float(n) * 1000) for p, n in last_words.items()}
    list(fix_files([str(path)], format="data-txt", options=options, unsafe=True, write=True))
    assert path.read_bytes() == fixed


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.text(alphabet="a.json 1#\t\n\r-e\ufeff\u00a0", max_size=40).map(str.encode)
)
def test_no_line_raises_and_no_repair_leaves_its_line(data: bytes) -> None:
    for view in views(data):
        for check in selected("data-txt"):
            for hit in check.function(view) if check.stage == "entry" else ():
                assert all(view.start <= s.start <= s.end <= view.end for s in hit.splices)


def test_the_published_samples_are_clean(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("geopixel", "xcomposer/finetune"):
        monkeypatch.chdir(samples / folder)
        found = mmdata.validate("data.txt", jobs=1, media="none").findings
        assert not found, found
