"""Pictures: what a trainer's `Image.open(path).convert("RGB")` will meet.

EXIF rotation is reported, never applied: no trainer applies it, so the size that counts is the stored one.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mmdata.media.exists import presence
from mmdata.media.headers import Header, read_header
from mmdata.media.paths import is_url
from mmdata.media.sniff import beginning, sort_of
from mmdata.media.source import UnopenableError, open_source
from mmdata.options import MediaLevel

if TYPE_CHECKING:
    from PIL import Image

ImageProblem = Literal[
    "missing",
    "empty",
    "directory",
    "unreadable",
    "lfs-pointer",
    "html",
    "video",
    "not-an-image",
    "truncated",
    "undecodable",
    "too-large",
]

MAX_PIXELS = 2 * (1024**3 // 4 // 3)
"""Pillow refuses larger pictures. InternVL switches that limit off and trains on them; nothing is decoded here."""

_HEAD = 4096
_ONE_AT_A_TIME = 1 << 24
"""Pixels from which pictures are decoded one after the other, so that threads do not multiply the memory."""

_COMMON = frozenset(("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF"))

_big_pictures = threading.Lock()
_warning_filters = threading.Lock()


@dataclass(slots=True)
class ImageFacts:
    """What is known of a picture, as far as it was looked at.

    Attributes:
        problem: why it cannot be used, or None. ``unreadable`` is about permissions and I/O; ``truncated`` means
            pixels are missing (InternVL trains on the rest); ``too-large`` means over `MAX_PIXELS`; ``undecodable``
            is every other fault of a file that begins like a picture.
        detail: the same in words, for a message; empty without a problem.
        hint: a sign that the end is missing where only decoding can tell.
        format: Pillow's name, for example ``"JPEG"``.
        width: pixels as stored.
        height: pixels as stored.
        orientation: EXIF orientation, 1 to 8; 1 means upright.
        mode: Pillow's mode, for example ``"RGB"``, or None when the header does not settle it.
    """

    problem: ImageProblem | None = None
    detail: str = ""
    hint: str = ""
    format: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    mode: str | None = None


def probe(path: str, level: MediaLevel, *, remote: bool = False) -> ImageFacts:
    """Look at a picture. Never raises for what a file contains or lacks.

    Args:
        path: local path or URL.
        level: how closely; see `mmdata.options.MediaLevel`.
        remote: whether to open URLs (needs fsspec); otherwise nothing is found out about them.
    """
    if level == "none" or (is_url(path) and not remote):
        return ImageFacts()
    if level == "exists" and not is_url(path):
        return _existing(path)
    try:
        file, size = open_source(path)
    except UnopenableError as failure:
        return ImageFacts(failure.problem, failure.detail)
    with file:
        if level == "exists":
            return ImageFacts()
        try:
            return _look(file, size, level)
        except OSError as error:  # Pillow's own errors are handled below; this is the disk or the network
            return ImageFacts("unreadable", str(error))


def _existing(path: str) -> ImageFacts:
    found = presence(path)
    if found == "file":
        return ImageFacts()
    if found == "other":
        return ImageFacts("unreadable", "not a regular file (pipe, socket or device)")
    details = {"missing": "no such file", "empty": "0 bytes", "directory": "a directory"}
    return ImageFacts(found, details.get(found, "permission denied"))


def _look(file: io.RawIOBase, size: int, level: MediaLevel) -> ImageFacts:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length) or b""

    head = read(0, _HEAD)
    sort = sort_of(head)
    if sort == "lfs-pointer":
        return ImageFacts("lfs-pointer", "a git-lfs pointer: the picture itself was never downloaded")
    if sort == "html":
        return ImageFacts("html", "a web page, not a picture")
    if sort == "video":
        return ImageFacts("video", "a video, not a picture")
    header = read_header(sort, head, size, read) if sort else None
    if header is None:
        return _by_pillow(file, level, None, beginning(head))
    if header.width * header.height > MAX_PIXELS:
        return _facts(header, sort, "too-large", f"{header.width}x{header.height} pixels")
    if header.truncated:
        return _facts(
            header, sort, "truncated", f"the file ends after {size} bytes, in the middle of its pixels"
        )
    if level == "header":
        return _facts(header, sort, None, "")
    return _by_pillow(file, level, header, beginning(head))


def _facts(header: Header, sort: str | None, problem: ImageProblem | None, detail: str) -> ImageFacts:
    name = sort.upper() if sort else None
    return ImageFacts(
        problem, detail, header.hint, name, header.width, header.height, header.orientation, header.mode
    )


def _by_pillow(file: io.RawIOBase, level: MediaLevel, header: Header | None, start: str) -> ImageFacts:
    """Facts from Pillow; `header` is what was already read, or None where only Pillow knows the format."""
    from PIL import Image, UnidentifiedImageError

    facts = ImageFacts(hint=header.hint if header else "", orientation=header.orientation if header else 1)
    file.seek(0)
    try:
        with io.BufferedReader(file) as stream, open_quietly(stream) as image:
            facts.format, facts.mode, (facts.width, facts.height) = image.format, image.mode, image.size
            if header is None or level == "decode":
                with _quietly():
                    orientation = image.getexif().get(0x0112, 1)
                facts.orientation = orientation if orientation in range(1, 9) else 1
            if level == "decode":
                _decode(image)
                facts.hint = ""
    except UnidentifiedImageError:
        facts.problem, facts.detail = "not-an-image", start
    except Image.DecompressionBombError as error:
        facts.problem, facts.detail = "too-large", str(error)
    except (
        Exception
    ) as error:  # on damaged input Pillow's readers raise whatever they stumble over: it is reported
        message = f"{type(error).__name__}: {error}"
        cut = "truncated" in message.lower() or bool(facts.hint) or isinstance(error, EOFError)
        facts.problem, facts.detail = "truncated" if cut else "undecodable", message
    return facts


def open_quietly(file: io.BufferedReader[Any]) -> Image.Image:
    """`PIL.Image.open` without its warnings; raises what it raises."""
    from PIL import Image

    with _quietly():
        return Image.open(file)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Pillow's warnings (a large picture, damaged EXIF), which are for the author of a program.

    The list of warning filters is the whole process's, hence the lock.
    """
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decode(image: Image.Image) -> None:
    # A JPEG is decoded to an eighth of its size: all of its data is read and checked, most of the arithmetic saved.
    image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
    big = image.width * image.height >= _ONE_AT_A_TIME
    # The readers of the common formats do not warn while they decode, and need no lock.
    with _big_pictures if big else nullcontext(), nullcontext() if image.format in _COMMON else _quietly():
        image.load()
