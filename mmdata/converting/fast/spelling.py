"""Media paths respelled folder by folder: what `MediaPaths.spell` says of each file, worked out once a folder."""

from __future__ import annotations

import os

import orjson

from mmdata.converting.media import MediaPaths
from mmdata.media.members import MARK as MEMBER_MARK
from mmdata.media.paths import is_url, resolve

MARK = MEMBER_MARK.encode()

SEEN_BEFORE_LISTING = 3
"""Files of a folder that are asked for one by one before the folder is listed."""

MOST_FOLDERS = 4096
MOST_NAMES = 500_000
"""Names of listed folders that are held."""


class _Folder:
    """A folder as records write it: how its files are spelled.

    Attributes:
        asked: files asked for so far.
        places: (the text before the name, names of files, names of folders) of each place that is looked at, in order.
        default: the text before the name of a file that is nowhere.
        own: names that are spelled one by one.
    """

    __slots__ = ("asked", "default", "own", "places")

    def __init__(self) -> None:
        self.asked = 0
        self.places: list[tuple[bytes, frozenset[bytes], frozenset[bytes]]] | None = None
        self.default = b""
        self.own: frozenset[bytes] = frozenset([b"", b".", b".."])


class Speller:
    """Spells media paths as `media` does, given and returned as the inside of a JSON string without escapes.

    The folders of a data set are listed once, so that its files are not asked for one by one.

    Attributes:
        alike: folder as written, its ``/`` included -> the text before the name of every file in it, where that is the
            same for all names that do not end with ``/`` or ``.``.
        cleared: how often `alike` was emptied; otherwise it only grows.
    """

    def __init__(self, media: MediaPaths) -> None:
        self.media = media
        self.folders: dict[bytes, _Folder] = {}
        self.alike: dict[bytes, bytes] = {}
        self.names = 0
        self.cleared = 0

    def __call__(self, path: bytes) -> bytes:
        """The path as it must stand in the output."""
        cut = path.rfind(b"/") + 1
        folder = self.folders.get(path[:cut])
        if folder is None:
            folder = self._begin(path[:cut])
        if path[:cut] in self.alike:
            return self.alike[path[:cut]] + path[cut:]
        name = path[cut:]
        if folder.places is None:
            folder.asked += 1
            if folder.asked > SEEN_BEFORE_LISTING or (folder.asked == 1 and self._nowhere(path[:cut])):
                self._list(folder, path[:cut])
            return self._slow(path)
        if name in folder.own:
            return self._slow(path)
        for before, files, inner in folder.places:
            if name in files:
                return before + name
            if name in inner:
                return before + name + b"/" if self.media.mark_folders else before + name
        return folder.default + name

    def _slow(self, path: bytes) -> bytes:
        return orjson.dumps(self.media.spell(path.decode()))[1:-1]

    def _begin(self, written: bytes) -> _Folder:
        if len(self.folders) >= MOST_FOLDERS or self.names > MOST_NAMES:
            self.folders.clear()
            self.alike.clear()
            self.cleared += 1
            self.names = 0
        folder = self.folders[written] = _Folder()
        if MARK in written:
            folder.asked = -(1 << 60)  # what lies in a container is taken out of it, file by file
        elif b"://" in written:
            if is_url(written.decode()):
                self.alike[written] = written
            else:
                folder.asked = -(1 << 60)
        elif self.media.root is not None and is_url(self.media.root):
            folder.asked = -(1 << 60)
        elif written.startswith(b"/"):
            self.media.must_stay(written.decode())
            self.alike[written] = written
        return folder

    def _nowhere(self, written: bytes) -> bool:
        """Whether the folder is in none of the places that are looked at, so that listing it costs nothing."""
        text = written.decode()
        here = resolve(text, root=self.media.root)
        probe = os.path.join(self.media.root or "", text)
        return not os.path.isdir(here) and not candidates(probe, self.media.named_in)

    def _list(self, folder: _Folder, written: bytes) -> None:
        """List every place that `MediaPaths.locate` may find a file of this folder in."""
        media = self.media
        text = written.decode()
        here = resolve(text, root=media.root)
        places = [here]
        probe = os.path.join(media.root or "", text)
        places += [os.path.join(root, here) for root in candidates(probe, media.named_in)]
        found = []
        own = set(folder.own)
        for place in places:
            files, inner = _names(place)
            self.names += len(files) + len(inner)
            before, inner_name = media.prefix(place.rstrip("/") or place)
            own.add(os.fsencode(inner_name))
            found.append((orjson.dumps(before)[1:-1], files, inner))
        folder.default = found[0][0]
        folder.own = frozenset(own)
        same = all(before == folder.default for before, files, inner in found if files or inner)
        marked = media.mark_folders and any(inner for _, _, inner in found)
        if same and not marked and own <= {b"", b".", b".."}:
            self.alike[written] = folder.default
        folder.places = [one for one in found if one[1] or one[2]]


def candidates(folder: str, named_in: str) -> list[str]:
    """The directories in which `find_elsewhere` looks for the files of a relative folder."""
    from mmdata.media.paths import _roots_with

    if folder.startswith(os.sep) or is_url(named_in):
        return []
    start, first = os.path.dirname(named_in), folder.split("/")[0]
    if first and not _roots_with(first, start):
        return []  # nor is anything below it, and this is said once for all of its folders
    return list(_roots_with(folder.rstrip("/"), start))


def _names(place: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Names of the files and of the folders in a directory that are really there."""
    files: set[bytes] = set()
    inner: set[bytes] = set()
    try:
        with os.scandir(place or ".") as entries:
            for one in entries:
                if not one.is_symlink() or os.path.exists(one.path):
                    (inner if one.is_dir() else files).add(os.fsencode(one.name))
    except (OSError, ValueError):
        return frozenset(), frozenset()
    return frozenset(files), frozenset(inner)


__all__ = ["Speller"]
