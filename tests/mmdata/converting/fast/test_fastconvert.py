"""The fast path of `convert` gives what the ordinary way gives, to the byte, for whatever is in a file."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from itertools import accumulate, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmdata import jit
from mmdata.checks.registry import selected
from mmdata.converting.batches import BatchConverter
from mmdata.converting.parts import Batch, Part
from mmdata.converting.recordconvert import RecordConverter
from mmdata.converting.room import private
from mmdata.converting.targets import MIXTURES, targets
from mmdata.converting.task import Task
from mmdata.encoding import EncodeOptions
from mmdata.format import all_formats
from mmdata.io.record import RawRecord
from mmdata.options import Options
from mmdata.plan import DataSet
from mmdata.validating.recordcheck import RecordChecker

WORDS = [
    "a road", "harbour", "two ships", "Grüße", "你好", "she said \"no\"", "C:\\dir", "\\frac{a}{b}", "line\nbreak", "tab\t",
    "[1]", "[SEG]", "a < b", "<image>", "<ImageHere>", "<video>", "<region>", "<p> car </p> [SEG]", "</s>", "&lt;image&gt;",
    "<ref>x</ref><box>[[1,2,3,4]]</box>", "\u00a0", "\u3000x", "\u2003", " ", "", "{", "}\"", "\x7f", "\x1f", "\u2028", "/",
    "12345678901234567890", "1e400", "Zq0001qZ", "7300000000000001", "\U0001f600", "mmdata_carry",
    "wow!// no",
]  # fmt: skip
PATHS = [
    "a.png", "images/a.png", "images/gone.png", "./a.png", "images/../a.png", "images//a.png", "images/", "images", "/abs/a.png",
    "https://x.org/a.png", "s3://b/a.png", "o", "o/x.png", "..", "a b/é.png", "in\"quote.png", "clip.mp4", "data/b.png", "x.",
]  # fmt: skip
IDS: list[Any] = [0, 1, 17, -3, "x", "", None, 1.5, 10**17, 10**20, 'a"b', [1], {"k": "<"}, True]
EXTRAS: list[tuple[str, Any]] = [
    ("width", 640), ("width", 0), ("height", 480), ("height", -1), ("length", 12), ("source", "web"), ("score", 0.5),
    ("tags", ["x", "y"]), ("meta", {"from": "human", "n": 3}), ("clip", [0, 5]), ("system", "Be brief."), ("text", "t"),
    ("weight", 123456789012345678), ("flag", False), ("nothing", None), ("a/b", 1), ("é", "é"), ("masks", []),
]  # fmt: skip


def text(rng: random.Random) -> str:
    return (
        "".join(rng.choices(WORDS, k=rng.choice((0, 1, 1, 2, 3))))
        if rng.random() < 0.4
        else rng.choice(WORDS[:4])
    )


def record(rng: random.Random, tag: str, answer: str) -> dict[str, Any]:
    """A record, plain more often than not."""
    odd = rng.random() < 0.5
    turns = []
    for number in range(rng.choice((2, 2, 2, 4, 4, 6) if not odd else (0, 1, 2, 3, 4))):
        said = text(rng) if odd else rng.choice(WORDS[:4])
        if number == 0 and rng.random() < 0.8:
            said = rng.choice((f"{tag}\n", f"{tag}\n", tag, f"{tag} ", "\n")) + said
        if number == 0 and odd and rng.random() < 0.1:
            said += f" {tag} more"
        turn: dict[str, Any] = {"from": answer if number % 2 else "human", "value": said}
        if odd and rng.random() < 0.1:
            turn = rng.choice(
                [{**turn, "n": 1}, dict(reversed(turn.items())), {**turn, "from": "system"}, {"from": "x"}]
            )
        turns.append(turn)
    value: dict[str, Any] = {"id": rng.choice(IDS) if odd else rng.randrange(1, 999)}
    if rng.random() < 0.9:
        key = "video" if odd and rng.random() < 0.2 else "image"
        one = rng.choice(PATHS) if odd or rng.random() < 0.3 else f"images/{rng.randrange(20)}.png"
        value[key] = [one] if odd and rng.random() < 0.3 else one
    value["conversations"] = turns
    return value | dict(rng.sample(EXTRAS, rng.choice((0, 0, 1, 2) if odd else (0,))))


def written(rng: random.Random, value: dict[str, Any]) -> str:
    """A record's JSON in one of the ways in which people write it, damaged now and then."""
    found = json.dumps(
        value,
        ensure_ascii=rng.random() < 0.3,
        separators=rng.choice([(",", ":"), (" , ", " :"), *[(", ", ": ")] * 8]),
    )
    chance = rng.random()
    if chance < 0.05:
        found = found.replace("/", "\\/")
    elif chance < 0.08:
        found = found[:-1] + ', "id": 2}'
    elif chance < 0.12:
        at = rng.randrange(len(found))
        found = (
            found[:at] + rng.choice(['"', "\\", "<", "\t", "}", "1", " "]) + found[at + rng.randrange(2) :]
        )
    return found


def lines(source: str, seed: int, count: int) -> list[str]:
    rng = random.Random(f"{source} {seed}")
    format = all_formats()[source]
    answer = {"internvl": "gpt", "videorefer": "gpt", "videorefer-vl3": "gpt", "llava": "gpt"}.get(
        source, "bot"
    )
    return [written(rng, record(rng, format.image_tag or "<image>", answer)) for _ in range(count)]


def converted(
    path: Path, source: str, to: str, *, fast: bool, carry: bool = True, lo: int = 0, kernels: bool = False
) -> tuple[Part, int]:
    """What a batch becomes, and how many of its records the fast path translated; with `kernels`, the kernel alone."""
    task = Task(
        number=0, path=str(path), source=source, root=None, listed_in=None, to=to, folder=str(path.parent / "grow"),
        base=str(path.parent / "o"), output=str(path.parent / "out"), carry=carry, on_loss="warn", media_files="keep",
        options=EncodeOptions(), kernels=kernels,
    )  # fmt: skip
    converter = BatchConverter(task)
    if kernels:
        return by_kernel(converter, Batch(0, lo))
    if not fast:
        converter.fast.able = False
    ordinary = 0
    convert = converter.records.convert

    def counted(raw: Any) -> Any:
        nonlocal ordinary
        ordinary += 1
        return convert(raw)

    converter.records.convert = counted  # type: ignore[method-assign]
    part = whole(converter, Batch(0, lo))
    return part, part.ledger.read - ordinary


def whole(converter: BatchConverter, batch: Batch) -> Part:
    """A converted batch with the bytes of each output in one piece, wherever they lay."""
    memory = private()
    part = converter.convert(batch, memory)
    part.data = {kind: [b"".join(pieces)] for kind, pieces in part.outputs(memory).items()}  # type: ignore[arg-type]
    return part


def by_kernel(converter: BatchConverter, batch: Batch) -> tuple[Part, int]:
    compiled, taken = converter.fast.compiled, 0
    if compiled is None:  # there is no fast path at all
        return whole(converter, batch), 0
    run = compiled.run

    def counted(view: Any, first: int, begin: Any, room: Any) -> int:
        nonlocal taken
        reached = run(view, first, begin, room)
        taken += reached - first
        return reached

    compiled.run = counted  # type: ignore[method-assign]
    return whole(converter, batch), taken


needs_numba = pytest.mark.skipif(not jit.available(), reason="numba is not installed")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "images/a.png", "images/1.png", "images/2.png", "data/b.png", "o/x.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    (tmp_path / "images/3.png").symlink_to("nowhere")
    (tmp_path / "images/4.png").mkdir()
    return tmp_path


SOURCES = sorted(
    name for name, one in all_formats().items() if one.to_sample is not None and not one.dialogues
)
TRAINERS = {
    "geopixel",
    "geopixel-rle",
    "xcomposer",
    "xcomposer-2.0",
    "videorefer",
    "videorefer-vl3",
    "internvl",
}
"""Formats and targets between which plain records must not go the ordinary way; others may have none."""

PAIRS = sorted(product(SOURCES, targets()))


def save(place: Path, found: list[str], *, array: bool) -> Path:
    path = place / ("in.json" if array else "in.jsonl")
    body = "[" + ",\n".join(found) + "]" if array else "\n".join(found) + "\n"
    path.write_text(body, "utf-8", "surrogatepass")
    return path


@pytest.mark.parametrize(("source", "to"), PAIRS)
def test_fast_and_ordinary_agree(place: Path, source: str, to: str) -> None:
    for seed, carry in enumerate((True, False)):
        path = save(place, lines(source, seed, 120), array=False)
        one, spliced = converted(path, source, to, fast=True, carry=carry)
        two, none = converted(path, source, to, fast=False, carry=carry)
        assert one == two
        assert none == 0
        assert spliced > 10 or not {source, to} <= TRAINERS
        if jit.available():
            assert converted(path, source, to, fast=True, carry=carry, kernels=True)[0] == two


def mutated(rng: random.Random, source: str, count: int, harm: bytes) -> list[bytes]:
    """Records of a few skeletons, with a byte of `harm` in some of them."""
    format = all_formats()[source]
    tag, answer = format.image_tag or "<image>", "gpt" if source in ("internvl", "videorefer") else "bot"
    found = []
    for number in range(count):
        talk = []
        for turn in range(2 * rng.randint(1, 2)):
            said = rng.choice(WORDS[:4]) * rng.choice((1, 1, 1, 4, 40)) + rng.choice(
                ("", "", ' "so"', "\\", "é\n", "Ａ")
            )
            talk.append(
                {"from": answer if turn % 2 else "human", "value": f"{tag}\n{said}" if turn == 0 else said}
            )
        value = {
            "id": rng.choice((number + 1, rng.randrange(1, 10**15))),
            "image": rng.choice(("/gone/", "/gone/é/", "gone/", "gone/far/")) + f"{number}.png",
            "conversations": talk,
            "source": rng.choice(("web", 'a "b"')),
        }
        text = bytearray(json.dumps(value, ensure_ascii=False).encode())
        if rng.random() < 0.1:
            at = rng.randrange(len(text))
            while text[at] >= 128:  # not into a character
                at -= 1
            text[at : at + rng.randrange(2)] = bytes([rng.choice(harm)])
        found.append(bytes(text))
    return found


@needs_numba
@pytest.mark.parametrize(
    ("source", "to"),
    [
        ("internvl", "xcomposer"),
        ("internvl", "videorefer"),
        ("videorefer", "internvl"),
        ("xcomposer", "internvl"),
    ],
)
@pytest.mark.parametrize("carry", [True, False])
def test_the_kernel_and_the_ordinary_way_agree(place: Path, source: str, to: str, carry: bool) -> None:
    rng = random.Random(f"{source} {to}")
    for harm, newline, least in (
        (b'"\\<[{}!/ 0A.\x01\x7f', b"\n", 200),
        (b"\t,:", b"\r\n", 20),
        (b"\xff\x80", b"\n", 0),
    ):
        path = place / "in.jsonl"
        path.write_bytes(newline.join(mutated(rng, source, 400, harm)) + newline)
        one, taken = converted(path, source, to, fast=True, carry=carry, kernels=True)
        assert one == converted(path, source, to, fast=False, carry=carry)[0]
        assert taken >= least


@needs_numba
@pytest.mark.parametrize(
    ("chunk", "size", "least"), [(8192, 16 << 20, 500), (8192, 60_000, 20), (4096, 4096, 0)]
)
def test_the_kernel_goes_on_when_its_memory_is_full(
    place: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, size: int, least: int
) -> None:
    """Be it the chunk of a kind of records, or the whole room: two kinds take turns."""
    monkeypatch.setattr("mmdata.converting.room.CHUNK", chunk)
    monkeypatch.setattr("mmdata.converting.room.ROOM_BYTES", size)
    found = mutated(random.Random(5), "internvl", 400, b" ")
    text = json.dumps(
        {"id": 1, "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    )
    mixed = [one for record in found for one in (record, text.encode())]
    path = place / "in.jsonl"
    path.write_bytes(b"\n".join([*mixed, found[0].replace(b"road", b"road" * 4000), *found]) + b"\n")
    one, taken = converted(path, "internvl", "xcomposer", fast=True, kernels=True)
    assert one == converted(path, "internvl", "xcomposer", fast=False)[0]
    assert len(one.data) == 2
    assert taken > least


@needs_numba
def test_many_folders_come_at_once(place: Path) -> None:
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A road."}]
    found = [
        json.dumps({"id": n + 1, "image": f"gone/{n % 900}/{n}.png", "conversations": talk})
        for n in range(3000)
    ]
    path = save(place, found, array=False)
    one, taken = converted(path, "internvl", "xcomposer", fast=True, kernels=True)
    assert one == converted(path, "internvl", "xcomposer", fast=True)[0]
    assert taken > 1000


@needs_numba
def test_digests_are_those_of_hashlib() -> None:
    from mmdata.converting.fast.blake import BLOCK, DIGEST_BYTES, hexadecimal

    rng = random.Random(3)
    texts = [rng.randbytes(n) for n in (0, 1, 127, 128, 129, 255, 256, 257, 5000)]
    texts += [rng.randbytes(rng.randrange(2000)) for _ in range(50)]
    filled = [text.ljust(max(BLOCK, -(-len(text) // BLOCK) * BLOCK), b"\0") for text in texts]
    starts = [0, *accumulate(len(text) for text in filled)][:-1]
    out = np.zeros(2 * DIGEST_BYTES * len(texts), np.uint8)
    words = np.frombuffer(b"".join(filled), np.uint64).copy()
    lies = np.array([starts, [len(text) for text in texts]], np.int64).T.copy()
    hexadecimal(words, lies, len(texts), out, 2 * DIGEST_BYTES * np.arange(len(texts)))
    assert out.tobytes().decode() == "".join(
        hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest() for text in texts
    )


def test_small_inputs_do_not_load_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmdata.converting.fast import choice

    monkeypatch.delenv("MMDATA_JIT", raising=False)
    monkeypatch.setattr(choice.jit, "available", lambda: pytest.fail("asked for numba"))
    assert not choice.kernels_pay(choice.LEAST_BYTES - 1)


def test_arrays_agree(place: Path) -> None:
    for seed, indent in enumerate((None, 1)):
        found = [
            json.dumps(json.loads(text), indent=indent) for text in _sound(lines("xcomposer", seed, 200))
        ]
        path = save(place, found, array=True)
        one, spliced = converted(path, "xcomposer", "internvl", fast=True)
        two, _ = converted(path, "xcomposer", "internvl", fast=False)
        assert one == two
        assert spliced > 25


def _sound(found: list[str]) -> Iterator[str]:
    for text in found:
        try:
            json.loads(text)
        except ValueError:
            continue
        yield text


def test_plain_records_need_one_example_each(place: Path) -> None:
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": 'A "road".'}]
    found = [json.dumps({"id": n + 1, "image": f"images/{n}.png", "conversations": talk}) for n in range(500)]
    part, spliced = converted(save(place, found, array=False), "internvl", "xcomposer", fast=True)
    assert part.ledger.read == 500
    assert spliced == 499


def test_escapes_of_other_writers_are_taken(place: Path) -> None:
    talk = [{"from": "human", "value": "<image>\nWas?"}, {"from": "gpt", "value": "Grüße 你好 \\ C:\\x"}]
    found = [json.dumps({"id": n + 1, "image": "a.png", "conversations": talk}) for n in range(300)]
    _, spliced = converted(save(place, found, array=False), "internvl", "videorefer", fast=True)
    assert spliced == 299


def test_a_template_is_not_used_for_texts_that_only_look_alike(place: Path) -> None:
    plain = {
        "image": "a.png",
        "conversations": [{"from": "human", "value": "<image>\nx"}, {"from": "gpt", "value": "y"}],
    }
    said = [
        "\u3000",
        "\u00a0",
        "\u2003",
        " ",
        "",
        "\n",
        "y\\",
        "<x",
        "[x",
        "<image>",
        "\x1f",
        "\\u003cimage>",
    ]
    found = [json.dumps(plain, ensure_ascii=False)] * 3
    for text in said:
        talk = [plain["conversations"][0], {"from": "gpt", "value": text}]
        found += [json.dumps({**plain, "conversations": talk}, ensure_ascii=False)] * 2
    path = save(place, found, array=False)
    for to in ("xcomposer", "videorefer", "geopixel", "internvl"):
        assert converted(path, "internvl", to, fast=True)[0] == converted(path, "internvl", to, fast=False)[0]


def test_a_record_without_findings_gets_no_warning(place: Path) -> None:
    """What the source's checks find nothing in, the target's checks find nothing in: a warning would be our doing.

    But for C14: a literal placeholder of another trainer is plain text, and is reported so that somebody knows.
    """
    clean = 0
    for source, to in PAIRS:
        # Neighbour formats have fewer checks, so that what they do not look for is news to the target's.
        if to in MIXTURES or not {source, to} <= TRAINERS:
            continue
        format = all_formats()[source]
        checker = RecordChecker(DataSet("in", format), list(selected(source)), Options(media="none"))
        task = Task(
            number=0, path="in", source=source, root=None, listed_in=None, to=to, folder=str(place / "g"), base=str(place / "o"),
            output=str(place / "out"), carry=False, on_loss="warn", media_files="keep", options=EncodeOptions(),
        )  # fmt: skip
        converter = RecordConverter(task)
        for number, text in enumerate(lines(source, 9, 40)):
            raw = RawRecord(number, 0, text.encode("utf-8", "surrogatepass"), None)
            if not checker.check(raw).findings:
                outcome = converter.convert(raw)
                assert set(outcome.warnings) <= {"C14"}, text
                clean += 1
    assert clean > 100
