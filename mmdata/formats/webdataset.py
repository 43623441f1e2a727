"""Tar shards of conversations, as `webdataset` reads them: `key.json` beside `key.jpg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdata.formats._shared import conversation
from schemas.sample import Sample

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record; the key and the further files of a sample that came from a shard go along.

    Raises:
        CannotEncode: as `mmdata.formats._shared.conversation.from_sample`.
    """
    own = {key: sample.extras.pop(key) for key in ("__key__", "mmdata_members") if key in sample.extras}
    return own | conversation.from_sample(sample, enc)


FORMAT = conversation.packed_in(
    "webdataset",
    what="tar shard",
    title="WebDataset (tar shards)",
    trainer="webdataset",
    paths="in the shard",
    from_sample=from_sample,
)
