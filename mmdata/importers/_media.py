"""Names and sizes of pictures below a root, looked at once each."""

from __future__ import annotations

import os

from mmdata.importing import ImportLedger
from mmdata.media.images import probe

ENDINGS = ("tif", "png", "jpg", "jpeg")


class PictureNames:
    """Gives numbered pictures their file names.

    Args:
        root: directory where they lie; None if they are not to be looked at.
        ending: theirs, where the root does not tell.
        ledger: told of pictures that are not there.
    """

    def __init__(self, root: str | None, ending: str, ledger: ImportLedger) -> None:
        self._root = root
        self._ending = ending.lstrip(".")
        self._ledger = ledger
        self._known: dict[str, str] = {}

    def of(self, stem: str) -> str:
        """The file name of a picture: with the ending that it has below the root, if one is known."""
        if stem not in self._known:
            self._known[stem] = self._look(stem)
        return self._known[stem]

    def _look(self, stem: str) -> str:
        usual = f"{stem}.{self._ending}"
        if self._root is None:
            return usual
        for name in (usual, *(f"{stem}.{ending}" for ending in ENDINGS)):
            if os.path.isfile(os.path.join(self._root, name)):
                return name
        self._ledger.note("picture is not below --media-root", os.path.join(self._root, usual))
        return usual


class PictureSizes:
    """Width and height of pictures below a root.

    Args:
        root: directory where they lie; None: no size is known.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._known: dict[str, tuple[int, int] | None] = {}

    def of(self, name: str) -> tuple[int, int] | None:
        """In pixels, from the header; None if it cannot be read."""
        if self._root is None:
            return None
        if name not in self._known:
            facts = probe(os.path.join(self._root, name), "header")
            size = facts.width or 0, facts.height or 0
            self._known[name] = size if facts.problem is None and all(size) else None
        return self._known[name]
