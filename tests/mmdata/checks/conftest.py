"""`hits`: run one record check on one record, without files around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmdata.checks.registry import Hit, get_check
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.options import Options

Hits = Callable[..., list[Hit]]


@pytest.fixture
def hits() -> Hits:
    """``hits(code, format, record, **options)`` -> the hits of that check on that record, guard not consulted."""

    def run(code: str, format_name: str, record: dict[str, Any], **options: Any) -> list[Hit]:
        item = get_check(code)
        assert item.applies_to(format_name), f"{code} is not about {format_name}"
        view = RecordView(
            raw=record, format=get_format(format_name), options=Options(**options), index=0, path="data.json"
        )
        return list(item.function(view))

    return run
