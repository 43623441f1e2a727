"""Records and their polygon files together: G05, G07 to G14 and G21 on facts, and the one guard for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import Hit, selected
from mmdata.checks.sidecars import SidecarFacts, load
from mmdata.checks.view import MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.media.images import ImageFacts
from mmdata.options import Options
from mmdata.validating.fastpath import FastPath

PHRASE = "<p> a </p> [SEG]"
SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]


def record(*texts: str, image: Any = "a.png") -> dict[str, Any]:
    turns = [{"from": ("human", "bot")[i % 2], "value": text} for i, text in enumerate(texts)]
    return {"conversations": turns, "image": image, "polygons": "polygons.json"}


def found(raw: dict[str, Any], sidecar: SidecarFacts, **options: Any) -> list[tuple[str, Hit]]:
    """Every hit of the checks that take a record together with its polygon file."""
    view = RecordView(
        raw=raw, format=get_format("geopixel"), options=Options(**options), index=0, path="data.json"
    )
    checks = [c for c in selected("geopixel") if c.stage == "sidecar"]
    return [(c.code, hit) for c in checks for hit in c.function(view, sidecar)]


def only(raw: dict[str, Any], sidecar: SidecarFacts, code: str) -> Hit:
    """The one hit there is."""
    ((got, hit),) = found(raw, sidecar)
    assert got == code
    assert hit.related_path == sidecar.path
    return hit


def facts(**known: Any) -> SidecarFacts:
    return SidecarFacts("polygons.json", **{"n_objects": 1, **known})


def test_a_record_that_fits_its_file_is_clean() -> None:
    assert found(record("Where?", PHRASE), facts()) == []
    assert found(record("Where?", f"{PHRASE} {PHRASE}"), facts(n_objects=2, described=2, img="x/a.png")) == []


@pytest.mark.parametrize(
    "texts, objects, pointer, words",
    [
        (
            ("Where?", PHRASE),
            2,
            "/conversations/1/value",
            "1 [SEG] in the turns, 2 objects in the polygon file",
        ),
        (
            ("Where?", PHRASE, "And?", PHRASE),
            1,
            "/polygons",
            "2 [SEG] in the turns, 1 object in the polygon file",
        ),
        (("Where?", "Nowhere."), 1, "/polygons", "0 [SEG]"),
        (("Where?", PHRASE), 0, "/conversations/1/value", "0 objects"),
    ],
)
def test_g05_objects_against_tokens(texts: tuple[str, ...], objects: int, pointer: str, words: str) -> None:
    hit = only(record(*texts), facts(n_objects=objects), "G05")
    assert hit.pointer == pointer
    assert words in hit.message


def test_g07_a_file_without_objects_for_a_record_without_tokens() -> None:
    assert only(record("What?", "A tank."), facts(n_objects=0), "G07").pointer == "/polygons"


@pytest.mark.parametrize(
    "known, code, severity, words",
    [
        ({"n_short": 1, "short": ((0, 2),)}, "G09", None, "object 0, ring 2"),
        ({"n_flat": 5, "flat": ((0, 0), (0, 1), (0, 2), (0, 3))}, "G09", None, "and 2 more"),
        ({"n_empty_rings": 1, "empty_rings": ((0, 0),)}, "G09", "error", "no point in object 0, ring 0"),
        ({"fractions": 3}, "G11", None, "3 points"),
        ({"n_holes": 1, "holes": (((0, 1), (0, 0)),)}, "G12", None, "object 0, ring 1"),
        ({"n_empty_objects": 1, "empty_objects": (0,)}, "G14", None, "object 0 "),
        ({"beyond_int32": 2, "bounds": (0, 0, 2147483647, 9)}, "G10", "error", "2 points"),
        ({"bounds": (-4, 0, 9, 9)}, "G10", None, "(-4, 0)"),
        ({"img": "b.png"}, "G21", None, "b.png"),
        ({"described": 2}, "G21", None, "2 [SEG] in the polygon file's description, 1 in the answers"),
    ],
)
def test_each_fact_has_its_code(known: dict[str, Any], code: str, severity: str | None, words: str) -> None:
    hit = only(record("Where?", PHRASE), facts(**known), code)
    assert (hit.severity, hit.pointer) == (severity, "/polygons")
    assert words in hit.message


@pytest.mark.parametrize("problem", ["missing", "unreadable", "not-json", "no-polygons"])
def test_g13_a_file_that_cannot_be_used_says_nothing_else(problem: Any) -> None:
    assert (
        "why"
        in only(record("Where?", PHRASE), facts(problem=problem, detail="why", n_objects=0), "G13").message
    )


def test_g13_a_file_that_is_too_long_to_read_is_no_error() -> None:
    assert (
        only(record("Where?", PHRASE), facts(problem="too-large", detail="long", n_objects=0), "G13").severity
        == "warning"
    )


def test_g13_says_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "polygons.json").write_text("{}")
    missing = load("polygons.json")
    raw = record("Where?", PHRASE)
    view = RecordView(
        raw=raw, format=get_format("geopixel"), options=Options(), index=0, path="there/data.json"
    )
    (hit,) = (h for c in selected("geopixel", select=["G13"]) for h in c.function(view, missing))
    assert "--media-root there" in str(hit.fix)


def test_g08_names_the_place_in_the_polygon_file(tmp_path: Path) -> None:
    path = tmp_path / "flat.json"
    path.write_text('{"polygons": [[[[10, 10], [20, 10], [20, 20]]], [[10, 10, 20, 10, 20, 20]]]}')
    hit = only(record("Where?", PHRASE), load(str(path)), "G08")
    assert "/polygons/1" in hit.message


def test_g21_the_description_may_be_the_answer_of_one_turn() -> None:
    raw = record("Where?", PHRASE, "And?", f"{PHRASE} {PHRASE}")
    assert found(raw, facts(n_objects=3, described=2)) == []
    assert found(raw, facts(n_objects=3, described=1)) == []
    assert [code for code, _ in found(raw, facts(n_objects=3, described=4))] == ["G21"]


def test_g21_knows_paths_of_either_slash() -> None:
    assert found(record("Where?", PHRASE, image="data/x/a.png"), facts(img="C:\\data\\a.png")) == []
    assert found(record("Where?", PHRASE, image=["b.png"]), facts(img="a.png")) == []


# --- G10 with the picture -----------------------------------------------------------------------------------------


def outside(bounds: Any, size: tuple[int, int] | None = (64, 48), **known: Any) -> list[Hit]:
    raw = record("Where?", PHRASE)
    picture = ImageFacts() if size is None else ImageFacts(width=size[0], height=size[1])
    sidecar = facts(bounds=bounds, **known)
    media = MediaView("header", [(MediaRef("image", "a.png", "/image"), "a.png", picture)], [], {}, sidecar)
    view = RecordView(
        raw=raw, format=get_format("geopixel"), options=Options(media="header"), index=0, path="data.json"
    )
    hits = [
        h for c in selected("geopixel", select=["G10"]) if c.stage == "media" for h in c.function(view, media)
    ]
    for_any = [
        h
        for c in selected("geopixel", select=["G10"])
        if c.stage == "sidecar"
        for h in c.function(view, sidecar)
    ]
    return hits + for_any


@pytest.mark.parametrize("bounds", [(0, 0, 63, 47), (0, 0, 64, 48), None])
def test_g10_the_far_edge_is_inside(bounds: Any) -> None:
    assert outside(bounds) == []


@pytest.mark.parametrize(
    "bounds", [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 65, 5), (0, 0, 5, 49), (100, 100, 120, 120)]
)
def test_g10_points_outside_the_picture_once(bounds: Any) -> None:
    (hit,) = outside(bounds)
    assert "64 wide and 48 high" in hit.message


def test_g10_says_nothing_of_a_picture_that_could_not_be_opened() -> None:
    assert outside((0, 0, 1000, 1000), size=None) == []


def test_g10_what_no_integer_holds_is_one_error() -> None:
    (hit,) = outside((0, 0, 2147483647, 5), beyond_int32=1)
    assert hit.severity == "error"


# --- the guard ----------------------------------------------------------------------------------------------------

points = st.tuples(st.one_of(st.integers(-2, 30), st.just(1.5)), st.integers(0, 30)).map(list)
files = st.fixed_dictionaries(
    {
        "polygons": st.lists(
            st.one_of(
                st.just([SQUARE]),
                st.lists(st.one_of(st.just(SQUARE), st.lists(points, max_size=4)), max_size=2),
            ),
            max_size=3,
        )
    },
    optional={
        "img": st.sampled_from(["a.png", "b.png", 3]),
        "gcg_description": st.sampled_from(["", PHRASE, f"{PHRASE} {PHRASE}", None]),
    },
)
texts = st.sampled_from(["Hi", PHRASE, f"{PHRASE} and {PHRASE}", "[SEG]", "<p> a [SEG]"])


@settings(max_examples=400, deadline=None)
@given(
    content=files,
    answers=st.lists(texts, min_size=1, max_size=3),
    question=st.sampled_from(["Where?", "[SEG]?"]),
)
def test_what_the_guards_accept_has_no_finding(
    tmp_path_factory: pytest.TempPathFactory, content: Any, answers: list[str], question: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "guarded.json"
    path.write_text(json.dumps(content))
    sidecar = load(str(path))
    fast = FastPath(
        get_format("geopixel"), selected("geopixel"), Options(media="none"), load_sidecar=lambda _: sidecar
    )
    raw = record(*(text for answer in answers for text in (question, answer)))
    if fast.accept(fast.decode(json.dumps(raw).encode())) is not None:
        assert found(raw, sidecar) == []


def test_the_guards_accept_an_ordinary_record_and_its_file(tmp_path: Path) -> None:
    path = tmp_path / "polygons.json"
    path.write_text(
        json.dumps({"id": 1, "polygons": [[SQUARE], [SQUARE]], "gcg_description": f"{PHRASE} {PHRASE}"})
    )
    for texts in (
        ("Where?", f"{PHRASE} and {PHRASE}."),
        ("Where?", PHRASE, "And?", PHRASE),
        ("Both?", "[SEG], [SEG]"),
    ):
        fast = FastPath(
            get_format("geopixel"),
            selected("geopixel"),
            Options(media="none"),
            load_sidecar=lambda _: load(str(path)),
        )
        assert fast.accept(fast.decode(json.dumps(record(*texts)).encode())) is not None, texts
