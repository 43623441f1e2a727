"""A model's answer to one question as files: JSON with the masks as RLE, and the picture with the masks laid over it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmdata import masks
from mmdata.errors import DataError
from mmtrain.data.pictures import load_rgb
from mmtrain.pointing import COLORS, asked, read_masks, shown
from mmtrain.pointing import described as regions_of
from schemas.sample import Media

if TYPE_CHECKING:
    from mmtrain.loading import Answer, Model

ANSWER, OVERLAY = "answer.json", "overlay.png"

_PHRASE = re.compile(
    r"(?:<p>(?P<phrase>(?:(?!<p>|</p>|\[SEG\]).)*)</p>\s*)?(?P<masks>(?:\[SEG\]\s*)*\[SEG\])", re.DOTALL
)


class Predicted(NamedTuple):
    """What was written: the answer, and the files."""

    answer: Answer
    json: Path
    overlay: Path | None


def phrases(text: str) -> list[str]:
    """The phrase of each ``[SEG]`` of an answer; several after one phrase share it, one without has the empty one."""
    found: list[str] = []
    for match in _PHRASE.finditer(text):
        found += [(match["phrase"] or "").strip()] * match["masks"].count("[SEG]")
    return found


def described(answer: Answer) -> list[dict[str, Any]]:
    """Of each mask: its phrase, score, area in pixels, box (left, top, width, height) and compressed COCO RLE."""
    found = []
    for name, mask, score in zip(phrases(answer.text), answer.masks, answer.scores, strict=True):
        rle = masks.encode(mask)
        box = [int(v) for v in masks.bbox(rle)]
        found.append(
            {
                "phrase": name,
                "score": round(float(score), 6),
                "area": int(masks.area(rle)),
                "box": box,
                "rle": dict(rle),
            }
        )
    return found


def overlay(picture: Image.Image, drawn: npt.NDArray[np.uint8], *, strength: float = 0.5) -> Image.Image:
    """A picture with masks laid over it, each in a colour of its own with a white edge, later ones on top.

    Args:
        picture: RGB.
        drawn: (N, H, W) of 0 and 1, of the picture's size.
        strength: how much of the colour, 0 to 1.
    """
    pixels = np.asarray(picture.convert("RGB"), np.float32).copy()
    for number, mask in enumerate(drawn):
        color = np.array(COLORS[number % len(COLORS)], np.float32)
        inside = mask != 0
        pixels[inside] = pixels[inside] * (1 - strength) + color * strength
        pixels[_edge(inside)] = 255
    return Image.fromarray(pixels.round().astype(np.uint8))


def _edge(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a mask with a neighbour above, below, left or right that is none; beyond the picture nothing is."""
    around = np.pad(inside, 1)
    core = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return inside & ~core


def predict(
    model: Model,
    image: str,
    question: str,
    output: str | Path,
    *,
    regions: Sequence[str] = (),
    video: bool = False,
    max_new_tokens: int = 512,
) -> Predicted:
    """Ask, and write the answer into a folder.

    Args:
        model: see `mmtrain.load`.
        image: path of a picture, or of a video.
        question: what to ask.
        output: folder, made with its parents.
        regions: of each ``<region>`` of the question a picture of its mask (for a video ``FRAME=PATH``, several after
            commas): what is not black belongs to it.
        video: whether `image` is a video.
        max_new_tokens: the answer ends there at the latest.

    Raises:
        DataError: a picture cannot be read, or the masks do not fit.
    """
    if regions and model.recipe != "regions":
        raise DataError(f"a model of the recipe {model.recipe} takes no regions; expected one of regions")
    sample = asked(
        Media("video" if video else "image", [image]), question, [read_masks(one, video) for one in regions]
    )
    answer = model.reply(sample, max_new_tokens=max_new_tokens)
    drawn = None
    if model.draws:
        drawn = overlay(load_rgb(image), answer.masks)
    elif regions:
        drawn = shown(sample, answer.text)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"video" if video else "image": image, "question": question, "answer": answer.text}
    told |= {"regions": regions_of(sample)} if regions else {"masks": described(answer)}
    _write(folder / ANSWER, (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())
    if drawn is None:
        return Predicted(answer, folder / ANSWER, None)
    stream = BytesIO()
    drawn.save(stream, "PNG")
    _write(folder / OVERLAY, stream.getvalue())
    return Predicted(answer, folder / ANSWER, folder / OVERLAY)


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
