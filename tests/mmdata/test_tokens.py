"""Token counts: exact with a tokenizer, by the stated rule without, and what each trainer makes of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.view import RecordView
from mmdata.errors import UsageError
from mmdata.format import get_format
from mmdata.options import Options
from mmdata.tiling import hd_tokens
from mmdata.tokens import TokenCount, sample_tokens, text_tokens

FORMATS = ("geopixel", "xcomposer", "xcomposer-2.0", "videorefer", "videorefer-vl3", "internvl")


def view(format_name: str, record: dict[str, Any], **options: Any) -> RecordView:
    return RecordView(
        raw=record, format=get_format(format_name), options=Options(**options), index=0, path="data.json"
    )


def talk(*texts: str, **keys: Any) -> dict[str, Any]:
    roles = ("human", "gpt")
    turns = [{"from": roles[i % 2], "value": text} for i, text in enumerate(texts)]
    return {**keys, "conversations": turns}


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory of a tokenizer with one token for each character, and one for each control token."""
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    controls = ("<|im_start|>", "<|im_end|>", "</s>", "[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]")
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in controls])
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    return str(folder)


@pytest.mark.parametrize(
    "text, n",
    [
        ("", 0),
        ("   ", 0),
        ("cat", 1),
        ("a dog sat", 3),
        ("segmentation", 2),
        ("1234", 4),
        ("Hi!", 2),
        ("a\n\n\nb", 3),
        ("你好", 2),
        ("<|im_end|></s>[UNUSED_TOKEN_145]<image>", 4),
    ],
)
def test_the_rule_of_thumb(text: str, n: int) -> None:
    assert text_tokens(text) == TokenCount(n, exact=False)


@given(st.text(), st.text())
def test_the_estimate_never_shrinks_with_more_text(a: str, b: str) -> None:
    assert max(text_tokens(a).n, text_tokens(b).n) <= text_tokens(f"{a}\n{b}").n


def test_a_tokenizer_counts_exactly(characters: str) -> None:
    assert text_tokens("four<|im_end|>", characters) == TokenCount(5, exact=True)
    assert text_tokens("four", f"{characters}/tokenizer.json") == TokenCount(4, exact=True)


def test_lone_surrogates_do_not_raise(characters: str) -> None:
    assert text_tokens("a\ud800b", characters).n == 3
    assert text_tokens("a\ud800b").n == 3


def test_a_tokenizer_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tokenizer\.json"):
        text_tokens("a", str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match="--tokenizer"):
        text_tokens("a", str(tmp_path))


def test_geopixel_counts_template_and_picture(characters: str) -> None:
    record = talk(" <ImageHere>What? ", "[SEG]", image="a.png")
    count = sample_tokens(view("geopixel", record, tokenizer=characters, assume={"hd_num": 1}), [(800, 800)])
    # BOS; two control tokens, a name and two line breaks a turn; texts stripped; </s>; the picture.
    text = (2 + len("user\n") + len("What?") + 1) + (2 + len("assistant\n") + len("[SEG]") + 1)
    assert count == TokenCount(1 + text + 1 + 841, exact=True)


def test_geopixel_without_hd_num_is_an_estimate_at_the_training_scripts_value(characters: str) -> None:
    record = talk("<ImageHere>", "a", image="a.png")
    with_nine = sample_tokens(
        view("geopixel", record, tokenizer=characters, assume={"hd_num": 9}), [(800, 800)]
    )
    without = sample_tokens(view("geopixel", record, tokenizer=characters), [(800, 800)])
    assert (without.n, without.exact) == (with_nine.n, False)


def test_an_unknown_size_counts_with_the_least() -> None:
    record = talk("<ImageHere>a", "b", image="a.png")
    known = sample_tokens(view("xcomposer", record, assume={"hd_num": 9}), [(10, 10)])
    unknown = sample_tokens(view("xcomposer", record, assume={"hd_num": 9}))
    assert (
        known.n
        == unknown.n
        == sample_tokens(view("xcomposer", talk("a", "b"))).n + hd_tokens(10, 10, hd_num=9)
    )


@pytest.mark.parametrize("template, after", [("internvl2_5", 2), ("Hermes-2", 1)])
def test_internvl_counts_the_systems_text_and_what_ends_a_turn(
    characters: str, template: str, after: int
) -> None:
    def count(*texts: str) -> TokenCount:
        return sample_tokens(view("internvl", talk(*texts), tokenizer=characters, template=template))

    one, two = count("Hi", "Yes"), count("Hi", "Yes", "Hi", "Yes")
    assert one.exact
    assert two.n - one.n == 2 * (1 + after) + len("user\nHi") + len("assistant\nYes")
    assert one.n > 60


def test_internvl_with_a_system_turn_has_no_other_system_text(characters: str) -> None:
    record = {"conversations": [{"from": "system", "value": "S"}, *talk("Hi", "Yes")["conversations"]]}
    n = sum(1 + len(text) + 2 for text in ("system\nS", "user\nHi", "assistant\nYes"))
    assert sample_tokens(view("internvl", record, tokenizer=characters)) == TokenCount(n, exact=True)


def test_internvl_pictures_are_tiles(characters: str) -> None:
    options = {"tokenizer": characters, "assume": {"max_dynamic_patch": 12}}
    plain = sample_tokens(view("internvl", talk("\nHi", "Yes"), **options)).n
    one = sample_tokens(view("internvl", talk("<image>\nHi", "Yes", image="a.png"), **options), [(800, 800)])
    assert one == TokenCount(plain + 5 * 256 + 2, exact=True)
    untagged = sample_tokens(view("internvl", talk("Hi", "Yes", image="a.png"), **options), [(800, 800)])
    assert untagged == one
    two = talk("<image><image>\nHi", "Yes", image=["a.png", "b.png"])
    assert sample_tokens(view("internvl", two, **options), [(800, 800), (1, 1)]).n == plain + 6 * 256 + 4


def test_internvl_surplus_tags_stay_text(characters: str) -> None:
    options = {"tokenizer": characters, "assume": {"max_dynamic_patch": 1}}
    one = sample_tokens(view("internvl", talk("<image>Hi", "Yes", image="a.png"), **options), [(9, 9)]).n
    more = sample_tokens(
        view("internvl", talk("<image><image>Hi", "Yes", image="a.png"), **options), [(9, 9)]
    ).n
    assert more == one + len("<image>")


def test_internvl_video_counts_at_least_eight_frames() -> None:
    video = sample_tokens(view("internvl", talk("<video>\nHi", "Yes", video="clip.mp4")))
    assert not video.exact
    assert video.n > 8 * 258


def test_videorefer_counts_text_alone_with_each_tag_one_token(characters: str) -> None:
    options = {"tokenizer": characters}
    plain = sample_tokens(view("videorefer", talk("\nHi ", "Yes"), **options))
    tagged = sample_tokens(
        view("videorefer", talk("<image>\nHi <region>", "Yes", image="a.png"), **options), [(800, 800)]
    )
    assert tagged == TokenCount(plain.n + 2, exact=True)


def test_vl3_pictures_cost_their_patches() -> None:
    small = sample_tokens(view("videorefer-vl3", talk("<image>Hi", "Yes", image="a.png")), [(14, 14)])
    large = sample_tokens(view("videorefer-vl3", talk("<image>Hi", "Yes", image="a.png")), [(140, 280)])
    assert (large.n - small.n, large.exact) == (199, False)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(
    turns=st.one_of(
        st.none(),
        st.lists(
            st.one_of(
                st.none(),
                st.fixed_dictionaries(
                    {
                        "from": st.sampled_from(["human", "gpt", "system", "x", None]),
                        "value": st.sampled_from(["<image>", "<ImageHere>a", "", None, 5, "\ud800"]),
                    }
                ),
            )
        ),
    ),
    image=st.sampled_from([None, "a.png", ["a.png", "b.png"], 5, [None]]),
    sizes=st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 3000), st.integers(1, 3000))), max_size=3),
)
def test_any_record_has_a_count(name: str, turns: Any, image: Any, sizes: Any) -> None:
    count = sample_tokens(view(name, {"conversations": turns, "image": image}), sizes)
    assert count.n >= 0
    assert not count.exact
