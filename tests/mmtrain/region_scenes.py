"""VideoRefer records in both dialects: moving rectangles in a folder of frames, a gif and a video, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmdata import masks

Record = dict[str, Any]

SIZE = (60, 84)
FRAMES = 6
COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 230)}


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def place(color: int, frame: int) -> np.ndarray:
    """Where the rectangle of a colour lies on a frame: uint8 (h, w)."""
    mask = np.zeros(SIZE, np.uint8)
    top, left = 2 + 19 * color, 4 + 9 * frame + 3 * color
    mask[top : top + 16, left : left + 18] = 1
    return mask


def frame(number: int) -> np.ndarray:
    """uint8 (h, w, 3)."""
    picture = np.full((*SIZE, 3), 90, np.uint8)
    for color, rgb in enumerate(COLORS.values()):
        picture[place(color, number) == 1] = rgb
    return picture


def rle(color: int, number: int) -> Record:
    return {"segmentation": masks.encode(place(color, number))}


def video(folder: Path, name: str) -> str:
    """The frames as a folder, a gif or an mp4, by the name."""
    pictures = [Image.fromarray(frame(k)) for k in range(FRAMES)]
    path = folder / name
    if name.endswith(".gif"):
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    elif name.endswith(".mp4"):
        import av

        with av.open(str(path), "w") as out:
            stream = out.add_stream("mpeg4", rate=5)
            stream.height, stream.width = SIZE
            stream.pix_fmt = "yuv420p"
            for picture in pictures:
                for packet in stream.encode(av.VideoFrame.from_image(picture)):
                    out.mux(packet)
            for packet in stream.encode():
                out.mux(packet)
    else:
        path.mkdir()
        for k, picture in enumerate(pictures):
            picture.save(path / f"{k:03}.png")
    return name


def write(folder: Path, name: str, records: list[Record]) -> Path:
    path = folder / name
    path.write_text(json.dumps(records))
    return path


def make(folder: Path) -> dict[str, Path]:
    """One file a kind: ``v1``, ``vl3``, ``image``, ``plain`` (no regions) and ``text``."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [video(folder, name) for name in ("frames", "moving.gif")]
    Image.fromarray(frame(2)).save(folder / "2.png")
    size = {"height": SIZE[0], "width": SIZE[1]}
    names = list(COLORS)
    v1 = [
        {
            "id": k,
            "video": clips[k % 2],
            "annotation": [{str(f): rle(c, f) for f in (1, 3, 5)[: k + 1]} for c in (k % 3, (k + 1) % 3)],
            "conversations": turns(
                "<video>\nWhat is <region> and what is <region>?", f"{names[k % 3]} and {names[(k + 1) % 3]}"
            ),
            **size,
        }
        for k in range(3)
    ]
    vl3 = [
        {
            "id": 10 + k,
            "video": [clips[k]],
            "masks": [{"0": rle(k, 0)["segmentation"], "4": rle(k, 4)["segmentation"]}],
            "conversations": turns("<video>\nIs <region> the same as <region>?", f"yes, {names[k]}"),
            **size,
        }
        for k in range(2)
    ]
    image = [
        {
            "id": 20 + k,
            "image": "2.png",
            "annotation": [{"0": rle(k, 2)}],
            "conversations": turns("<image>\nWhat is <region>?", names[k]),
            **size,
        }
        for k in range(3)
    ]
    plain = [{"id": 30, "image": "2.png", "conversations": turns("<image>\nWhat is it?", "some colours")}]
    text = [{"id": 40, "conversations": turns("What is red?", "a colour")}]
    kinds = {"v1": v1, "vl3": vl3, "image": image, "plain": plain, "text": text}
    return {kind: write(folder, f"{kind}.json", records) for kind, records in kinds.items()}
