"""Packing: exact, full, and nothing lost."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata import Mixture
from mmdata.errors import DataError
from mmdata.mixing.mixture import Member
from mmtrain.data.collate import packed, padded
from mmtrain.data.encode import Encoded, Encoder, Size
from mmtrain.data.internvl import InternVLMedia
from mmtrain.data.measuring import one_by_one
from mmtrain.data.order import Order
from mmtrain.data.packing import Rows, State, pack
from mmtrain.data.sources import BadSample
from mmtrain.losses import weighted_nll


def order(n: int, epochs: float | None = 1.0) -> Order:
    mixture = Mixture.of([Member("a", "a", records=n)])
    return Order(lambda epoch: mixture.plan(epoch, seed=7), epochs)


def realistic(n: int) -> list[Size]:
    """Tokens log-normal as chat data are; most samples with a picture of 1 to 13 tiles of 256 tokens."""
    rng = random.Random(0)
    sizes = []
    for _ in range(n):
        tiles = rng.choice([0, 0, 1, 3, 5, 7, 7, 9, 13])
        sizes.append(Size(int(rng.lognormvariate(5, 0.8)) + 10 + 256 * tiles, tiles))
    return sizes


def test_rows_are_full_on_realistic_data() -> None:
    sizes = realistic(20_000)
    capacity = Size(16_384, 60)
    rows = list(Rows(order(len(sizes)), one_by_one(sizes.__getitem__), capacity=capacity))
    used = sum(sizes[p].tokens for row in rows for p in row) / (len(rows) * capacity.tokens)
    assert used >= 0.97


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 120), st.integers(0, 5)), min_size=1, max_size=80),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_every_sample_once_and_none_over_the_limit(
    raw: list[tuple[int, int]], window: int, seed: int
) -> None:
    sizes, capacity = [Size(*s) for s in raw], Size(120, 8)
    rows = list(
        Rows(
            order(len(sizes), 2.0),
            one_by_one(lambda p: sizes[p % len(sizes)]),
            capacity=capacity,
            window=window,
            seed=seed,
        )
    )
    assert sorted(p for row in rows for p in row) == list(range(2 * len(sizes)))
    for row in rows:
        assert sum(sizes[p % len(sizes)].tokens for p in row) <= capacity.tokens
        assert sum(sizes[p % len(sizes)].tiles for p in row) <= capacity.tiles


@given(st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_rows_go_on_from_any_place(at: int) -> None:
    sizes = realistic(300)

    def rows(state: State | None = None) -> Rows:
        return Rows(
            order(300), one_by_one(sizes.__getitem__), capacity=Size(16_384, 48), window=64, state=state
        )

    whole = list(rows())
    first = rows()
    begun = first.take(at)
    state = State(**first.snapshot().to_json())
    assert begun + list(rows(state)) == whole


def test_grouping_puts_like_lengths_together() -> None:
    sizes = realistic(512)
    rows = [
        row[0]
        for row in Rows(order(512), one_by_one(sizes.__getitem__), group=8, capacity=Size(1, 1), window=256)
    ]
    assert sorted(rows) == list(range(512))
    padding = sum(8 * max(sizes[p].tokens for p in rows[i : i + 8]) for i in range(0, 512, 8))
    assert padding < 1.1 * sum(s.tokens for s in sizes)


def test_samples_that_cannot_be_used_never_keep_it_searching() -> None:
    bad = BadSample("a.jsonl", 3, "no such picture")
    with pytest.raises(DataError, match="whole epoch"):
        Rows(order(5, None), one_by_one(lambda _: bad), capacity=Size(100, 4), window=2).take(1)
    with pytest.raises(DataError, match=r"a.jsonl: record 3: no such picture \(on_bad_sample"):
        Rows(order(5, None), one_by_one(lambda _: bad), capacity=Size(100, 4), stop=True).take(1)
    rows = Rows(
        order(5), one_by_one(lambda p: bad if p % 2 else Size(50, 0)), capacity=Size(100, 4), window=2
    )
    assert sorted(p for row in rows for p in row) == [0, 2, 4]
    assert rows.bad == [bad, bad]


def test_a_sample_larger_than_a_row_has_a_row_of_its_own() -> None:
    assert sorted(map(len, pack([Size(10, 0), Size(500, 0), Size(20, 0)], Size(100, 4)))) == [1, 2]


@pytest.fixture(scope="module")
def samples(mixed: Path, tokenizer: Any) -> list[Encoded]:
    import mmdata

    encoder = Encoder(tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=1, max_tiles=6))
    return [encoder.encode(one, str(mixed)) for one in mmdata.open(str(mixed / "mixed.jsonl")).samples()]


@pytest.fixture(scope="module")
def filler(tokenizer: Any) -> Encoded:
    return Encoder(tokenizer, "internvl2_5", InternVLMedia(tile=28, tokens=1)).dummy()


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    from mmtrain.attention import register

    attention = {"": "sdpa", "text_config": register(), "vision_config": "sdpa"}
    return AutoModelForImageTextToText.from_pretrained(tiny, attn_implementation=attention)


@pytest.fixture(scope="module")
def plain_model(tiny: Path) -> Any:
    """The same weights with transformers' own eager attention: the reference."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(tiny, attn_implementation="eager")


def alone(model: Any, sample: Encoded) -> torch.Tensor:
    """nll of each labelled token of a sample on its own."""
    inputs = {k: torch.from_numpy(v) for k, v in sample.media.items()}
    logits = model(input_ids=torch.from_numpy(sample.input_ids)[None], use_cache=False, **inputs).logits[
        0, :-1
    ]
    return torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(sample.labels[1:]), reduction="none", ignore_index=-100
    )[torch.from_numpy(sample.labels[1:] != -100)]


def test_packed_tokens_have_the_loss_they_have_alone(
    model: Any, plain_model: Any, samples: list[Encoded], filler: Encoded
) -> None:
    batch = packed(samples, filler, "token")
    at = torch.nonzero(batch.labels[0, 1:] != -100)[:, 0]
    with torch.no_grad():
        logits = model(**batch.inputs, use_cache=False, logits_to_keep=at).logits[0]
        together = torch.nn.functional.cross_entropy(logits, batch.labels[0, at + 1], reduction="none")
        reference = torch.cat([alone(plain_model, s) for s in samples])
    assert len(together) == len(reference)
    assert ((together - reference).abs() / reference).max() < 1e-5


@pytest.mark.parametrize("reduction", ["token", "sample", "square"])
def test_packed_and_padded_give_the_same_loss_and_gradient(
    model: Any, samples: list[Encoded], filler: Encoded, reduction: Any
) -> None:
    found = []
    for batch in (packed(samples[:8], filler, reduction), padded(samples[:8], filler, reduction, 0)):
        model.zero_grad()
        loss = weighted_nll(model, batch.inputs, batch.labels, batch.weights) / batch.weights.sum()
        loss.backward()
        found.append(
            (loss.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        )
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=2e-6)


def test_a_filler_changes_no_loss(model: Any, samples: list[Encoded], filler: Encoded) -> None:
    text = [s for s in samples if not s.media][:3]
    with torch.no_grad():
        losses = [
            weighted_nll(model, b.inputs, b.labels, b.weights).item()
            for b in (
                packed(text, None, "token"),
                packed(text, filler, "token"),
                padded(text, filler, "token", 0),
            )
        ]
        nothing = packed([], filler, "token")
        assert weighted_nll(model, nothing.inputs, nothing.labels, nothing.weights).item() == 0.0
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_no_segment_is_told_by_the_one_before(samples: list[Encoded], filler: Encoded) -> None:
    trained = [Encoded(s.input_ids, s.input_ids.copy(), s.media, s.tiles) for s in samples[:4]]
    batch = packed(trained, filler, "token")
    assert (batch.labels[0, batch.inputs["cu_seq_lens_q"][:-1].long()] == -100).all()
    assert (trained[0].labels >= 0).all()


def test_samples_taken_are_those_given_out_however_far_the_window_looks_ahead() -> None:
    rows = Rows(order(6, None), one_by_one(lambda _: Size(197, 7)), capacity=Size(2048, 24), window=1024)
    seen = 0
    for _ in range(50):
        seen += len(rows.take(1)[0])
        assert rows.snapshot().taken == seen
