"""InternLM-XComposer 2.5: conversations with ``<ImageHere>`` where the pictures go."""

from __future__ import annotations

from mmdata.format import Evidence, Format, Guess
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.xcomposer import from_sample, kind, media, speaker, to_sample


def sniff(evidence: Evidence) -> Guess:
    """``<ImageHere>`` and the role words speak for it; masks speak for GeoPixel."""
    return weigh(
        evidence,
        0.2,
        [
            (lambda r: says(r, "<ImageHere>"), 0.6, "<ImageHere> in the text"),
            (lambda r: speaks(r, "bot", "user", "assistant"), 0.5, "the roles `user`, `assistant` or `bot`"),
            (
                lambda r: any(k in r for k in ("polygons", "segmentation", "polygon", "mask")),
                -0.6,
                "masks, as GeoPixel has them",
            ),
            (lambda r: says(r, "[SEG]"), -0.4, "[SEG] in the answers, as GeoPixel has it"),
            (lambda r: says(r, "<image>", "<video>", "<region>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": -0.4},
    )


FORMAT = Format(
    name="xcomposer",
    title="InternLM-XComposer 2.5 (vision and text)",
    trainer="InternLM-XComposer 2.5",
    container="array",
    record_type="schemas.xcomposer:XComposerRecord",
    speaker=speaker,
    image_tag="<ImageHere>",
    user_markers=frozenset({"<ImageHere>"}),
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    paths="from the working directory",
)
