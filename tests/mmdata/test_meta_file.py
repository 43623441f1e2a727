"""`mmdata meta`: entries counted and checked, one put in, the others' bytes untouched."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.errors import DataError, UsageError
from mmdata.meta_file import add, check, count_lines, sampled_lines
from mmdata.mixing.files import read_mixture_text

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name.isprintable())


@pytest.fixture
def data(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text('{"conversations": []}\n' * 3)
    (tmp_path / "images").mkdir()
    return tmp_path


def put(data, name, annotation="a.jsonl", root="images", **options):
    return add(str(data / "meta.json"), name, annotation, root, base=str(data), **options)


def test_begins_a_file_and_counts(data):
    entry = put(data, "first")
    assert entry["length"] == 3
    assert json.loads((data / "meta.json").read_text()) == {"first": entry}
    assert read_mixture_text(str(data / "meta.json")).problems() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    names=st.lists(NAMES, max_size=4, unique=True),
    new=NAMES,
    indent=st.sampled_from([None, 2, "\t"]),
    end=st.sampled_from(["", "\n", "\n\n  "]),
)
def test_the_others_stay_byte_for_byte(data, names, new, indent, end):
    old = {
        name: {
            "root": "r",
            "annotation": f"{i}.jsonl",
            "data_augment": False,
            "repeat_time": 1.0,
            "more": [1e9],
        }
        for i, name in enumerate(names)
    }
    text = json.dumps(old, indent=indent, ensure_ascii=False) + end
    (data / "meta.json").write_bytes(text.encode())
    if new in old:
        with pytest.raises(UsageError, match="is there already"):
            put(data, new)
        assert (data / "meta.json").read_bytes() == text.encode()
        return
    entry = put(data, new)
    found = (data / "meta.json").read_text("utf-8")
    assert found.startswith(text.rstrip().removesuffix("}").rstrip())
    assert json.loads(found) == {**old, new: entry}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"annotation": "a.json"}, "asserts that annotations end in .jsonl"),
        ({"root": "nowhere"}, "no such directory"),
        ({"repeat_time": 1.5}, "share below one or a whole number"),
        ({"repeat_time": 0}, "share below one or a whole number"),
        ({"annotation": "none.jsonl"}, "no such file"),
    ],
)
def test_entries_that_crash_upstream_are_refused(data, options, message):
    with pytest.raises((UsageError, DataError), match=message):
        put(data, "new", **options)
    assert not (data / "meta.json").exists()


def test_the_same_annotation_under_another_name_is_refused(data):
    put(data, "first")
    with pytest.raises(UsageError, match="'first' has that annotation already"):
        put(data, "second", annotation="./a.jsonl")


def test_a_file_that_lost_an_entry_is_not_extended(data):
    (data / "meta.json").write_text('{"x": {"annotation": "b.jsonl"}, "x": {"annotation": "b.jsonl"}}')
    with pytest.raises(UsageError, match="'x' stands twice"):
        put(data, "new")


def test_blank_lines_are_refused(data):
    (data / "a.jsonl").write_text("{}\n\n{}\n")
    with pytest.raises(DataError, match="line 2 is blank"):
        put(data, "new")


def test_check_tells_what_is_wrong(data):
    entries = {
        "short": {
            "root": "images",
            "annotation": "a.jsonl",
            "data_augment": False,
            "repeat_time": 1,
            "length": 9,
        },
        "gone": {"root": "images", "annotation": "c.jsonl", "data_augment": False, "repeat_time": 1},
        "half": {"root": "images", "annotation": "b.jsonl", "data_augment": False, "repeat_time": 2.0},
    }
    (data / "meta.json").write_text(json.dumps(entries))
    (data / "b.jsonl").write_text('{"image": "x.png", "conversations": []}\n')
    short, gone, half = check(str(data / "meta.json"), base=str(data))
    assert short.problems == [f"length is 9, {data / 'a.jsonl'} has 3 lines"]
    assert "no such file" in gone.problems[0]
    assert "no integer: upstream crashes" in half.problems[0]
    assert "1 of 1 sampled media are missing" in half.problems[1]


@given(
    lines=st.lists(
        st.binary(max_size=12).map(lambda b: b.replace(b"\n", b".").replace(b"\r", b".")), max_size=30
    ),
    samples=st.integers(0, 40),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_samples_are_lines_of_the_file(tmp_path, lines, samples):
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    assert count_lines(str(path))[0] == len(lines)
    found = list(sampled_lines(str(path), samples))
    starts = {}
    at = 0
    for line in lines:
        starts[at] = line + b"\n"
        at += len(line) + 1
    assert len({start for start, _ in found}) == len(found) <= samples
    assert all(starts[start] == line for start, line in found)
    if samples and lines and lines[0].strip():
        assert found[0][0] == 0
