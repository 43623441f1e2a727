"""Parquet files of conversations, as Hugging Face `datasets` reads and writes them."""

from __future__ import annotations

from mmdata.format import Evidence, Format, Guess
from mmdata.formats._shared import conversation


def sniff(evidence: Evidence) -> Guess:
    """The container says it."""
    if evidence.container != "parquet":
        return Guess(0.0, ("no Parquet file",))
    return Guess(0.95, ("a Parquet file",))


FORMAT = Format(
    name="parquet",
    title="Parquet (Hugging Face datasets)",
    trainer="Hugging Face datasets",
    container="parquet",
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
    from_sample=conversation.from_sample,
    paths="in the file, or from the working directory",
)
