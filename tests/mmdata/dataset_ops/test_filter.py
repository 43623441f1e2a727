"""The filter language: right on every field, closed against everything else; the ledger balances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdata.dataset_ops.expression import Expression, Undecided
from mmdata.dataset_ops.filtering import filter_records
from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.record_fields import FIELDS, RecordFields
from mmdata.dataset_ops.stream import rejects
from mmdata.errors import UsageError
from mmdata.format import get_format
from mmdata.io.record import RawRecord
from mmdata.options import Options

from .conftest import lines, raw_records, record


class Values:
    def __init__(self) -> None:
        self.value: Any = {"id": 7, "a": {"b": [1, {"c": "x"}]}, "none": None}

    def get(self, name: str) -> object:
        return {"turns": 4, "text": "Hello", "width": None, "codes": ["C09"]}.get(name)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("turns == 4", True),
        ("2 < turns <= 4", True),
        ("2 < turns < 4", False),
        ("not turns == 4 or 'ell' in text", True),
        ("turns * 2 + 1 == 9 and turns % 3 == 1 and turns // 3 == 1 and turns / 8 == 0.5", True),
        ("-turns == -4", True),
        ("'C09' in codes and 'G05' not in codes", True),
        ("turns in [1, 4]", True),
        ("turns not in (1, 4)", False),
        ("width == None", True),
        ("width is not None and width > 3", False),
        ('field("/a/b/1/c") == "x"', True),
        ('has("a") and not has("/a/b/2") and has("none")', True),
        ('len(field("/a/b")) == 2 and len(text) == 5', True),
        ('lower(text) == "hello" and startswith(text, "He") and endswith(text, "lo")', True),
        ("max(turns, 9) == 9 and min(turns, 9, 2) == 2", True),
    ],
)
def test_values(text: str, expected: bool) -> None:
    assert Expression(text, FIELDS)(Values()) is expected


@pytest.mark.parametrize(
    "text", ["width > 3", "width + 1 == 2", "text > 3", "turns / 0 > 1", "len(width) == 1", "text * 9 == 1"]
)
def test_no_value_is_said_and_never_guessed(text: str) -> None:
    with pytest.raises(Undecided):
        Expression(text, FIELDS)(Values())


@pytest.mark.parametrize(
    "text, part",
    [
        ("turn > 3", "did you mean 'turns'"),
        ("turns >", "invalid syntax"),
        ("", "invalid syntax"),
        ("__import__('os').system('true')", "no function"),
        ("text.upper()", "no function"),
        ("text.upper", "no attributes"),
        ("[x for x in paths]", "ListComp"),
        ("(lambda: 1)()", "no function"),
        ("turns ** 99999999", "Pow"),
        ("open('x')", "no function"),
        ("text[0]", "Subscript"),
        ("(turns := 3)", "NamedExpr"),
        ("f'{turns}'", "JoinedStr"),
        ("b'x' in text", "bytes"),
        ("1j == 2", "complex"),
        ("len", "is a function"),
        ("len(text, text)", "takes 1"),
        ("field(text)", "in quotes"),
        ("has(*paths)", "plain arguments"),
        ("-" * 3000 + "1", "nested too deeply"),
        ("1" * 5000, "longer than"),
        ("turns == 1; turns", "invalid syntax"),
    ],
)
def test_everything_else_is_refused_with_its_place(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        Expression(text, FIELDS)


def test_filter_keeps_bytes_and_names_what_it_drops(data: Path) -> None:
    out, rest = data.with_name("out" + data.suffix), data.with_name("rest.jsonl")
    ledger = Ledger("filter")
    with rejects(str(rest), ledger, inputs=[str(data)], force=False):
        filter_records(
            str(data),
            str(out),
            'text_length > 16 and field("source") == "x"',
            format="internvl",
            ledger=ledger,
        )
    before = data.read_bytes()
    kept = raw_records(out)
    assert all(r in before for r in kept)
    assert [json.loads(r)["id"] for r in kept] == [i for i in range(100) if i % 3 == 0 and 14 + i % 5 > 16]
    dropped = [json.loads(line) for line in rest.read_text().splitlines()]
    assert len(kept) + len(dropped) == 101
    assert [d["record"] for d in dropped if d["reason"] == "broken"] == [60]
    assert all(d["text"].encode() in before for d in dropped)
    assert ledger.to_dict()["balanced"]
    assert ledger.exit_code == 1


def test_every_field_has_a_value_on_real_records(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "0.png")
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        lines([record(0), record(1, conversations=[]), {"x": 1}, record(5, image=["0.png", "0.png"])])
    )
    seen = {}
    for name in FIELDS:
        out = tmp_path / "out.jsonl"
        options = Options(media="none", media_root=str(tmp_path))
        filter_records(
            str(path), str(out), f"{name} == {name}", format="internvl", options=options, force=True
        )
        seen[name] = len(raw_records(out))
    assert set(seen.values()) == {4}
    for expression, count in [
        ("width == 40 and height == 30", 2),
        ("images == 2", 1),
        ("turns == 2 and user_turns == 1 and assistant_turns == 1", 2),
        ("media == 'text'", 1),
        ("tokens > 100", 3),
        ("'I06' in codes", 1),
        ("len(codes) > 0", 3),
        ("id == 5 or index == 0", 2),
    ]:
        filter_records(str(path), str(out), expression, format="internvl", options=options, force=True)
        assert len(raw_records(out)) == count, expression


def test_masks_of_every_format(tmp_path: Path) -> None:
    rle = {"size": [2, 2], "counts": "04"}
    texts = [
        {"from": "human", "value": "Where?"},
        {"from": "bot", "value": "<p> a </p> [SEG] <p> b </p> [SEG]"},
    ]
    cases = [
        {"image": "a", "polygons": "a.json", "conversations": texts},
        {"image": "a", "segmentation": [rle, rle], "conversations": texts},
        {
            "image": "a",
            "annotation": [{"0": {"segmentation": rle}}, {"0": {"segmentation": rle}}],
            "conversations": texts,
        },
        {"image": "a", "masks": [rle, rle], "conversations": texts},
        {"video": ["a"], "masks": [{"0": rle, "3": rle}], "conversations": texts},
    ]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(lines(cases))
    filter_records(str(path), str(out), "masks == 2", format="geopixel")
    assert len(raw_records(out)) == len(cases)


def test_undecided_records_are_named_and_dropped_or_kept(data: Path) -> None:
    out = data.with_name("out.jsonl")
    ledger = filter_records(str(data), str(out), "width > 3", format="internvl")
    assert (ledger.written.total(), ledger.dropped["undecided"], len(ledger.notes)) == (0, 100, 100)
    assert "width" in ledger.notes[0]
    ledger = filter_records(str(data), str(out), "width > 3", format="internvl", undecided="keep", force=True)
    assert (ledger.written.total(), len(ledger.notes), ledger.exit_code) == (100, 100, 1)


odd = st.one_of(
    st.none(),
    st.integers(-3, 1 << 65),
    st.sampled_from(["", "a.png", "Hi"]),
    st.lists(st.just("b.png"), max_size=2),
)
turns = st.lists(
    st.one_of(
        st.fixed_dictionaries({"from": st.just("human"), "value": st.text(max_size=4)}, optional={"role": odd}),
        st.fixed_dictionaries({"role": odd, "content": st.one_of(st.text(max_size=4), odd)}, optional={"value": odd}),
        odd,
    ),
    max_size=3,
)  # fmt: skip
anything = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("conversations", "messages"), st.one_of(turns, turns, odd)),
            **dict.fromkeys(("id", "image", "images", "videos"), odd),
        },
    ),
    odd,
)


@pytest.mark.parametrize("format", ["internvl", "ms-swift", "llamafactory", "openai-messages"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(anything, min_size=1, max_size=5),
    text=st.sampled_from(
        ["turns >= 1 and text_length > 2", "'i' in text or turns == 0", "images > 0", "media == 'image'",
         "len(paths) > 1", "id > 1", 'has("image") and field("id") != 3', 'field("/image/0") == "b.png" or turns > 1']
    ),
)  # fmt: skip
def test_decoding_no_more_than_is_asked_gives_the_same_answers(
    tmp_path: Path, format: str, values: list[Any], text: str
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    values = [
        {"a": 1},
        {"conversations": [], "messages": []},
        *values,
    ]  # an object a line, by which the container is told
    source.write_text("".join(json.dumps(value) + "\n" for value in values))
    ledger = filter_records(str(source), str(out), text, format=format, force=True)
    test, wanted, undecided = Expression(text, FIELDS), [], 0
    for index, value in enumerate(values):
        raw = RawRecord(index, 0, json.dumps(value).encode(), None)
        try:
            if test(RecordFields(raw, value, get_format(format), Options(media="none"), None)):
                wanted.append(value)
        except Undecided:
            undecided += 1
    assert [json.loads(line) for line in out.read_text().splitlines()] == wanted
    assert (ledger.read.total(), ledger.dropped["undecided"]) == (len(values), undecided)
