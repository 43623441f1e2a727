"""InternLM-XComposer 2.0: as 2.5, but ``image`` is always a list."""

from __future__ import annotations

from mmdata.format import Evidence, Format, Guess
from mmdata.formats._shared.evidence import says, weigh
from mmdata.formats._shared.xcomposer import from_sample, kind, media, speaker, to_sample


def sniff(evidence: Evidence) -> Guess:
    """Never the first guess: whatever 2.0 reads, 2.5 reads too."""
    return weigh(
        evidence,
        0.1,
        [
            (lambda r: says(r, "<ImageHere>"), 0.3, "<ImageHere> in the text"),
            (lambda r: isinstance(r.get("image"), list), 0.05, "`image` is a list"),
            (lambda r: isinstance(r.get("image"), str), -0.3, "`image` is a string, which 2.0 does not read"),
            (
                lambda r: any(k in r for k in ("polygons", "segmentation")),
                -0.6,
                "masks, as GeoPixel has them",
            ),
        ],
    )


FORMAT = Format(
    name="xcomposer-2.0",
    title="InternLM-XComposer 2.0 (image lists)",
    trainer="InternLM-XComposer 2.0",
    container="array",
    record_type="schemas.xcomposer:XComposer20Record",
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
