"""What a pattern matches, the ordinary fast path accepts: same facts, same ids, no damage overlooked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import selected
from mmdata.checks.sidecars import SidecarFacts
from mmdata.format import get_format
from mmdata.ids import id_text
from mmdata.options import Options
from mmdata.validating.fastpath import DECODE_ERRORS, FastPath
from mmdata.validating.fastpattern import PatternPath, look_at
from mmdata.validating.filecheck import _quotes

FORMATS = ("geopixel", "xcomposer", "videorefer", "videorefer-vl3", "internvl", "llava")

TEXTS = ["Hi", "What?", "<image>\nWhat?", "<ImageHere>a", "<p> a </p> [SEG]", "a <b", "x[1]", 'say "so"', "tab\there", "é", "中文", "\\", "\ud83d\ude00", "ends\\"]  # fmt: skip
text = st.sampled_from(TEXTS)
answers = st.sampled_from(
    [*TEXTS, "<p> a </p> [SEG] and <p> b </p> [SEG]", "[SEG] <p> a </p>", "</p> [SEG] <p>"]
)
ids = st.one_of(st.integers(-5, 10**17), st.sampled_from(["a", "é", 'q"']))
records = st.fixed_dictionaries(
    {"conversations": st.lists(st.tuples(text, answers), min_size=1, max_size=3)},
    optional={
        "id": ids,
        "image": st.sampled_from(["a.png", ["a.png"], ["a.png", "b.png"], "", "é.png"]),
        "source": st.sampled_from(["x", 'y "z"', 3]),
        "width": st.integers(1, 99),
    },
).map(
    lambda r: {
        **r,
        "conversations": [
            t
            for q, a in r["conversations"]
            for t in ({"from": "human", "value": q}, {"from": "gpt", "value": a})
        ],
    }
)


def messages(keys: tuple[str, str, str], said: list[tuple[Any, str]], system: str | None) -> dict[str, Any]:
    """The turns of a record of messages."""
    turns, role, text = keys
    ask, answer = ("human", "gpt") if role == "from" else ("user", "assistant")
    spoken = [t for q, a in said for t in ((ask, q), (answer, a))]
    spoken = spoken if system is None else [("system", system), *spoken]
    return {turns: [{role: who, text: what} for who, what in spoken]}


def records_of(keys: tuple[str, str, str], content: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records of messages with columns, most of whose tags fit."""
    tag = st.sampled_from(["<image>", "<image>\n", "", "<image><image>", "<video>", "<bbox>", "<audio>"])
    asked = st.tuples(st.one_of(st.builds(lambda t, q: f"{t}{q}", tag, text), content), answers)
    later = st.lists(st.tuples(st.one_of(text, content), answers), max_size=2)
    said = st.builds(lambda first, rest: [first, *rest], asked, later)
    system = st.one_of(st.none(), st.none(), text)
    columns = st.fixed_dictionaries(
        {},
        optional={
            "id": ids,
            "images": st.sampled_from(["a.png", ["a.png"], ["a.png", "b.png"], [], None, ["<b>.png"], [{"path": "a.png"}]]),
            "videos": st.sampled_from([["a.mp4"], None]),
            "source": st.sampled_from(["x", 3]),
        },
    )  # fmt: skip
    return st.builds(lambda columns, *turns: {**columns, **messages(keys, *turns)}, columns, said, system)


file = st.sampled_from(["a.png", "é.png", "", "data:image/png;base64,AA", "file:///a.png", "<a>.png"])
shown = st.one_of(
    st.builds(lambda path: {"type": "image_url", "image_url": {"url": path}}, file),
    st.builds(lambda path: {"image": path, "type": "image"}, file),
    st.builds(lambda path: {"type": "video", "video": path}, file),
)
spoken = st.builds(lambda words: {"type": "text", "text": words}, text)
parts = st.one_of(
    st.tuples(shown, spoken).map(list), st.tuples(spoken, shown).map(list), st.tuples(spoken).map(list), st.tuples(shown, shown, spoken).map(list)
)  # fmt: skip
sharegpt, chat = ("conversations", "from", "value"), ("messages", "role", "content")
MADE = {
    **{(name, "conversations"): records for name in FORMATS},
    **{
        (name, keys[0]): records_of(keys, text)
        for name in ("llamafactory", "ms-swift")
        for keys in (sharegpt, chat)
    },
    ("openai-messages", "messages"): records_of(chat, text),
    ("openai-messages", "parts"): records_of(chat, parts),
}
layouts = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])

damages = st.sampled_from(
    [b"", b'"', b"\\", b"<", b"[", b"]", b"{", b"}", b",", b"\n", b"\x00", b"\xff", b"\\u003c", b"\\ud800", b"0", b"-", b" ", b'\\"', b'": "', b'"id": 1, ', b"\\x"]
)  # fmt: skip


def accepted_by_parsing(fast: FastPath, data: bytes) -> Any:
    """The decoded record if the ordinary fast path accepts it, else None."""
    while True:
        try:
            record = fast.decode(data)
        except DECODE_ERRORS as error:
            if fast.learn(error, data):
                continue
            return None
        verdict = fast.accept(record)
        return record if verdict is not None and _quotes(data) == 2 * verdict[0] else None


@pytest.mark.parametrize("made", MADE, ids="-".join)
@settings(max_examples=100, deadline=None)
@given(drawn=st.data())
def test_what_a_pattern_matches_the_fast_path_accepts(made: tuple[str, str], drawn: st.DataObject) -> None:
    compare_with_parsing(made, drawn)


@pytest.mark.slow
@pytest.mark.parametrize("made", MADE, ids="-".join)
@settings(max_examples=2000, deadline=None)
@given(drawn=st.data())
def test_the_same_at_length(made: tuple[str, str], drawn: st.DataObject) -> None:
    compare_with_parsing(made, drawn)


def compare_with_parsing(made: tuple[str, str], drawn: st.DataObject) -> None:
    """An example, a record like it or not, and either of them damaged."""
    layout, damage = drawn.draw(layouts), drawn.draw(damages)
    place, length = drawn.draw(st.floats(0, 1)), drawn.draw(st.integers(0, 3))
    name = made[0]
    example = drawn.draw(MADE[made])
    fast = FastPath(get_format(name), selected(name), Options(media="none"))
    assert not fast.always
    whole = json.dumps(example, **layout).encode("utf-8", "surrogatepass")
    record = accepted_by_parsing(fast, whole)
    if record is None:
        return
    patterns = PatternPath(fast)
    assert patterns.hungry, "guards of the built-in formats let patterns be used"
    verdict = fast.accept(record)
    assert verdict is not None
    patterns.learn(whole, verdict[1])
    data = json.dumps(drawn.draw(MADE[made]), **layout).encode("utf-8", "surrogatepass")
    at = int(place * len(data))
    for candidate in (whole, data, data[:at] + damage + data[at + length :]):
        # The same bytes as a block of their own, and between two others that are sound.
        for block in ([candidate], [whole, candidate, whole]):
            starts = [sum(map(len, block[:k])) for k in range(len(block))]
            ends = [start + len(piece) for start, piece in zip(starts, block, strict=True)]
            joined = b"".join(block)
            facts = look_at(joined, one_line=b"\n" not in joined)
            found: list[bytes | None] = []
            media: list[bytes] = []
            after, known = (
                patterns.run(joined, starts, ends, 0, facts, found, media) if facts.matchable else (0, None)
            )
            if after == len(block):
                parsed = accepted_by_parsing(fast, candidate)
                assert parsed is not None, candidate
                ordinary = fast.accept(parsed)
                assert ordinary is not None
                assert known is not None
                assert known == ordinary[1]
                if len(block) == 1:
                    refs = fast.format.media(json.loads(candidate))
                    paths = [r.path for r in refs if r.kind != "sidecar"]
                    assert sorted(json.loads(one) for one in media) == sorted(paths)
                json.loads(candidate)
                position = len(block) // 2
                assert (json.loads(found[position]) if found[position] is not None else None) == (
                    json.loads(id_text(parsed.id) or b"null")
                )


def masks_of(path: str) -> SidecarFacts:
    """The facts of a polygon file whose name says how many objects it has; it was made for the picture ``2.png``."""
    return SidecarFacts(path, n_objects=int(path.removesuffix(".json")), img="there/2.png")


@pytest.mark.parametrize("picture, matched", [("2.png", 1), ("here/2.png", 1), ("here/3.png", 0)])
def test_an_ordinary_record_is_matched_by_the_pattern_of_another(picture: str, matched: int) -> None:
    fast = FastPath(
        get_format("geopixel"), selected("geopixel"), Options(media="none"), load_sidecar=masks_of
    )
    answer = "The <p> tank </p> [SEG] stands."
    first, second = (
        json.dumps(
            {
                "id": k,
                "image": image,
                "polygons": f"{k}.json",
                "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": answer * k}],
            }
        ).encode()
        for k, image in ((1, "2.png"), (2, picture))
    )
    patterns = PatternPath(fast)
    verdict = fast.accept(fast.decode(first))
    assert verdict is not None
    patterns.learn(first, verdict[1])
    ids: list[Any] = []
    media: list[bytes] = []
    after, layout = patterns.run(second, [0], [len(second)], 0, look_at(second, one_line=True), ids, media)
    assert after == matched
    assert (fast.accept(fast.decode(second)) is not None) == bool(matched)
    if matched:
        assert (ids, media) == ([b"2"], [json.dumps(picture).encode()])
        assert layout is not None
        assert layout.kind == "polygons"


BLANKS = [chr(c) for c in range(0x110000) if chr(c).isspace() and c > 0x20]


@pytest.mark.parametrize("turn", [0, 1])
def test_a_text_of_unicode_s_white_space_alone_is_left_to_the_checks(turn: int) -> None:
    fast = FastPath(get_format("internvl"), selected("internvl"), Options(media="none"))
    patterns = PatternPath(fast)

    def line(text: str) -> bytes:
        texts = ["<image>\nWhat?", "A cat."]
        texts[turn] = text
        turns = [{"from": who, "value": one} for who, one in zip(("human", "gpt"), texts, strict=True)]
        return json.dumps({"id": 1, "image": "a.png", "conversations": turns}, ensure_ascii=False).encode()

    example = line("<image>\nWhat?" if turn == 0 else "A cat.")
    record = accepted_by_parsing(fast, example)
    assert record is not None
    verdict = fast.accept(record)
    assert verdict is not None
    patterns.learn(example, verdict[1])
    for blank in BLANKS:
        data = line(blank)
        found: list[bytes | None] = []
        assert patterns.run(data, [0], [len(data)], 0, look_at(data, one_line=True), found, [])[0] == 0, blank


@pytest.mark.parametrize(
    "name, keys, first",
    [
        ("ms-swift", chat, "<image>Where?"),
        ("llamafactory", sharegpt, "<image>Where?"),
        ("openai-messages", chat, "Where?"),
        ("openai-messages", chat, [{"type": "image", "image": "a.png"}, {"type": "text", "text": "Where?"}]),
    ],
)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_messages_like_an_example_are_matched(
    name: str, keys: tuple[str, str, str], first: Any, system: str | None
) -> None:
    fast = FastPath(get_format(name), selected(name), Options(media="none"))
    columns = {"images": ["a.png"]} if "<image>" in first else {}
    block = [
        json.dumps({**columns, **messages(keys, [(first, "Here."), ("And?", "There." * k)], system)}).encode()
        for k in (1, 2, 3)
    ]
    record = accepted_by_parsing(fast, block[0])
    assert record is not None
    verdict = fast.accept(record)
    assert verdict is not None
    patterns = PatternPath(fast)
    patterns.learn(block[0], verdict[1])
    starts = [sum(map(len, block[:k])) for k in range(3)]
    ends = [start + len(piece) for start, piece in zip(starts, block, strict=True)]
    data = b"".join(block)
    assert patterns.run(data, starts, ends, 0, look_at(data, one_line=True), [], [])[0] == 3
