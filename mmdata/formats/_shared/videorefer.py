"""What the encoders of both VideoRefer dialects share."""

from __future__ import annotations

from typing import Any

from mmdata.encoding import CannotEncode, Encoding
from mmdata.formats._shared import encode
from schemas.sample import MediaPart, PhrasePart, PolygonMask, RegionPart, RLEMask, Sample, SampleTurn

LITERALS = encode.markers("<image>", "<video>", "<region>")


def segmentation(object: int, frame: str, enc: Encoding) -> Any:
    """A mask as VideoRefer takes it: RLE and COCO polygons as they are, all else as compressed RLE; None if empty."""
    mask = enc.mask(object, frame)
    if mask is None:
        return None
    enc.kept("masks")
    if isinstance(mask, RLEMask):
        return {"size": list(mask.size), "counts": mask.counts}
    if isinstance(mask, PolygonMask) and mask.rule == "coco" and mask.rings is not None:
        return [[value for point in ring for value in point] for ring in mask.rings]
    return enc.rle(object, frame)


def canvas(enc: Encoding, used: list[tuple[int, str]]) -> dict[str, int]:
    """``height`` and ``width`` of the record's masks.

    Raises:
        CannotEncode: they differ.
    """
    sizes = {enc.canvas(number, frame) for number, frame in used if enc.mask(number, frame) is not None}
    if len(sizes) > 1:
        raise CannotEncode("V09", f"masks of different sizes in one record: {sorted(sizes)}")
    if enc.sample.height and enc.sample.width:
        sizes = {(enc.sample.height, enc.sample.width)}
    return {key: value for size in sizes for key, value in zip(("height", "width"), size, strict=True)}


def turns(
    sample: Sample, enc: Encoding, used: list[tuple[int, list[str]]], *, every_mask: bool
) -> list[dict[str, Any]]:
    """The turns; `used` gets each region's object and frames in the order of the placeholders.

    Args:
        sample: the sample.
        enc: told what became of everything.
        used: is filled.
        every_mask: each mask has a placeholder of its own (VideoLLaMA3 dialect), else each object.
    """
    tag = "<video>" if sample.media and sample.media[0].kind != "image" else "<image>"

    def regions(number: int, keys: list[str]) -> str:
        if not every_mask:
            used.append((number, keys))
            return "<region>"
        given = [key for key in keys if enc.mask(number, key) is not None]
        if len(given) < len(keys):
            enc.lost("masks", "the dialect has no empty masks")
        if not given:
            raise CannotEncode("L07", f"object {number} has only empty masks")
        used.extend((number, [key]) for key in given)
        return "<region>" * len(given)

    def write(part: MediaPart | RegionPart | PhrasePart, turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            if turn.role != "user":
                raise CannotEncode("placeholders", "a picture in an answer")
            return f"{tag}\n" if part.implied else tag
        if isinstance(part, RegionPart):
            one = sample.objects[part.object]
            return regions(part.object, [part.frame] if part.frame is not None else list(one.masks))
        if turn.role != "user":
            return encode.phrase_alone(part, enc)
        text = "".join(regions(k, list(sample.objects[k].masks)) for k in part.objects)
        return f"{part.text.strip()} {text}" if part.text else text

    return encode.conversations(sample, enc, answer="gpt", pattern=LITERALS, write=write)
