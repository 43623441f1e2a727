"""A directory of frames, as the trainers list it.

VideoRefer takes every entry in lexicographic order. InternVL orders by the number in ``_<n>.jpg``; all other names
count as frame -1 and keep the order of the listing, which is the file system's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm"))
MAX_ENTRIES = 200_000
_SHOWN = 8
_INTERNVL_NUMBER = re.compile(r"_(\d+).jpg$")  # the dot stands for any character in the trainer's code, too
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True)
class FrameDirectory:
    """What a directory of frames holds.

    Attributes:
        entries: number of entries; VideoRefer counts every one as a frame.
        first: the first names in lexicographic order, at most 8.
        strays: entries that are no pictures by their name (subdirectories among them), at most 8 listed.
        stray_count: how many there are.
        unnumbered: picture names without InternVL's ``_<n>.jpg``, at most 8 listed.
        unnumbered_count: how many there are.
        unpadded: two neighbours of the lexicographic order whose numbers are in the opposite order (``f10.jpg``,
            ``f2.jpg``), or None.
    """

    entries: int
    first: tuple[str, ...]
    strays: tuple[str, ...]
    stray_count: int
    unnumbered: tuple[str, ...]
    unnumbered_count: int
    unpadded: tuple[str, str] | None


def list_frames(path: str) -> tuple[FrameDirectory, list[str]]:
    """The facts of a directory, and the names of its pictures in lexicographic order.

    Of a directory with more than `MAX_ENTRIES` entries only so many are looked at.

    Raises:
        OSError: it cannot be listed.
    """
    pictures: list[str] = []
    strays: list[str] = []
    with os.scandir(path) as listing:
        for entry in listing:
            if len(pictures) + len(strays) >= MAX_ENTRIES:
                break
            picture = os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES and not entry.is_dir()
            (pictures if picture else strays).append(entry.name)
    pictures.sort()
    strays.sort()
    unnumbered = [name for name in pictures if not _INTERNVL_NUMBER.search(name)]
    facts = FrameDirectory(
        entries=len(pictures) + len(strays),
        first=tuple(sorted([*pictures[:_SHOWN], *strays[:_SHOWN]])[:_SHOWN]),
        strays=tuple(strays[:_SHOWN]),
        stray_count=len(strays),
        unnumbered=tuple(unnumbered[:_SHOWN]),
        unnumbered_count=len(unnumbered),
        unpadded=_unpadded(pictures),
    )
    return facts, pictures


def _unpadded(names: list[str]) -> tuple[str, str] | None:
    previous: tuple[str, str, int] | None = None
    for name in names:
        found = _LAST_NUMBER.search(os.path.splitext(name)[0])
        if found is None:
            continue
        stem, number = name[: found.start()], int(found.group(1))
        if previous is not None and previous[0] == stem and number < previous[2]:
            return previous[1], name
        previous = stem, name, number
    return None
