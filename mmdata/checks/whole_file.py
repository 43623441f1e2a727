"""What only the whole file shows, in every format: C15."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import FileView

_NAMED = 5
"""Records of a group of duplicates that a message names."""


@check("C15", severity="info")
def duplicate_id(file: FileView) -> Iterator[Hit]:
    """Several records have the same `id`.

    Often a sign that a file was appended to itself. Records without `id`, or with null, do not count.

    Upstream: Nothing: no trainer reads `id` (the VideoLLaMA3 dialect numbers the records anew).
    Fix: Give each record an id of its own, or remove the copies.
    Source: the data set classes of all trainers.
    Bad (internvl): [{"id": 7, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, {"id": 7, "conversations": [{"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Bye!"}]}]
    Good (internvl): [{"id": 7, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, {"id": 8, "conversations": [{"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Bye!"}]}]
    """
    told = 0
    for group in file.duplicates:
        if len(group.records) < 2:
            continue
        told += len(group.records) - 1
        first, *again = group.records
        named = ", ".join(map(str, again[:_NAMED])) + (", ..." if len(again) > _NAMED else "")
        what = "the id" if group.value is None else f"the id {_short(group.value)}"
        records = "record" if len(again) == 1 else "records"
        yield Hit(
            f"{what} of record {first} comes again in {records} {named}", pointer="/id", record=again[0]
        )
    more = file.duplicate_total - told
    if more > 0:
        yield Hit(f"{more} more {'record has' if more == 1 else 'records have'} an id that came before")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
