"""The region module: pooling and merging against plain statements of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from mmtrain.data.regions import Merging  # noqa: E402
from mmtrain.heads.regions import clustered, counted_through, joined, means_of_clusters, merged, pooled  # noqa: E402


def test_pooled_features_are_weighted_means_whatever_sample_they_are_of() -> None:
    """Three samples end to end, the middle one without regions; indices count within each."""
    rng = np.random.default_rng(0)
    tiles, pairs = [2, 3, 4], [2, 0, 3]
    patches = rng.standard_normal((sum(tiles), 6, 5)).astype(np.float32)
    cells, weights, sizes, expected = [], [], [], []
    first = 0
    for n, count in zip(tiles, pairs, strict=True):
        own = 0
        for pair in range(count):
            total, share = np.zeros(5), 0.0
            for place in rng.choice(n * 6, 4, replace=False):
                tile, patch = divmod(int(place), 6)
                weight = float(np.float32(rng.random()))
                cells.append((pair, int(place)))
                weights.append(weight)
                total += weight * patches[first + tile, patch]
                share += weight
                own += 1
            expected.append(total / share)
        sizes.append((n * 6, count, own))
        first += n
    counted = counted_through(torch.tensor(sizes), torch.tensor(cells))
    found = pooled(torch.from_numpy(patches.reshape(-1, 5)), counted, torch.tensor(weights))
    np.testing.assert_allclose(found.numpy(), np.array(expected), rtol=1e-5, atol=1e-6)


def by_hand(tokens: np.ndarray, most: int) -> np.ndarray:
    """Neighbours joined from the most alike on, as sets of indices."""
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    alike = (unit[:-1] * unit[1:]).sum(1)
    groups = [{k} for k in range(len(tokens))]
    for k in sorted(range(len(alike)), key=lambda k: -alike[k])[: max(0, len(tokens) - most)]:
        one, two = (next(g for g in groups if n in g) for n in (k, k + 1))
        groups.remove(two)
        one |= two
    return np.stack([tokens[sorted(group)].mean(0) for group in sorted(groups, key=min)])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_neighbours_most_alike_are_joined(count: int, most: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).standard_normal((count, 4))
    found = joined(torch.from_numpy(tokens), most).numpy()
    assert len(found) == min(count, most)
    np.testing.assert_allclose(found, by_hand(tokens, most), atol=1e-9)


def test_equal_tokens_still_give_the_number_that_was_promised() -> None:
    assert joined(torch.ones(7, 3), 4).shape == (4, 3)


def test_frames_are_averaged_or_joined_region_by_region() -> None:
    means = torch.arange(12.0).reshape(6, 2) + 1
    assert merged(means, [1, 5], Merging()).tolist() == [[1, 2], means[1:].mean(0).tolist()]
    assert merged(means, [1, 5], Merging("tokens", 3)).shape == (4, 2)


def token_merge(x: np.ndarray, r: int) -> np.ndarray:
    """As VideoRefer states it: a run ends where the likeness to the next is below the r-th highest of all."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    likeness = np.einsum("nc,nc->n", unit[:-1], unit[1:])
    bound = np.sort(likeness)[len(likeness) - r]
    runs: list[list[np.ndarray]] = [[]]
    for token, near in zip(x, [*likeness, -2.0], strict=True):
        runs[-1].append(token)
        if near < bound:
            runs.append([])
    return np.stack([np.mean(run, 0) for run in runs if run])


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 14), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_without_ties_it_is_videorefers_token_merge(count: int, most: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).standard_normal((count, 4))
    found = joined(torch.from_numpy(tokens), most).numpy()
    np.testing.assert_allclose(found, token_merge(tokens, count - most), atol=1e-9)


def kmeans(tokens: np.ndarray, most: int, rounds: int = 20) -> np.ndarray:
    """Centres, one distance and one mean after the other."""
    if len(tokens) <= most:
        return tokens
    centres = [tokens[k * len(tokens) // most] for k in range(most)]
    for _ in range(rounds):
        own: list[list[np.ndarray]] = [[] for _ in centres]
        for token in tokens:
            own[int(np.argmin([((token - centre) ** 2).sum() for centre in centres]))].append(token)
        moved = [np.mean(some, 0) if some else old for some, old in zip(own, centres, strict=True)]
        same = np.allclose(centres, moved, rtol=1e-5, atol=1e-6)
        centres = moved
        if same:
            break
    return np.stack(centres)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 10), st.booleans(), st.integers(0, 2**32 - 1))
def test_clusters_are_those_of_k_means(count: int, most: int, alike: bool, seed: int) -> None:
    """Also where tokens are equal, so that clusters lose all of theirs."""
    draw = np.random.default_rng(seed)
    tokens = draw.integers(0, 2, (count, 3)).astype(float) if alike else draw.standard_normal((count, 3))
    found = means_of_clusters(torch.from_numpy(tokens), most).numpy()
    assert found.shape == (min(count, most), 3)
    np.testing.assert_allclose(found, kmeans(tokens, most), atol=1e-6)


def test_clusters_never_mix_regions_and_pass_gradients() -> None:
    features = torch.randn(9, 4, requires_grad=True)
    cells = torch.tensor([[0, 8], [0, 1], [1, 1], [2, 3], [2, 4], [2, 5], [3, 0]])
    found = clustered(features, cells, [2, 1, 1], 2)  # regions of two frames, one and one
    plain = features.detach().numpy()
    expected = [kmeans(plain[[8, 1, 1]], 2), kmeans(plain[[3, 4, 5]], 2), plain[[0]]]
    np.testing.assert_allclose(found.detach().numpy(), np.concatenate(expected), atol=1e-5)
    found.sum().backward()
    assert features.grad is not None
    assert features.grad.abs().sum(1).gt(0).tolist() == [k in (0, 1, 3, 4, 5, 8) for k in range(9)]
