"""The inverse task: masks as answers become region prompts, region prompts become masks as answers."""

from __future__ import annotations

from mmdata.encoding import CannotEncode
from schemas.sample import MediaPart, Part, PhrasePart, RegionPart, Sample, SampleTurn, TextPart

ASK_NAME = "What is "
ASK_MASK = "Please segment what is described here: "


def inverted(sample: Sample) -> Sample:
    """The sample with the task turned round; one without masks stays as it is.

    Phrases as answers (GeoPixel, InternVL) become one question a phrase, ``What is <region>?``, answered by the phrase;
    what the dense caption says around the phrases has no place. Region prompts (VideoRefer) become a request to segment
    what the answer says.

    Raises:
        CannotEncode: masks without phrases, or regions without an answer to name them by.
    """
    parts = [part for turn in sample.turns for part in turn.parts]
    if any(isinstance(part, RegionPart) for part in parts):
        return _with(sample, _to_masks(sample))
    if any(isinstance(part, PhrasePart) for part in parts):
        return _with(sample, _to_regions(sample))
    return sample


def _with(sample: Sample, turns: list[SampleTurn]) -> Sample:
    if sample.media:
        turns[0].parts[:0] = [MediaPart(k, implied=True) for k in range(len(sample.media))]
    return Sample(
        turns,
        sample.media,
        sample.objects,
        sample.id,
        sample.width,
        sample.height,
        sample.extras,
        sample.origin,
    )


def _to_regions(sample: Sample) -> list[SampleTurn]:
    turns: list[SampleTurn] = []
    for part in (part for turn in sample.turns if turn.role == "assistant" for part in turn.parts):
        if not isinstance(part, PhrasePart):
            continue
        if part.text is None:
            raise CannotEncode("invert", "a mask without a phrase: there is no answer to a question about it")
        asked: list[Part] = [TextPart(ASK_NAME)]
        for number, one in enumerate(part.objects):
            asked += [TextPart(" and ")] if number else []
            asked.append(RegionPart(one))
        turns += [
            SampleTurn("user", [*asked, TextPart("?")]),
            SampleTurn("assistant", [TextPart(part.text.strip())]),
        ]
    if not turns:
        raise CannotEncode("invert", "no phrase with a mask in an answer")
    return turns


def _to_masks(sample: Sample) -> list[SampleTurn]:
    turns: list[SampleTurn] = []
    for asked, said in zip(sample.turns, sample.turns[1:], strict=False):
        regions = [part for part in asked.parts if isinstance(part, RegionPart)]
        if asked.role != "user" or said.role != "assistant" or not regions:
            continue
        text = "".join(part.text for part in said.parts if isinstance(part, TextPart)).strip()
        answer: list[Part] = []
        for part in regions:
            answer += [TextPart(" ")] if answer else []
            answer.append(PhrasePart(None, [part.object]))
        turns += [SampleTurn("user", [TextPart(ASK_MASK + text)]), SampleTurn("assistant", answer)]
    if not turns:
        raise CannotEncode("invert", "no region in a question that is answered")
    return turns


__all__ = ["inverted"]
