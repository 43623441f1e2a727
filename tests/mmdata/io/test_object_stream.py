"""One JSON object of any size, a member at a time: the same as Python's json, refused where it refuses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.errors import DataError
from mmdata.io import object_stream
from mmdata.io.object_stream import ObjectStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(path, block=None):
    with ObjectStream(str(path)) as stream:
        if block:
            stream._window.block = block
        return {
            key: [json.loads(e) for e in stream.elements()]
            if stream.opens_list()
            else json.loads(stream.value())
            for key in stream.members()
        }


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.text(), VALUES, max_size=5),
    st.sampled_from([None, 1]),
    st.integers(1, 7),
    st.booleans(),
)
def test_the_same_as_json(tmp_path_factory, value, indent, block, ascii):
    path = tmp_path_factory.mktemp("o") / "o.json"
    path.write_bytes(json.dumps(value, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass"))
    try:
        json.loads(path.read_bytes().decode())
    except UnicodeDecodeError:
        return  # a lone surrogate as bytes is no UTF-8
    assert repr(read(path, block)) == repr(value)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "expected an object, got nothing"),
        ("[1]", "expected an object, got a list"),
        ("{", "expected a key"),
        ('{"a"', "expected a colon"),
        ('{"a": }', "no value"),
        ('{"a": [1', "ends"),
        ('{"a": {"b": 1}', "the file ends too early"),
        ('{"a": 1 "b": 2}', "expected a comma"),
        ('{"a": 1,}', "a comma before the closing bracket"),
        ('{"a": 1} x', "more follows"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ("\ufeff{}", "byte order mark"),
        ('{"a\n": 1}', "a key that is no string"),
    ],
)
def test_what_python_refuses_is_refused(tmp_path, text, told):
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(DataError, match=told):
        read(tmp_path / "o.json", 3)


def test_a_value_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(object_stream, "BLOCK_BYTES", 1 << 10)
    (tmp_path / "o.json").write_text('{"a": ["' + "x" * (1 << 22))
    with ObjectStream(str(tmp_path / "o.json"), max_bytes=1 << 20) as stream:
        next(stream.members())
        with pytest.raises(DataError, match="a value of more than 1 MiB"):
            stream.value()
