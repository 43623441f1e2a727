from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmdata.reporters._excerpt import MIN_WIDTH, Excerpt, shorten
from mmdata.reporters._visible import cells, visible, wrapped


def of(text: str, part: str) -> Excerpt:
    start = text.index(part)
    return Excerpt(text, start, start + len(part))


def drawn(excerpt: Excerpt, width: int) -> list[str]:
    shown = shorten(excerpt, width)
    return [shown.line, " " * shown.offset + "^" * shown.length]


def test_a_short_line_is_shown_whole() -> None:
    assert drawn(of('{"from": "humn"}', '"humn"'), 40) == ['{"from": "humn"}', "         ^^^^^^"]


def test_a_long_line_is_cut_on_both_sides_of_the_offending_part() -> None:
    line, carets = drawn(of("a" * 500 + "BAD" + "b" * 500, "BAD"), 33)
    assert line == "…" + "a" * 14 + "BAD" + "b" * 14 + "…"
    assert line[carets.index("^") : len(carets)] == "BAD"


@pytest.mark.parametrize(
    "before, after, line", [(0, 500, "BAD" + "b" * 27 + "…"), (500, 0, "…" + "a" * 27 + "BAD")]
)
def test_context_goes_to_the_side_that_has_some(before: int, after: int, line: str) -> None:
    shown = shorten(of("a" * before + "BAD" + "b" * after, "BAD"), 32)
    assert shown.line == line
    assert shown.line[shown.offset : shown.offset + shown.length] == "BAD"


def test_an_offending_part_longer_than_the_line_shows_its_beginning() -> None:
    shown = shorten(of('{"value": "' + "x" * 10**6 + '"}', "x" * 10**6), 40)
    assert "x" * 20 in shown.line
    assert shown.line.endswith("x…")
    assert cells(shown.line) <= 40


def test_wide_characters_take_two_cells() -> None:
    assert drawn(of('"卫星图像 [SEG]"', "[SEG]"), 40) == ['"卫星图像 [SEG]"', "          ^^^^^"]
    assert drawn(of('"ab图像"', "图"), 40) == ['"ab图像"', "   ^^"]


def test_combining_characters_take_none() -> None:
    assert drawn(of("cafe\u0301 BAD", "BAD"), 40) == ["cafe\u0301 BAD", "     ^^^"]


def test_tabs_and_control_characters_become_visible() -> None:
    assert drawn(of("a\tb\x1b[31m BAD", "BAD"), 40) == ["a    b\\x1b[31m BAD", "               ^^^"]
    assert drawn(of("a\x00b", "\x00"), 40) == ["a\\x00b", " ^^^^"]


def test_only_the_line_that_the_part_starts_on_is_shown_without_its_indentation() -> None:
    text = '[\n  {\n\t"image": {\r\n    "a": 1}\n  }\n]'
    assert drawn(of(text, '{\r\n    "a": 1}'), 40) == ['"image": {', "         ^"]


def test_where_something_is_missing_one_caret_stands_behind_the_text() -> None:
    assert drawn(Excerpt('{"a": 1', 7, 7), 40) == ['{"a": 1', "       ^"]
    assert drawn(Excerpt("", 0, 0), 40) == ["", "^"]


def test_time_does_not_depend_on_the_length_of_the_record() -> None:
    excerpt = Excerpt("卫" * 5_000_000, 2_500_000, 2_500_001)
    begin = time.perf_counter()
    shorten(excerpt, 100)
    assert time.perf_counter() - begin < 0.2


texts = st.text(st.characters(codec=None), max_size=200) | st.text("ab\t\n 图\u0301\x1b", max_size=400)


@given(texts, st.integers(-5, 450), st.integers(-5, 450), st.integers(0, 120))
@example("a" * 400, 399, 400, 30)
def test_any_excerpt_fits_and_its_carets_lie_under_it(text: str, start: int, end: int, width: int) -> None:
    shown = shorten(Excerpt(text, start, end), width)
    assert cells(shown.line) <= max(width, MIN_WIDTH)
    assert shown.length >= 1
    assert 0 <= shown.offset <= cells(shown.line)
    assert shown.offset + shown.length <= max(cells(shown.line), shown.offset + 1)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown.line)


@given(st.text("abcdefgh", min_size=1, max_size=300), st.data())
def test_the_carets_lie_under_the_offending_characters(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    shown = shorten(Excerpt(text, start, end), 40)
    marked = shown.line[shown.offset : shown.offset + shown.length]
    assert text[start:end].startswith(marked)
    assert marked == text[start:end] or len(marked) == 20
    bare = shown.line.removeprefix("…").removesuffix("…")
    assert bare in text
    assert shown.line.startswith("…") == (not text.startswith(bare) or not shown.line.startswith(bare))


def test_visible_leaves_ordinary_text_of_every_script_alone() -> None:
    for text in ("plain", "卫星图像", "é à ü", "नमस्ते", "👩‍🚀", "[SEG] <image>"):
        assert visible(text) == text


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\nb\r", "a\\nb\\r"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\udce9", "\\udce9"),
        ("<image>\u200b", "<image>\\u200b"),
        ("\ufeff", "\\ufeff"),
    ],
)
def test_visible_shows_what_would_not_be_seen(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_visible_is_bounded() -> None:
    assert visible("x" * 10**7) == "x" * 2000 + "…"


@given(st.text("ab 图", max_size=200), st.integers(1, 40))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, width: int) -> None:
    lines = list(wrapped(text, width))
    assert " ".join(lines).split() == text.split()
    assert all(cells(line) <= width or " " not in line.strip() for line in lines)
