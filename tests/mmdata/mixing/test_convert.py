"""data.txt to meta and back: the same numbers of samples by each trainer's own arithmetic, and every difference named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.errors import UsageError
from mmdata.mixing import data_txt, internvl
from mmdata.mixing.convert import convert_mixture
from mmdata.mixing.files import read_mixture_text, write_mixture

COUNTS = st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 9000)), min_size=1, max_size=4)


@given(COUNTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_there_and_back_keeps_the_numbers_of_samples(tmp_path: Path, counts: list[tuple[int, int]]) -> None:
    known = {f"{i}.json": size for i, (_, size) in enumerate(counts)}
    lines = [f"{i}.json {data_txt.number_for(n)}" for i, (n, _) in enumerate(counts)]
    path = tmp_path / "data.txt"
    path.write_text("\n".join(lines))
    there = convert_mixture(read_mixture_text(str(path)), records=known)
    meta = json.loads(there.data)
    for i, (n, size) in enumerate(counts):
        entries = [e for e in meta.values() if e["annotation"] == f"{i}.jsonl"]
        assert sum(internvl.length(size, e["repeat_time"]) for e in entries) == n
        assert len(entries) <= 2
    assert all(before == after for _, before, after in there.samples)
    path.with_name("meta.json").write_bytes(there.data)
    known = {f"{i}.jsonl": size for i, (_, size) in enumerate(counts)}
    back = convert_mixture(read_mixture_text(str(tmp_path / "meta.json")), records=known)
    assert back.data.decode().split("\n")[:-1] == lines


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return tmp_path / "mixture"


def differences(path: Path, **options: object) -> set[tuple[str, str]]:
    conversion = convert_mixture(read_mixture_text(str(path)), **options)  # type: ignore[arg-type]
    return {(d.kind, d.entry) for d in conversion.differences}


def test_what_a_meta_file_cannot_say_is_named(text: Path) -> None:
    text.write_text("a.json 0.25\nb.json 0.005\nc.json 0.01\na.json 0.01\n")
    found = differences(text, records={"a.json": 10, "b.json": 10, "c.json": 4})
    assert {("order", ""), ("invented", ""), ("repeated", "")} <= found
    assert ("subset", "b.json") in found
    assert {("split", "c.json"), ("repeats", "c.json"), ("subset", "c.json")} <= found
    assert {("container", "a.json"), ("container", "b.json"), ("container", "c.json")} <= found
    assert ("subset", "a.json") not in found


def test_what_a_data_txt_cannot_say_is_named(text: Path) -> None:
    entry = {
        "root": "pictures",
        "annotation": "a.jsonl",
        "data_augment": True,
        "repeat_time": 0.5,
        "max_dynamic_patch": 6,
    }
    text.write_text(json.dumps({"x": entry, "y": {**entry, "root": "", "repeat_time": 2}}))
    conversion = convert_mixture(read_mixture_text(str(text)), records={"a.jsonl": 10})
    assert conversion.data == b"a.json 0.025\n"
    said = {(d.kind, d.entry) for d in conversion.differences}
    assert {
        ("lost", "x"),
        ("subset", "x"),
        ("repeats", "y"),
        ("merged", "y"),
        ("name", "x"),
        ("order", ""),
    } <= said
    lost = [d.message for d in conversion.differences if d.kind == "lost" and d.entry == "x"]
    assert len(lost) == 3
    assert any("max_dynamic_patch" in m for m in lost)


def test_a_path_with_a_space_cannot_be_named(text: Path) -> None:
    entry = {"root": "", "annotation": "my a.jsonl", "data_augment": False, "repeat_time": 1}
    text.write_text(json.dumps({"x": entry}))
    with pytest.raises(UsageError, match="white space"):
        convert_mixture(read_mixture_text(str(text)), records={"my a.jsonl": 10})


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_mixture(str(target), b"one")
    with pytest.raises(UsageError, match="--force"):
        write_mixture(str(target), b"two")
    assert target.read_bytes() == b"one"
    write_mixture(str(target), b"two", force=True)
    assert target.read_bytes() == b"two"
