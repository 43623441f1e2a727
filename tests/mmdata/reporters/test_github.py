from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mmdata.finding import Finding
from mmdata.report import Collector, Report
from mmdata.reporters import RenderContext, get_reporter

Rendered = Callable[..., str]


def test_golden(small: Report, rendered: Rendered) -> None:
    assert rendered("github", small).splitlines() == [
        "::warning file=data/train.json,title=C13::50%25 of a, b: empty%0Aupstream: nothing to learn",
        "::error file=data/train.json,line=17,title=G05::2 [SEG] in the answers, 1 mask"
        " (record 12, /conversations/1/value)%0Aupstream: the shorter list wins: a mask is never trained"
        "%0Afix: give each [SEG] one mask",
        "1 error, 1 warning in 1,000 records",
    ]


def test_infos_are_notices_and_separators_in_paths_are_escaped(rendered: Rendered) -> None:
    run = Collector()
    run.add(Finding("C30", "info", "::error::", "a,b:c%d.json", "u", line=1))
    line = rendered("github", run.report([])).splitlines()[0]
    assert line == "::notice file=a%2Cb%3Ac%25d.json,line=1,title=C30::::error::%0Aupstream: u"


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it."""
    match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
    assert match
    properties = dict(part.split("=", 1) for part in match[2].split(","))

    def plain(text: str) -> str:
        for escaped, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(escaped, character)
        return text

    return match[1], {key: plain(value) for key, value in properties.items()}, plain(match[3])


hostile = st.text(st.characters(codec=None), max_size=20) | st.text("%:,=\n\r25A0D", max_size=20)


@given(hostile, hostile, hostile)
def test_whatever_the_data_holds_a_finding_is_one_command(message: str, path: str, upstream: str) -> None:
    run = Collector()
    run.add(Finding("G05", "error", message, path, upstream, line=3))
    out: list[str] = []
    get_reporter("github").render(run.report([]), out.append, context=RenderContext())
    lines = "".join(out).splitlines()
    assert len(lines) == 2
    command, properties, _ = parsed(lines[0])
    assert command == "error"
    assert properties.keys() == {"file", "line", "title"}
    if path.isprintable():
        assert properties["file"] == path


@given(st.text("%:,=25A0D ", max_size=30))
def test_the_message_is_read_back_as_it_was(message: str) -> None:
    run = Collector()
    run.add(Finding("G05", "error", message, "a.json", "u"))
    out: list[str] = []
    get_reporter("github").render(run.report([]), out.append, context=RenderContext())
    assert parsed(out[0].rstrip("\n"))[2] == f"{message}\nupstream: u"
