"""`MediaPaths`: where the media files that records name lie, and how the output must spell them."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from mmdata.encoding import CannotEncode
from mmdata.errors import UsageError
from mmdata.media.members import MARK, file_name, is_member, read_member
from mmdata.media.paths import find_elsewhere, is_url, resolve

SCRATCH = ".parts"
"""Folder of the growing output that the finished one does not have."""

MOST_PATHS = 100_000


class MediaPaths:
    """The media paths of one source.

    Args:
        root: the directory that the source's trainer joins before media paths (InternVL's meta), or None.
        named_in: the file that names them, or the mixture file that names that.
        folder: where the output grows.
        output: absolute directory that the output will be.
        base: absolute directory that paths in the output start from.
        mode: ``"keep"`` the files where they are, ``"link"`` or ``"copy"`` them into the output,
            or ``"embed"`` them in the data file, which its writer does. Files that lie in a container are copied out.
        mark_folders: the target marks a folder by a trailing ``/`` (InternVL).
        bring: False says how the paths will be, and copies nothing.
    """

    def __init__(
        self,
        *,
        root: str | None,
        named_in: str,
        folder: str,
        output: str,
        base: str,
        mode: str,
        mark_folders: bool,
        bring: bool = True,
    ) -> None:
        self.root = root
        self.named_in = named_in
        self.folder = folder
        self.output = output
        self.base = base
        self.mode = mode
        self.mark_folders = mark_folders
        self.bring = bring
        occupied = os.path.isdir(output) and bool(os.listdir(output))
        self._replaced = os.path.realpath(output) if occupied else None
        self._kept: set[str] = set()
        self._located: dict[str, str] = {}
        self._prefixes: dict[str, tuple[str, str]] = {}

    def locate(self, path: str) -> str:
        """Where a file that a record names lies on this machine; where its trainer would look if it is nowhere.

        Raises:
            UsageError: it lies where the output will replace it.
        """
        found = self._located.get(path)
        if found is None:
            found = resolve(path, root=None if is_member(path) else self.root)
            if not is_member(found) and not is_url(found) and not os.path.exists(found):
                place = find_elsewhere(os.path.join(self.root or "", path), self.named_in)
                found = os.path.join(place, found) if place is not None else found
            if self._replaced is not None and not is_url(found):
                file = found.partition(MARK)[0]
                self.must_stay(file if os.path.isdir(file) else os.path.dirname(file))
            if len(self._located) > MOST_PATHS:
                self._located.clear()
            self._located[path] = found
        return found

    def spell(self, path: str) -> str:
        """A media path as it must stand in the output.

        Raises:
            CannotEncode: it is to be linked or copied, and is not there.
            UsageError: it lies where the output will replace it.
        """
        if not path or is_url(path):
            return path
        place = self.locate(path)
        if is_url(place):
            return place
        if self.mode == "embed":
            if is_member(place):
                return place  # its writer takes it out of there; the output does not have this path
            if not os.path.isfile(place):
                raise CannotEncode("media-missing", f"{path} is no file, so it cannot be put into the output")
        elif self.mode != "keep" or is_member(place):
            place = self._bring(place, path)
        elif os.path.isabs(path):
            return path
        spelled = self._relative(place)
        folder = path.endswith("/") or (self.mark_folders and os.path.isdir(place))
        return spelled + "/" if folder else spelled

    def must_stay(self, folder: str) -> None:
        """See to it that a folder with files of the data set is not thrown away when the output takes its place.

        Raises:
            UsageError: it would be.
        """
        if self._replaced is None or folder in self._kept:
            return
        if os.path.isdir(folder or ".") and below(folder, self._replaced):
            raise UsageError(
                f"{folder or '.'} has files of the data set and lies in {self.output}, which the output would "
                "replace as a whole; name another directory"
            )
        if len(self._kept) > MOST_PATHS:
            self._kept.clear()
        self._kept.add(folder)

    def _relative(self, place: str) -> str:
        """A path from the base; what can be said of its folder is said once for all files in it."""
        folder, name = os.path.split(place)
        before, inner = self.prefix(folder)
        if name in ("", ".", "..", inner):
            return os.path.relpath(os.path.abspath(place), self.base)
        return before + name

    def prefix(self, folder: str) -> tuple[str, str]:
        """What stands before the names of a folder's files in the output, and the one name for which that is not so.

        The folder's entry that leads to the base is spelled ``..`` or the like.
        """
        found = self._prefixes.get(folder)
        if found is None:
            absolute = os.path.abspath(folder)
            spelled = os.path.relpath(absolute, self.base)
            inside = f"{absolute.rstrip('/')}/"
            inner = self.base[len(inside) :].split("/")[0] if self.base.startswith(inside) else ""
            found = ("" if spelled == "." else f"{spelled}/", inner)
            if len(self._prefixes) > MOST_PATHS:
                self._prefixes.clear()
            self._prefixes[folder] = found
        return found

    def _bring(self, place: str, path: str) -> str:
        """Link or copy a media file into the output; returns where it will lie."""
        if is_member(place):
            return self._extract(place)
        if not os.path.exists(place):
            raise CannotEncode("media-missing", f"{path} is not there, so it cannot be put into the output")
        # The last name stays as it is written: what it may link to need not have the ending that trainers go by.
        folder, name = os.path.split(place.rstrip("/"))
        absolute = os.path.realpath(place)
        if name not in ("", ".", ".."):
            absolute = os.path.join(os.path.realpath(folder), name)
        mark = hashlib.blake2b(os.fsencode(absolute), digest_size=5).hexdigest()
        relative = os.path.join("media", mark, os.path.basename(absolute))
        there = os.path.join(self.folder, relative)
        if self.bring and not os.path.lexists(there):
            os.makedirs(os.path.dirname(there), exist_ok=True)
            # A killed run leaves temporaries only where the finished run throws everything away.
            temporary = os.path.join(self.folder, SCRATCH, f"{secrets.token_hex(8)}.tmp")
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            if self.mode == "link":
                Path(temporary).symlink_to(os.path.realpath(absolute))
            elif os.path.isdir(absolute):
                shutil.copytree(absolute, temporary)
            else:
                shutil.copyfile(absolute, temporary)
            try:
                Path(temporary).rename(there)
            except OSError:  # another process was first
                if not os.path.lexists(there):
                    raise
                shutil.rmtree(temporary, ignore_errors=True)
        return os.path.join(self.output, relative)

    def _extract(self, place: str) -> str:
        """Write a file that lies in a container into the output; returns where it will lie."""
        try:
            content = read_member(place)
        except (KeyError, OSError, UsageError) as error:
            raise CannotEncode("media-missing", f"{place} cannot be read: {error}") from None
        mark = hashlib.blake2b(content, digest_size=10).hexdigest()
        relative = os.path.join("media", mark, file_name(place, content))
        there = os.path.join(self.folder, relative)
        if self.bring and not os.path.lexists(there):
            os.makedirs(os.path.dirname(there), exist_ok=True)
            temporary = os.path.join(self.folder, SCRATCH, f"{secrets.token_hex(8)}.tmp")
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(content)
            os.replace(temporary, there)
        return os.path.join(self.output, relative)


def below(path: str, folder: str) -> bool:
    """Whether a path is, or lies in, a folder given as `os.path.realpath` has it."""
    real = os.path.realpath(path)
    return real == folder or real.startswith(f"{folder.rstrip('/')}/")


__all__ = ["SCRATCH", "MediaPaths", "below"]
