"""What a record's text means: as Python's `json` says, with byte offsets."""

from __future__ import annotations

import gc
import json
import math
import weakref
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmdata.io.jsontext import (
    JSONProblem,
    accepts,
    has_long_number,
    locate,
    locate_key,
    oddities,
    parse,
    problem,
    too_deep,
)

_text = st.text(max_size=8) | st.sampled_from(["a/b", "~", "", '"', "\\", "\ud800", "é", "1"])
_scalar = st.none() | st.booleans() | st.integers(-(1 << 80), 1 << 80) | st.floats() | _text
_any = st.recursive(
    _scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=15,
)
_layout = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}])


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types all the way down, NaN equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return (math.isnan(a) and math.isnan(b)) if isinstance(a, float) and math.isnan(a) else bool(a == b)


@settings(max_examples=400, deadline=None)
@given(value=_any, layout=_layout, ascii_only=st.booleans())
@example(
    value=[-0.0, 18446744073709551615, 18446744073709551616, -9223372036854775809], layout={}, ascii_only=True
)
def test_values_are_those_of_the_trainers_parser(value: Any, layout: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, **layout)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert same(parse(data), json.loads(text))
    assert problem(data) is None


_pieces = st.lists(
    st.sampled_from(
        [
            '{"a":',
            "}",
            "[",
            "]",
            ",",
            '"',
            "1",
            "-",
            "0",
            ".5",
            "e9",
            "1e999",
            "NaN",
            "Infinity",
            "true",
            "nul",
            "\\u",
            "d800",
            "\\n",
            "\n",
            "\t",
            " ",
            "x",
            "\0",
            "é",
            "'",
            "\x7f",
            "\u2028",
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=1500, deadline=None)
@given(text=_pieces)
def test_texts_are_refused_exactly_where_the_trainers_parser_refuses_them(text: str) -> None:
    data = text.encode()
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        found = problem(data)
        assert found is not None
        assert not accepts(data)
        offset = len(text[: error.pos].encode())
        if found.kind == "trailing-comma":
            assert data[found.offset : found.offset + 1] == b","
            assert found.offset <= offset
            assert found.offset in [splice.start for splice in found.splices]
        else:
            assert found.offset == offset
        with pytest.raises(JSONProblem):
            parse(data)
    else:
        assert problem(data) is None
        assert same(parse(data), value)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=40))
def test_any_bytes_are_json_or_a_located_problem(data: bytes) -> None:
    try:
        json.loads(data.decode())
        fine = True
    except ValueError:
        fine = False
    found = problem(data)
    assert (found is None) == fine
    assert found is None or 0 <= found.offset <= len(data)


def test_problems_say_what_was_expected_and_found() -> None:
    for data, kind, offset, words in [
        (b"\xef\xbb\xbf{}", "bom", 0, "byte order mark"),
        (b'{"a": "\xe9"}', "encoding", 7, "0xe9"),
        ("é".encode() + b" {}", "syntax", 0, "a value"),
        (b"{'a': 1}", "syntax", 1, "double quotes"),
        (b'{"a": None}', "syntax", 6, "null"),
        (b'{"a": 1} // x', "syntax", 9, "comments"),
        (b'{"a": "\x01"}', "syntax", 7, "control character"),
        (b'{"a": "C:\\x"}', "syntax", 9, "escape"),
        (b'{"a": [1, 2', "truncated", 11, "end"),
        (b'{"a": "x', "truncated", 6, "closing quote"),
        (b'{"a": 1,\n}', "trailing-comma", 7, "comma"),
        (b'{"a":\0}', "nul", 5, "NUL"),
        (b"[" * 950 + b"]" * 950, "depth", 0, "900"),
        (b"[" * 100_000, "depth", 0, "900"),
        (b"[" + b"7" * 5000 + b"]", "syntax", 1, "4300"),
    ]:
        found = problem(data)
        assert found is not None
        assert (found.kind, found.offset) == (kind, offset), data[:20]
        assert words in found.message
        assert "\n" not in str(found)


@settings(max_examples=200, deadline=None)
@given(
    depth=st.integers(0, 40), limit=st.integers(1, 40), noise=st.sampled_from(["", '"[[{"', "[],{},[1,[2]]"])
)
def test_depth_is_counted_outside_strings(depth: int, limit: int, noise: str) -> None:
    data = ("[" * depth + noise + "]" * depth).encode()
    extra = 2 if "[1" in noise else 0
    assert too_deep(data, limit) == (depth + extra > limit)


def test_long_numbers_are_guarded() -> None:
    assert has_long_number(b'{"a": 1234567890123456789}')
    assert not has_long_number(b'{"a": 123456789012345678, "b": 9}')


def pointers(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found = [(prefix, value)]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += pointers(inner, prefix + "/" + key.replace("~", "~0").replace("/", "~1"))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            found += pointers(inner, f"{prefix}/{i}")
    return found


@settings(max_examples=300, deadline=None)
@given(value=_any, layout=_layout, pad=st.sampled_from(["", " \n"]))
def test_every_pointer_leads_to_the_span_of_its_value(value: Any, layout: Any, pad: str) -> None:
    data = (pad + json.dumps(value, **layout) + pad).encode()
    for pointer, inner in pointers(value):
        span = locate(data, pointer)
        assert span is not None
        text = data[span[0] : span[1]]
        assert text == text.strip()
        assert same(json.loads(text), inner)
        key = locate_key(data, pointer)
        if key is not None:
            name = json.loads(data[key[0] : key[1]])
            assert pointer.rsplit("/", 1)[1] == name.replace("~", "~0").replace("/", "~1")
    for missing in ("/nothing here", "/99", "/-", "/01"):
        if isinstance(value, list) or (isinstance(value, dict) and missing[1:] not in value):
            assert locate(data, missing) is None


def test_of_a_repeated_key_the_last_one_counts() -> None:
    data = b'{"a": {"x": 1}, "b": 0, "\\u0061": {"y": [1, NaN, 3]}}'
    assert locate(data, "/a/x") is None
    assert data[slice(*locate(data, "/a/y/1"))] == b"NaN"  # type: ignore[misc]
    assert data[slice(*locate_key(data, "/a"))] == b'"\\u0061"'  # type: ignore[misc]
    assert locate_key(data, "/a/y/1") is None
    assert locate_key(data, "") is None


def test_a_pointer_into_a_megabyte_is_found_at_once() -> None:
    data = json.dumps({"polygons": [[[[i, i + 1] for i in range(60_000)]]], "id": 7}).encode()
    assert data[slice(*locate(data, "/id"))] == b"7"  # type: ignore[misc]
    assert data[slice(*locate(data, "/polygons/0/0/59999/1"))] == b"60000"  # type: ignore[misc]


def test_oddities_are_what_the_trainers_parser_accepts_all_the_same() -> None:
    text = '{"a": 1, "b~/": [NaN, -Infinity, 1e999, 12345678901234567890123, "\\ud83d\\ude00", "\\udc00x"], "a": {"c": 1, "c": 18446744073709551615, "\\ud800": -9223372036854775809}}'
    data = text.encode()
    assert [(o.kind, o.pointer, data[o.start : o.end].decode()) for o in oddities(data)] == [
        ("non-finite", "/b~0~1/0", "NaN"),
        ("non-finite", "/b~0~1/1", "-Infinity"),
        ("non-finite", "/b~0~1/2", "1e999"),
        ("big-int", "/b~0~1/3", "12345678901234567890123"),
        ("lone-surrogate", "/b~0~1/5", '"\\udc00x"'),
        ("duplicate-key", "/a", '"a"'),
        ("duplicate-key", "/a/c", '"c"'),
        ("lone-surrogate", "/a/\ud800", '"\\ud800"'),
        ("big-int", "/a/\ud800", "-9223372036854775809"),
    ]
    assert len(oddities(b"[" + b"NaN," * 5000 + b"1]")) == 1000


@settings(max_examples=300, deadline=None)
@given(value=_any, layout=_layout)
def test_ordinary_values_have_no_oddity_and_odd_ones_have_one(value: Any, layout: Any) -> None:
    data = json.dumps(value, **layout).encode()

    def odd(inner: Any) -> bool:
        if isinstance(inner, dict):
            return any(odd(k) or odd(v) for k, v in inner.items())
        if isinstance(inner, list):
            return any(map(odd, inner))
        if isinstance(inner, str):
            return any("\ud800" <= c <= "\udfff" for c in inner)
        if isinstance(inner, float):
            return not math.isfinite(inner)
        return isinstance(inner, int) and not -(1 << 63) <= inner < 1 << 64

    assert bool(oddities(data)) == odd(json.loads(data))


def test_a_repeated_key_and_a_huge_number_are_found_among_many_numbers_and_deep_down() -> None:
    numbers = b"[" + b"1.25,-3e2," * 2000 + b"0]"
    inner = b'{"a":1,"b":' + numbers + b',"a":2}'
    deep = b'{"k":' * 400 + inner + b"}" * 400
    assert [(o.kind, o.pointer) for o in oddities(deep)] == [("duplicate-key", "/k" * 400 + "/a")]
    assert [o.kind for o in oddities(deep.replace(b',"a":2', b',"c":18446744073709551616'))] == ["big-int"]
    assert [o.kind for o in oddities(deep.replace(b',"a":2', b',"c":1E400'))] == ["non-finite"]
    assert oddities(deep.replace(b',"a":2', b',"c":[],"d":"x"')) == []


@pytest.mark.parametrize("text", [b'{"a":', b"\xff", b"[1,]", b"[" * 100_000])
def test_a_problem_holds_nothing_of_its_caller(text: bytes) -> None:
    """What the caller has read is free when it returns, without a search for cycles."""

    class Held:
        pass

    def caller() -> weakref.ref[Held]:
        held = Held()
        found = problem(text)
        assert found is not None
        return weakref.ref(held)

    gc.disable()
    try:
        assert caller()() is None
    finally:
        gc.enable()
