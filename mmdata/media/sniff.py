"""What a file is, from its first bytes. Names do not count: trainers open whatever the path leads to."""

from __future__ import annotations

from typing import Literal

Sort = Literal["png", "jpeg", "gif", "webp", "bmp", "lfs-pointer", "html", "video"]

# ISO media files are videos unless their brand is one of these still-picture brands.
_PICTURE_BRANDS = frozenset(
    (
        b"avif",
        b"avis",
        b"heic",
        b"heix",
        b"heim",
        b"heis",
        b"hevc",
        b"hevx",
        b"mif1",
        b"msf1",
        b"jpx ",
        b"jp2 ",
        b"crx ",
    )
)
_ISO_BOXES = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_VIDEO_STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG elementary stream
)


def sort_of(head: bytes) -> Sort | None:
    """The sort of a file that begins with `head` (at least 512 bytes of it, or all); None when it is another."""
    if head.startswith(b"\xff\xd8"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"RIFF"):
        return "webp" if head[8:12] == b"WEBP" else "video" if head[8:12] == b"AVI " else None
    if head.startswith(b"BM"):
        return "bmp"
    if head.startswith(b"version https://git-lfs"):
        return "lfs-pointer"
    return "video" if _is_video(head) else "html" if _is_html(head) else None


def _is_video(head: bytes) -> bool:
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    if head[4:8] in _ISO_BOXES or head.startswith(_VIDEO_STARTS):
        return True
    return len(head) > 376 and head[0] == head[188] == head[376] == 0x47  # MPEG transport stream


def _is_html(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")) or (
        text.startswith(b"<?xml") and b"html" in text
    )


def beginning(head: bytes) -> str:
    """The first bytes for a message: as text where they are text."""
    start = head[:24]
    if all(32 <= byte < 127 or byte in b"\r\n\t" for byte in start):
        return f"starts with the text {start.decode('ascii')!r}"
    return f"starts with the bytes {start[:8].hex(' ')}"
