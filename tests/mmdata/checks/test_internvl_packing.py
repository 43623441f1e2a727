"""InternVL's limits (I14, I19, I20) against the tiles of its loader and the split of its packed sequences."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import Hit, get_check
from mmdata.checks.view import MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.media.images import ImageFacts
from mmdata.options import Options

TOKENS = 256


def run(
    code: str, sizes: list[tuple[int, int]], text: str = "What?", *, level: str = "header", **assume: Any
) -> list[Hit]:
    paths = [f"{k}.png" for k in range(len(sizes))]
    tags = "<image>\n" * len(sizes)
    turns = [{"from": "human", "value": tags + text}, {"from": "gpt", "value": "This."}]
    raw: dict[str, Any] = {"conversations": turns}
    if sizes:
        raw["image"] = paths if len(paths) > 1 else paths[0]
    images = [
        (MediaRef("image", p, "/image"), p, ImageFacts(width=w, height=h))
        for p, (w, h) in zip(paths, sizes, strict=True)
    ]
    options = Options(media=level, assume=assume)  # type: ignore[arg-type]
    view = RecordView(raw=raw, format=get_format("internvl"), options=options, index=0, path="a.jsonl")
    return list(get_check(code).function(view, MediaView(level, images, [])))  # type: ignore[arg-type]


def tiles(width: int, height: int, most: int) -> int:
    """The loader's grid for one picture, thumbnail included: nearest aspect, larger grids win exact ties by area."""
    grids = sorted(
        {(i, j) for i in range(1, most + 1) for j in range(1, most + 1) if i * j <= most},
        key=lambda g: g[0] * g[1],
    )
    best, gap = (1, 1), float("inf")
    for i, j in grids:
        here = abs(width / height - i / j)
        if here < gap:
            best, gap = (i, j), here
        elif here == gap and width * height > 0.5 * 448 * 448 * i * j:
            best = (i, j)
    count = best[0] * best[1]
    return count + (count > 1)


sizes = st.tuples(st.integers(20, 3000), st.integers(20, 3000))


@settings(max_examples=300, deadline=None)
@given(pictures=st.lists(sizes, min_size=1, max_size=3), most=st.integers(1, 12), limit=st.integers(1, 20))
def test_i19_more_tiles_than_a_sequence_holds(pictures: list[tuple[int, int]], most: int, limit: int) -> None:
    each = most if len(pictures) == 1 else max(1, most // len(pictures))
    total = sum(tiles(w, h, each) for w, h in pictures)
    hits = run("I19", pictures, num_images_expected=limit, max_dynamic_patch=most)
    assert bool(hits) == (total > limit)
    assert run("I19", pictures, max_dynamic_patch=most) == []
    assert bool(run("I14", pictures, max_length=limit * TOKENS, max_dynamic_patch=most)) == (total > limit)


def parts(tokens_before: list[int], tokens_after: int, limit: int, tiles_each: int) -> int:
    """The split of a sequence that is too long: in how many parts it comes out.

    Each picture is preceded by `tokens_before` words and is a start token, its tiles' tokens and an end token.

    Raises:
        AssertionError: a part has not as many pictures as tiles.
        RecursionError: a cut leaves the sequence as it was.
    """
    ids = ""
    for words in tokens_before:
        ids += "w" * words + "<" + "i" * TOKENS * tiles_each + ">"
    ids += "w" * tokens_after
    pictures, count = tiles_each * len(tokens_before), 0
    while len(ids) > limit:
        starts = [k for k, c in enumerate(ids) if c == "<"]
        if ids[limit] in "<i>":
            before = [k for k in starts if k <= limit]
            left, right = ids[: before[-1]], ids[before[-1] :]
            inside = len(before) - 1
        else:
            following = [k for k in starts if k > limit]
            left, right = ids[:limit], ids[following[0] :] if following else ""
            inside = len(starts) - len(following) if following else pictures
        assert left.count("<") == left.count(">") == inside
        if right:
            assert right.count("<") == right.count(">") == pictures - inside
        if right == ids:
            raise RecursionError
        count += inside >= 1
        if not right:
            return count
        ids, pictures = right, pictures - inside
    return count + 1


@pytest.mark.parametrize("pictures, limit", [(1, 200), (1, 257), (2, 300), (2, 400), (3, 600), (3, 300)])
def test_i20_one_tile_a_picture_is_split_not_asserted(pictures: int, limit: int) -> None:
    try:
        split = parts([20] + [0] * (pictures - 1), 5, limit, 1)
    except RecursionError:
        split = None
    (hit,) = run("I20", [(448, 448)] * pictures, max_packed_tokens=limit, max_dynamic_patch=1)
    assert hit.severity == (None if split is None else "warning")


@pytest.mark.parametrize("limit", [300, 700, 900])
def test_i20_several_tiles_are_asserted(limit: int) -> None:
    with pytest.raises(AssertionError):
        parts([20], 5, limit, 5)
    (hit,) = run("I20", [(800, 800)], max_packed_tokens=limit, max_dynamic_patch=12)
    assert hit.severity is None


def test_i20_text_counts_a_picture_that_it_has_not() -> None:
    (hit,) = run("I20", [], "word " * 400, max_packed_tokens=300)
    assert hit.severity is None


def test_i20_at_the_limit_and_without_knowledge() -> None:
    view_tokens = run("I20", [(448, 448)], max_packed_tokens=1, max_dynamic_patch=1)[0].message
    tokens = int(view_tokens.split("about ")[1].split()[0])
    assert run("I20", [(448, 448)], max_packed_tokens=tokens, max_dynamic_patch=1) == []
    assert run("I20", [(448, 448)], max_packed_tokens=tokens - 1, max_dynamic_patch=1)
    assert run("I20", [(448, 448)], level="exists", max_packed_tokens=1) == []
    assert run("I20", [(448, 448)]) == []
