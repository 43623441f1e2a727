"""What a record would lose by being parsed is seen, and texts that only look like it are not."""

from __future__ import annotations

import orjson
import pytest

from mmdata.converting.exactness import inexactness

RLE_TEXT = "0e1234567890123456789012345" * 60


@pytest.mark.parametrize("filling", ["", RLE_TEXT], ids=["short", "long"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": "0e123 11111111111111111111", "b": 1}', None),
        ('{"a": "\\\\", "b": "x\\\\\\"y: 12345678901234567890123", "c": [1.5e3]}', None),
        ('{"a": "\\\\\\\\\\", \\": 1", "b": 2}', None),
        ('{"a": "x", "b": 123456789012345678901234567890}', "big-int"),
        ('{"a": "\\\\", "b": 123456789012345678901234567890}', "big-int"),
        ('{"a": "x", "b": 1, "a": "y"}', "duplicate-key"),
        ('{"a": "\\"", "b": {"c": 1, "c": 2}}', "duplicate-key"),
    ],
)
def test_only_what_stands_outside_of_strings_counts(text: str, code: str | None, filling: str) -> None:
    data = (text[:-1] + f', "counts": "{filling}"}}').encode()
    found = inexactness(data, orjson.loads(data))
    assert (None if found is None else found[0]) == code
