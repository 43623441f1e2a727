"""LLaVA: `<image>` against the pictures that the record names (N01)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit

TAG = "<image>"

ALL = "user_marks.count('<image>') + answer_marks.count('<image>') + other_marks.count('<image>')"


@check(
    "N01",
    severity="error",
    formats=("llava",),
    guard=f"{ALL} == n_images + n_videos",
    fixable="sometimes",
)
def llava_tags(record: RecordView) -> Iterator[Hit]:
    """The number of `<image>` is not the number of pictures.

    A video, which only LLaVA-NeXT reads, has one `<image>` too.

    Upstream: Without a tag the picture is loaded and never shown; with more tags than pictures the forward pass takes the next sample's picture or runs out of them. In a record without a picture the tag is plain text.
    Fix: Write one `<image>` for each picture, the first in front of the first question.
    Source: LLaVA `llava/train/train.py` (preprocess_multimodal) and `llava/model/llava_arch.py`.
    Bad (llava): {"image": "a.png", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (llava): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (llava): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    tags, wanted = record.count(TAG), len(record.images) + len(record.videos)
    if tags == wanted:
        return
    asked = record.spoken_by("user")
    edits: tuple[Edit, ...] = ()
    if tags == 0 and wanted == 1 and asked and asked[0].text is not None:
        edits = (Edit("set", asked[0].text_pointer, f"{TAG}\n{asked[0].text}"),)
    names = "1 picture or video" if wanted == 1 else f"{wanted} pictures"
    yield Hit(
        f"{tags} {TAG} in the text and {names} in the record",
        pointer="/image" if record.images else "/video" if record.videos else "",
        severity=None if wanted else "warning",
        edits=edits,
        unsafe=True,
    )
