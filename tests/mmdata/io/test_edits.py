"""Edits change what they name, as on the parsed record, and no other byte."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.errors import DataError
from mmdata.finding import Edit
from mmdata.io.edits import apply

_key = st.sampled_from(["a", "b", "c/d", "é", "from", '"', ""])
_value = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=4),
    lambda i: st.lists(i, max_size=3) | st.dictionaries(_key, i, max_size=4),
    max_leaves=10,
)
_layout = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" ,\n", " : ")}])


def model(value: Any, edit: Edit) -> Any:
    """The edit on the parsed record; KeyError, IndexError or TypeError where it cannot be carried out."""
    path = [t.replace("~1", "/").replace("~0", "~") for t in edit.pointer.split("/")[1:]]
    if not path:
        if edit.op in ("set", "add"):
            return edit.value
        raise KeyError
    value = copy.deepcopy(value)
    holder = value
    for token in path[:-1]:
        holder = holder[_index(token, holder)] if isinstance(holder, list) else holder[token]
    last: Any = path[-1]
    if isinstance(holder, list):
        if edit.op == "rename":
            raise TypeError
        if edit.op == "add":
            holder.insert(len(holder) if last == "-" else _index(last, [*holder, None]), edit.value)
            return value
        last = _index(last, holder)
    elif not isinstance(holder, dict):
        raise TypeError
    if edit.op == "add":
        holder[last] = edit.value
        return value
    holder[last]
    if edit.op == "set":
        holder[last] = edit.value
    elif edit.op == "remove":
        del holder[last]
    else:
        holder[edit.value] = holder.pop(last)
    return value


def _index(token: str, values: list[Any]) -> int:
    if not token.isascii() or not token.isdigit() or (token[0] == "0" and token != "0"):
        raise IndexError
    if int(token) >= len(values):
        raise IndexError
    return int(token)


def _pointers(value: Any, prefix: str = "") -> list[str]:
    found = [prefix]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _pointers(inner, f"{prefix}/{str(key).replace('~', '~0').replace('/', '~1')}")
    if isinstance(value, list):
        found.append(prefix + "/-")
    if isinstance(value, dict):
        found.append(prefix + "/new")
    return found


@settings(max_examples=600, deadline=None)
@given(data=st.data(), value=_value, layout=_layout, ascii_only=st.booleans())
def test_editing_the_text_is_editing_the_record(data: Any, value: Any, layout: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, **layout).encode()
    edits = []
    expected: Any = value
    for _ in range(data.draw(st.integers(1, 3))):
        op = data.draw(st.sampled_from(["set", "add", "remove", "rename"]))
        pointer = data.draw(st.sampled_from([*_pointers(expected), "/nowhere/x"]))
        edit = Edit(op, pointer, data.draw(_key) if op == "rename" else data.draw(_value))
        try:
            expected = model(expected, edit)
        except (KeyError, IndexError, TypeError):
            with pytest.raises(DataError):
                apply(text, [*edits, edit])
            return
        edits.append(edit)
    result = apply(text, edits)
    assert json.loads(result) == expected
    if ascii_only:
        assert result.isascii()


def test_every_other_byte_is_kept() -> None:
    text = '{ "id":1 ,\n\t"conversation" : [ {"from":"user", "value":"caf\\u00e9 é"} ] , "x":1.50}'.encode()
    result = apply(
        text,
        [
            Edit("rename", "/conversation", "conversations"),
            Edit("set", "/conversations/0/from", "human"),
            Edit("remove", "/x"),
            Edit("add", "/image", "ü.png"),
        ],
    )
    assert (
        result.decode()
        == '{ "id":1 ,\n\t"conversations" : [ {"from":"human", "value":"caf\\u00e9 é"} ] ,\n\t"image" : "ü.png"}'
    )


def test_what_is_added_looks_like_its_neighbours() -> None:
    for text, edit, result in [
        (b'{"a":1,"b":2}', Edit("add", "/c", [1, {"x": 2}]), b'{"a":1,"b":2,"c":[1,{"x":2}]}'),
        (b'{"a": 1}', Edit("add", "/c", [1, 2]), b'{"a": 1, "c": [1, 2]}'),
        (b'{\n  "a": 1\n}', Edit("add", "/c", 2), b'{\n  "a": 1,\n  "c": 2\n}'),
        (b'{\n  "a": 1\n}', Edit("remove", "/a"), b"{\n  \n}"),
        (b'{"a": [ ]}', Edit("add", "/a/-", 1), b'{"a": [1]}'),
        (b'{"a": [1, 2]}', Edit("add", "/a/0", 0), b'{"a": [0, 1, 2]}'),
        (b'{"a": [1, 2]}', Edit("remove", "/a/1"), b'{"a": [1]}'),
        (b"{}", Edit("add", "/a", "\u00e9"), b'{"a": "\\u00e9"}'),
    ]:
        assert apply(text, [edit]) == result


def test_repeated_keys_leave_nothing_behind() -> None:
    text = b'{"a": 1, "b": 2, "a": 3}'
    assert apply(text, [Edit("set", "/a", 9)]) == b'{"a": 1, "b": 2, "a": 9}'
    assert apply(text, [Edit("remove", "/a")]) == b'{"b": 2}'
    assert apply(text, [Edit("rename", "/a", "c")]) == b'{"b": 2, "c": 3}'
    assert apply(text, [Edit("rename", "/a", "b")]) == b'{"b": 3}'


def test_impossible_edits_say_so() -> None:
    for edit in [
        Edit("set", "/x", 1),
        Edit("remove", ""),
        Edit("rename", "/a", 3),
        Edit("rename", "", "x"),
        Edit("set", "a", 1),
        Edit("add", "/a/b", 1),
    ]:
        with pytest.raises(DataError):
            apply(b'{"a": 1}', [edit])
