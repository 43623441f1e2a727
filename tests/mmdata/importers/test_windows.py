"""Windows over key frames."""

from hypothesis import given
from hypothesis import strategies as st

from mmdata.importers._windows import windows


@given(n=st.integers(0, 40), window=st.integers(1, 12), stride=st.integers(1, 12))
def test_count_and_place(n, window, stride):
    found = windows(list(range(n)), window, stride)
    assert len(found) == (max(0, (n - window) // stride + 1) if n >= window else 0)
    assert all(list(one) == list(range(i * stride, i * stride + window)) for i, one in enumerate(found))


@given(n=st.integers(1, 40), window=st.integers(1, 12))
def test_stride_of_a_window_covers_without_overlap(n, window):
    covered = [frame for one in windows(list(range(n)), window, window) for frame in one]
    assert covered == list(range(n // window * window))
