"""Conversations in Parquet files and tar shards: samples, tags and masks (W01 to W03)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView

PACKED = ("parquet", "webdataset")


@check("W01", severity="error", formats=("webdataset",))
def sample_broken(record: RecordView) -> Iterator[Hit]:
    """The files of a shard do not make up the sample that is meant.

    Two files of one ending, files of a sample that are no neighbours, no `json` file, or other pictures than the record
    names.

    Upstream: webdataset groups neighbours by name: two files of one ending are a ValueError, parts that lie apart become two samples, each without what the other has; a file that is missing is a KeyError where it is mapped.
    Fix: Write the shard anew, all files of a sample one after another: `key.json`, `key.jpg` or `key.0.jpg`, `key.1.jpg`.
    Source: `webdataset.tariterators`, `group_by_keys`.
    Bad (webdataset): {"__key__": "000017", "mmdata_faults": ["the ending 'jpg' comes twice, at which webdataset stops"], "images": ["a.png"], "conversations": [{"from": "human", "value": "<image>What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (webdataset): {"__key__": "000017", "images": ["a.png"], "conversations": [{"from": "human", "value": "<image>What is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    faults = record.raw.get("mmdata_faults")
    for text in faults if isinstance(faults, list) else ():
        yield Hit(str(text), pointer="")


@check(
    "W02",
    severity="error",
    formats=PACKED,
    guard="(user_marks.count('<image>') == n_images or (n_images == 1 and '<image>' not in user_marks)) and n_videos == 0 and '<video>' not in user_marks",
)
def tags_and_media(record: RecordView) -> Iterator[Hit]:
    """The number of `<image>` or `<video>` tags is not that of pictures or videos.

    A single picture without a tag counts as shown before the first question.

    Upstream: processors of vision-language models raise a ValueError where the numbers differ; loaders that do not count show the wrong picture, or none.
    Fix: Write one tag for each picture or video, in order, in the questions.
    Source: the processors of Hugging Face transformers; LLaVA's and InternVL's loaders.
    Bad (parquet): {"images": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (parquet): {"images": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image><image>What is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    numbers = {"<image>": len(record.images), "<video>": len(record.videos)}
    if any(turn.speaker is None for turn in record.turns):
        return
    counted = {tag: record.count(tag, "user") for tag in numbers}
    if sum(numbers.values()) == 1 and not any(counted.values()):
        return
    for tag, number in numbers.items():
        if counted[tag] != number:
            yield Hit(f"{counted[tag]} {tag} in the questions for {number} in the record", pointer="")


@check("W03", severity="error", formats=PACKED, guard="r.masks is UNSET")
def masks_and_boxes(record: RecordView) -> Iterator[Hit]:
    """The number of masks is not that of the boxes, or a mask cannot be decoded.

    Mask k belongs to the k-th box of the answers.

    Upstream: this program refuses to convert the record: which mask belongs to which phrase is not known. Other readers know no column `masks`.
    Fix: Give one mask for each box, null where only the box is known.
    Source: this program; the column is its own.
    Bad (parquet): {"images": ["a.png"], "masks": [], "conversations": [{"from": "human", "value": "<image>Where?"}, {"from": "gpt", "value": "<ref>Here</ref><box>[[1,2,300,400]]</box>."}]}
    Good (parquet): {"images": ["a.png"], "masks": [null], "conversations": [{"from": "human", "value": "<image>Where?"}, {"from": "gpt", "value": "<ref>Here</ref><box>[[1,2,300,400]]</box>."}]}
    """
    masks = record.raw.get("masks")
    if not isinstance(masks, list):
        return
    from mmdata import masks as rle
    from mmdata.errors import DataError
    from mmdata.formats._shared.spans import GROUNDED, boxes

    found = 0
    for turn in record.spoken_by("assistant"):
        for match in GROUNDED.finditer(turn.text or ""):
            found += len(boxes(match["boxes"]) or ())
    if found != len(masks):
        yield Hit(f"{len(masks)} masks for {found} boxes", pointer="/masks")
    for number, one in enumerate(masks):
        if isinstance(one, dict):
            try:
                rle.check(one)
            except DataError as error:
                yield Hit(str(error), pointer=f"/masks/{number}")
