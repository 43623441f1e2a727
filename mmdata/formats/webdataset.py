"""Tar shards of conversations, as `webdataset` reads them: `key.json` beside `key.jpg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdata.format import Evidence, Format, Guess
from mmdata.formats._shared import conversation
from schemas.sample import Sample

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def sniff(evidence: Evidence) -> Guess:
    """The container says it."""
    if evidence.container != "webdataset":
        return Guess(0.0, ("no tar shard",))
    return Guess(0.95, ("a tar shard",))


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record; the key and the further files of a sample that came from a shard go along.

    Raises:
        CannotEncode: as `mmdata.formats._shared.conversation.from_sample`.
    """
    own = {key: sample.extras.pop(key) for key in ("__key__", "mmdata_members") if key in sample.extras}
    return own | conversation.from_sample(sample, enc)


FORMAT = Format(
    name="webdataset",
    title="WebDataset (tar shards)",
    trainer="webdataset",
    container="webdataset",
    record_type="schemas.conversation:ConversationRecord",
    speaker=conversation.speaker,
    image_tag="<image>",
    video_tag="<video>",
    user_markers=frozenset({"<image>", "<video>"}),
    answer_markers=frozenset({"<ref>", "</ref>"}),
    kind=conversation.kind,
    media=conversation.media,
    sniff=sniff,
    to_sample=conversation.to_sample,
    from_sample=from_sample,
    paths="in the shard",
)
