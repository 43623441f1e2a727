"""The outline of a large object: every value lies where it says, whatever the text looks like and wherever pieces end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.containers import _outline
from mmdata.containers._outline import Ending, Entry, outline

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.sampled_from('ab"\\{}[],: é\n')),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('xy"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["images", "annotations", "info", 'odd "key\\', ""]), VALUES | st.lists(VALUES)
)


def read(data: bytes) -> tuple[dict[str, Any], dict[str, list[Any]], Ending]:
    entries: dict[str, Any] = {}
    elements: dict[str, list[Any]] = {}
    ending = None
    for item in outline(data, ("images", "annotations")):
        if isinstance(item, Ending):
            ending = item
        elif isinstance(item, Entry):
            entries[item.key] = json.loads(data[item.value.start : item.value.end])
        else:
            elements.setdefault(item[0], []).append(json.loads(data[item[1].start : item[1].end]))
    assert ending is not None
    return entries, elements, ending


@settings(max_examples=150, deadline=None)
@given(OBJECTS, st.sampled_from([None, 1, "\t"]), st.booleans(), st.integers(1, 40))
def test_finds_what_json_finds(value: dict[str, Any], indent: Any, ascii: bool, piece: int) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_outline, "PIECE", piece)
        entries, elements, ending = read(data)
    assert entries == value
    lists = {k: v for k, v in value.items() if k in ("images", "annotations") and isinstance(v, list) and v}
    assert elements == lists
    assert ending.whole
    assert not ending.rest


@settings(max_examples=60, deadline=None)
@given(OBJECTS, st.floats(0, 1))
def test_a_cut_file_ends_in_the_middle(value: dict[str, Any], share: float) -> None:
    data = json.dumps(value).encode()
    cut = data[: 1 + int(share * (len(data) - 2))] if len(data) > 2 else b"{"
    *_, ending = outline(cut, ("images",))
    assert isinstance(ending, Ending)
    assert not ending.whole


def test_what_follows_the_object_is_named() -> None:
    *_, ending = outline(b'{"a": 1} {"b": 2}', ())
    assert isinstance(ending, Ending)
    assert ending.whole
    assert ending.rest
    assert ending.at == 8
