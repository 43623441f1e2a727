from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.finding import Edit, Finding
from mmdata.report import Collector, Report
from mmdata.reporters import Excerpt, RenderContext, RuleInfo, get_reporter

RECORD = '{"id": 7, "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "[SEG][SEG]"}]}'
ANSI = re.compile(r"\x1b\[[\d;]*m")

Rendered = Callable[..., str]


def excerpt(finding: Finding) -> Excerpt | None:
    if finding.line is None:
        return None
    start = RECORD.index('"[SEG][SEG]"')
    return Excerpt(RECORD, start, start + 12)


def rule(code: str) -> RuleInfo:
    return RuleInfo(code, "a-name", f"title of {code}")


def report(*findings: Finding, max_findings: int = 0) -> Report:
    run = Collector(max_findings)
    run.extend(findings)
    return run.report(
        [run.source(path, "geopixel", 1000) for path in dict.fromkeys(f.path for f in findings)]
    )


GOLDEN = """\
data/train.json (geopixel, 1,000 records): 1 error, 1 warning

warning C13  50% of a, b: empty
 --> data/train.json (in b.json)
 = upstream: nothing to learn

error G05  2 [SEG] in the answers, 1 mask
   --> data/train.json:17 (record 12, /conversations/1/value)
17 | …"value": "<image>"}, {"from": "gpt", "value": "[SEG][SEG]"}]}
   |                                                ^^^^^^^^^^^^
   = upstream: the shorter list wins: a mask is never trained
   = fix: give each [SEG] one mask

code  severity  count  what
G05   error         1  title of G05
C13   warning       1  title of C13

1 error, 1 warning in 1,000 records; 1 fixable with --fix; `mmdata explain CODE` tells more
"""


def test_golden(small: Report, rendered: Rendered) -> None:
    assert rendered("text", small, width=68, excerpt=excerpt, rule=rule) == GOLDEN


def test_colours_change_nothing_but_colours(small: Report, rendered: Rendered) -> None:
    coloured = rendered("text", small, width=68, excerpt=excerpt, rule=rule, color=True)
    assert ANSI.sub("", coloured) == GOLDEN
    assert "\x1b[1;31merror G05\x1b[0m" in coloured
    assert coloured.count("\x1b[0m") * 2 == coloured.count("\x1b")


def test_statistics_are_the_table_and_the_totals_alone(small: Report, rendered: Rendered) -> None:
    assert (
        rendered("text", small, width=68, rule=rule, statistics=True)
        == GOLDEN[GOLDEN.index("code  severity") :]
    )


def test_a_clean_run_is_one_line(rendered: Rendered) -> None:
    run = Collector()
    clean = run.report([run.source("a.json", "internvl", 600), run.source("b.json", "internvl", 400)])
    assert rendered("text", clean) == "no findings in 1,000 records of 2 files\n"


def test_repeated_findings_are_folded_with_their_complete_count(rendered: Rendered) -> None:
    many = [Finding("G05", "error", f"wrong {i}", "a.json", "crash", record=i) for i in range(1207)]
    other = [Finding("G05", "error", f"other {i}", "b.json", "crash", record=i) for i in range(3)]
    full = rendered("text", report(*many, *other))
    capped = rendered("text", report(*many, *other, max_findings=1210))
    assert full == capped
    assert re.findall(r"wrong \d+", full) == ["wrong 0", "wrong 1", "wrong 2"]
    assert full.count("more G05 in this file") == 1
    assert "… and 1,204 more G05 in this file\n" in full
    assert full.count("  other ") == 3


def test_findings_that_are_not_listed_are_counted_in_every_file(rendered: Rendered) -> None:
    findings = [
        Finding("G05", "error", "wrong", path, "crash", record=i)
        for path in ("a.json", "b.json")
        for i in range(9)
    ]
    text = rendered("text", report(*findings, max_findings=2))
    assert "… and 7 more G05 in this file" in text
    assert "b.json (geopixel, 1,000 records): 9 errors\n\n… and 9 more G05 in this file" in text
    assert "18 errors in 2,000 records of 2 files" in text


def test_files_stay_together_in_the_order_of_the_run(rendered: Rendered) -> None:
    findings = [
        Finding("G05", "error", "w", path, "crash", record=i)
        for i in range(2)
        for path in ("z.json", "a.json")
    ]
    text = rendered("text", report(*findings))
    places = [m[1] for m in re.finditer(r"--> (\S+)", text)]
    assert places == ["z.json", "z.json", "a.json", "a.json"]


def test_fixes_that_may_change_the_meaning_are_told_apart(rendered: Rendered) -> None:
    edits = (Edit("remove", "/x"),)
    safe = Finding("G05", "error", "w", "a.json", "crash", edits=edits)
    unsafe = Finding("G06", "error", "w", "a.json", "crash", edits=edits, unsafe=True)
    assert "; 1 fixable with --fix; 1 more with --fix --unsafe-fixes; " in rendered(
        "text", report(safe, unsafe)
    )
    assert "; 1 with --fix --unsafe-fixes; " in rendered("text", report(unsafe))
    assert "--fix" not in rendered("text", report(Finding("G05", "error", "w", "a.json", "crash")))


@pytest.mark.parametrize("width", [0, 40, 60, 100])
def test_prose_keeps_to_the_width(rendered: Rendered, width: int) -> None:
    prose = "卫星 image and the words that come after it " * 6
    finding = Finding("G05", "error", prose, "a.json", prose, fix=prose, line=3, record=1)
    text = rendered(
        "text", report(finding), width=width, excerpt=excerpt, rule=lambda c: RuleInfo(c, title=prose)
    )
    # 卫星 takes four cells with two characters; it may stand several times on a line.
    widest = max(len(line) + len(re.findall("[卫星]", line)) for line in text.splitlines()[1:-1])
    assert widest <= max(width, 40)
    assert text.count("卫星") == 6 * 4


hostile = st.text(st.characters(codec=None), max_size=20) | st.text(
    "\x1b[31m\n\r\x9b\u202e\u2028\ud800a ", max_size=20
)


@given(
    hostile,
    hostile,
    hostile,
    st.none() | hostile,
    st.none() | hostile,
    hostile,
    st.booleans(),
    st.integers(0, 120),
)
def test_no_character_of_the_data_controls_the_terminal(
    message: str,
    path: str,
    upstream: str,
    fix: str | None,
    pointer: str | None,
    text: str,
    color: bool,
    width: int,
) -> None:
    finding = Finding(
        "G\x1b5", "error", message, path, upstream, fix, related_path=fix, record=0, pointer=pointer, line=1
    )
    out: list[str] = []
    context = RenderContext(
        color=color,
        width=width,
        excerpt=lambda _: Excerpt(text, 3, 9),
        rule=lambda c: RuleInfo(c, message, upstream, path),
    )
    get_reporter("text").render(report(finding), out.append, context=context)
    plain = ANSI.sub("", "".join(out)) if color else "".join(out)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain
    )
    "".join(out).encode("utf-8")
