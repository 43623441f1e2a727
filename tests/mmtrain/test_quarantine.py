"""The list of samples that were left out."""

from __future__ import annotations

import json
from pathlib import Path

from mmtrain.quarantine import bad_records


def test_a_reason_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    of = [("a.json", 1, "text \u2028 and \x85 more"), ("a.json", 1, "again"), ("b.json", 1, "")]
    lines = [
        json.dumps({"step": 1, "source": source, "record": record, "reason": why}, ensure_ascii=False)
        for source, record, why in of
    ]
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    assert bad_records(path) == 2
