"""A question that points at objects: the sample made of it and its masks, and a picture of what it points at.

The k-th ``<region>`` of the question is the k-th object. `shown` draws them outlined and numbered, of a video every frame with
a mask side by side, and beside them the question with the numbers in place of ``<region>``, and the answer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from mmdata import masks
from mmdata.errors import DataError, UsageError
from mmdata.masks.placed import MaskSource, ascending
from mmtrain.data.encode import media_path
from mmtrain.data.pictures import load_rgb
from mmtrain.data.refer_frames import frames_at
from schemas.sample import (
    Media,
    MediaPart,
    Part,
    RegionPart,
    RLEMask,
    Sample,
    SampleObject,
    SampleTurn,
    TextPart,
)

Masks = Mapping[str, npt.NDArray[np.uint8]]
"""Masks (H, W) of 0 and 1 of an object by frame; on a picture one, under the empty key."""

COLORS = (
    (240, 50, 230),
    (66, 212, 244),
    (245, 130, 49),
    (60, 180, 75),
    (67, 99, 216),
    (230, 25, 75),
    (191, 239, 69),
)
"""Of regions, one after the other, over again after the last."""

LEAST_SIDE, FONT, GAP = 224, 15, 8
"""Pixels: small pictures are enlarged to the first, by whole numbers; height of the text; between things."""


def pointed(question: str, regions: Sequence[Masks]) -> tuple[list[Part], list[SampleObject]]:
    """A question in parts, and its objects; without objects it is text as it stands.

    Raises:
        DataError: there are not as many ``<region>`` as objects.
    """
    if not regions:
        return [TextPart(question)], []
    first, *rest = question.split("<region>")
    if len(rest) != len(regions):
        raise DataError(f"{len(rest)} <region> in the question for {len(regions)} masks")
    parts: list[Part] = [TextPart(first)]
    objects = []
    for number, (seen, text) in enumerate(zip(regions, rest, strict=True)):
        made = {key: (mask.shape, masks.encode(mask)["counts"]) for key, mask in seen.items()}
        objects.append(
            SampleObject({key: RLEMask((int(h), int(w)), counts) for key, ((h, w), counts) in made.items()})
        )
        parts += [RegionPart(number), TextPart(text)]
    return parts, objects


def asked(media: Media, question: str, regions: Sequence[Masks]) -> Sample:
    """One question about a picture or video.

    Raises:
        DataError: there are not as many ``<region>`` as objects.
    """
    parts, objects = pointed(question, regions)
    return Sample([SampleTurn("user", [MediaPart(0), *parts])], media=[media], objects=objects)


def read_masks(given: str, video: bool) -> dict[str, npt.NDArray[np.uint8]]:
    """Masks of an object from pictures of them: what is not black belongs to it.

    Args:
        given: a path; for a video ``FRAME=PATH``, several after commas.
        video: which of both.

    Raises:
        UsageError: it is not written so.
        DataError: a picture cannot be read.
    """

    def drawn(path: str) -> npt.NDArray[np.uint8]:
        found: npt.NDArray[np.uint8] = (np.asarray(load_rgb(path)).max(2) > 0).astype(np.uint8)
        return found

    if not video:
        return {"": drawn(given)}
    pairs = [one.partition("=") for one in given.split(",")]
    wrong = [one for one in pairs if not (one[0].isascii() and one[0].isdigit() and one[2])]
    if wrong:
        raise UsageError(
            f"--region {given}: of a video expected FRAME=MASK, several after commas, such as 3=a.png,9=b.png; frames "
            "are counted from 0"
        )
    numbers = [int(one[0]) for one in pairs]
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--region {given}: a frame has more than one mask")
    return {str(number): drawn(path) for number, (_, _, path) in zip(numbers, pairs, strict=True)}


def described(sample: Sample, root: str | None = None) -> list[dict[str, Any]]:
    """Of each object its number and, by frame, area in pixels, box (left, top, width, height) and compressed COCO RLE."""
    found = []
    for number, by_frame in enumerate(_drawn(sample, root), 1):
        frames = {}
        for key, mask in by_frame.items():
            rle = masks.encode(mask)
            box = [int(v) for v in masks.bbox(rle)]
            frames[key] = {"area": int(masks.area(rle)), "box": box, "rle": dict(rle)}
        found.append({"number": number, "masks": frames})
    return found


def shown(sample: Sample, answer: str, root: str | None = None) -> Image.Image:
    """What the last question of a sample points at, with its text and the answer.

    Letters that Pillow's own font lacks are boxes.

    Args:
        sample: its objects lie on its first medium; the last turn is the question.
        answer: to it.
        root: directory that relative media paths start from.

    Raises:
        DataError: the picture or video cannot be read.
    """
    objects = _drawn(sample, root)
    media = sample.media[0]
    if media.kind == "image":
        scenes = {"": load_rgb(media_path(media.paths[0], root))}
    else:
        keys = ascending({key: None for own in objects for key in own})
        scenes = dict(zip(keys, frames_at(media, root, [int(key) for key in keys]), strict=True))
    drawn = []
    for key, picture in scenes.items():
        own = {k: seen[key] for k, seen in enumerate(objects) if key in seen}
        drawn.append(captioned(outlined(picture, own), f"frame {key}" if key else ""))
    question = "".join(
        f"[{part.object + 1}]" if isinstance(part, RegionPart) else part.text
        for part in sample.turns[-1].parts
        if isinstance(part, (RegionPart, TextPart))
    )
    return beside(side_by_side(drawn), f"{question.strip()}\n\n{answer.strip()}")


def outlined(picture: Image.Image, drawn: Mapping[int, npt.NDArray[np.uint8]]) -> Image.Image:
    """A picture with regions outlined in colours of their own and numbered from 1; small ones enlarged.

    Args:
        picture: RGB.
        drawn: by the number of the object, from 0: (H, W) of 0 and 1, of the picture's size.
    """
    times = max(1, -(-LEAST_SIDE // min(picture.size)))
    made = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    pixels = np.asarray(made.convert("RGB")).copy()
    for number, mask in drawn.items():
        inside = np.repeat(np.repeat(mask != 0, times, 0), times, 1)
        core = inside
        for _ in range(max(2, times // 2)):
            core = _eroded(core)
        pixels[inside & ~core] = COLORS[number % len(COLORS)]
    made = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(FONT)
    for number, mask in drawn.items():
        ys, xs = np.nonzero(mask)
        if not len(ys):
            continue
        at = (int(xs.min()) * times, max(0, int(ys.min()) * times - FONT))
        box = draw.textbbox(at, str(number + 1), font=font)
        draw.rectangle((box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), fill=COLORS[number % len(COLORS)])
        draw.text(at, str(number + 1), fill=(0, 0, 0), font=font)
    return made


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """A line of text under a picture, if there is text."""
    if not text:
        return picture
    made = Image.new("RGB", (picture.width, picture.height + FONT + GAP), "white")
    made.paste(picture, (0, 0))
    ImageDraw.Draw(made).text(
        (GAP // 2, picture.height + GAP // 4), text, fill=(0, 0, 0), font=ImageFont.load_default(FONT)
    )
    return made


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row on white."""
    width = sum(one.width for one in pictures) + GAP * (len(pictures) - 1)
    made = Image.new("RGB", (max(1, width), max((one.height for one in pictures), default=1)), "white")
    left = 0
    for one in pictures:
        made.paste(one, (left, 0))
        left += one.width + GAP
    return made


def beside(picture: Image.Image, text: str, columns: int = 36) -> Image.Image:
    """A picture, and to the right of it text of so many letters a line."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, columns) or [""]]
    font = ImageFont.load_default(FONT)
    wide = max((int(font.getlength(line)) for line in lines), default=0)
    height = max(picture.height, len(lines) * (FONT + 4) + GAP)
    made = Image.new("RGB", (picture.width + 3 * GAP + wide, height), "white")
    made.paste(picture, (0, 0))
    draw = ImageDraw.Draw(made)
    for row, line in enumerate(lines):
        draw.text((picture.width + 2 * GAP, row * (FONT + 4)), line, fill=(0, 0, 0), font=font)
    return made


def _drawn(sample: Sample, root: str | None) -> list[dict[str, npt.NDArray[np.uint8]]]:
    """Of each object its masks by frame, frames ascending; those it has none on left out."""
    source = MaskSource(root)
    found = []
    for number, one in enumerate(sample.objects):
        seen = {key: one.masks[key] for key in ascending(one.masks)}
        found.append(
            {
                key: source.place(sample, number, key, mask).draw()
                for key, mask in seen.items()
                if mask is not None
            }
        )
    return found


def _eroded(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels whose neighbours above, below, left and right are inside too; beyond the picture nothing is."""
    around = np.pad(inside, 1)
    found: npt.NDArray[np.bool_] = (
        inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    )
    return found
