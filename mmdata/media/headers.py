"""Size, orientation and completeness of the common picture formats, from a few hundred bytes.

Everything that looks unusual is left to the decoder: a reader here returns None rather than guess.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mmdata.media.sniff import Sort

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""``read(offset, length)``: bytes of the file, fewer at its end."""

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAX_SEGMENTS = 2000
_MAX_CHUNKS = 100_000
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_SLACK = 64
"""Bytes that may be cut from compressed data and leave every pixel (checksums, end marks)."""


@dataclass(slots=True)
class Header:
    """What the header says.

    Attributes:
        width: as stored, in pixels, before any rotation.
        height: likewise.
        mode: Pillow's name of the pixel layout, or None when the header does not settle it.
        orientation: EXIF orientation, 1 to 8.
        truncated: pixels are missing for certain.
        hint: a sign, and no more, that the end is missing.
    """

    width: int
    height: int
    mode: str | None = None
    orientation: int = 1
    truncated: bool = False
    hint: str = ""


def read_header(sort: Sort, head: bytes, size: int, read: ReadAt) -> Header | None:
    """Read the header of a picture.

    Args:
        sort: what the file is.
        head: its first bytes.
        size: its length in bytes.
        read: gives other bytes.

    Returns:
        None when the file is unusual or damaged before the size, or its sort is not one of the five.
    """
    reader = _READERS.get(sort)
    try:
        header = reader(head, size, read) if reader else None
    except (struct.error, IndexError):  # the header itself is cut off
        return None
    return header if header and header.width > 0 and header.height > 0 else None


def _jpeg(head: bytes, size: int, read: ReadAt) -> Header | None:
    at, orientation = 2, 1
    for _ in range(_MAX_SEGMENTS):
        start = head[at : at + 18] if at + 18 <= len(head) else read(at, 18)
        while start[:2] == b"\xff\xff":  # fill bytes
            at += 1
            start = read(at, 18)
        if start[0] != 0xFF:
            return None
        marker = start[1]
        (length,) = struct.unpack(">H", start[2:4])
        if marker in _FRAME_MARKERS:
            height, width, layers = struct.unpack(">HHB", start[5:10])
            mode = {1: "L", 3: "RGB", 4: "CMYK"}.get(layers)
            hint = (
                ""
                if b"\xff\xd9" in read(max(0, size - 4096), 4096)
                else "the file ends without an end marker"
            )
            return Header(width, height, mode, orientation, hint=hint) if mode else None
        if marker in (0xD8, 0xD9, 0xDA) or length < 2:
            return None
        if marker == 0xE1 and start[4:10] == b"Exif\x00\x00" and orientation == 1:
            orientation = exif_orientation(read(at + 10, length - 8))
        at += 2 + length
    return None


def _png(head: bytes, size: int, read: ReadAt) -> Header | None:
    if head[8:16] != b"\x00\x00\x00\rIHDR":
        return None
    width, height, depth, color = struct.unpack(">IIBB", head[16:26])
    if color not in _PNG_MODES or depth == 16 or (depth, color) == (1, 0):
        return None
    header = Header(width, height, _PNG_MODES[color])
    complete = read(max(0, size - 12), 12) == _PNG_END
    at = 8
    for _ in range(_MAX_CHUNKS):
        start = head[at : at + 8] if at + 8 <= len(head) else read(at, 8)
        if len(start) < 8:
            break
        length, kind = struct.unpack(">I4s", start)
        if kind == b"IDAT" and complete:
            return header
        if kind == b"IEND":  # something follows the picture; decoders ignore it
            return header
        if kind == b"IDAT" and at + 8 + length > size + _SLACK:
            header.truncated = True
            return header
        if kind == b"eXIf":
            header.orientation = exif_orientation(read(at + 8, min(length, 1 << 16)))
        at += 12 + length
    header.hint = "the file ends without an IEND chunk"
    return header


def _gif(head: bytes, size: int, read: ReadAt) -> Header:
    width, height = struct.unpack("<HH", head[6:10])
    hint = "" if read(size - 1, 1) == b"\x3b" else "the file ends without a trailer"
    return Header(width, height, hint=hint)


def _webp(head: bytes, size: int, read: ReadAt) -> Header | None:
    kind = head[12:16]
    truncated = struct.unpack("<I", head[4:8])[0] + 8 > size + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return Header(width & 0x3FFF, height & 0x3FFF, "RGB", truncated=truncated)
    if kind == b"VP8L" and head[20] == 0x2F:
        (bits,) = struct.unpack("<I", head[21:25])
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, truncated=truncated)
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[i : i + 3], "little") + 1 for i in (24, 27))
        orientation = _webp_orientation(size, read) if head[20] & 0x08 else 1
        return Header(width, height, None, orientation, truncated=truncated)
    return None


def _webp_orientation(size: int, read: ReadAt) -> int:
    at = 12
    for _ in range(_MAX_CHUNKS):
        start = read(at, 8)
        if at >= size or len(start) < 8:
            break
        kind, length = struct.unpack("<4sI", start)
        if kind == b"EXIF":
            return exif_orientation(read(at + 8, min(length, 1 << 16)).removeprefix(b"Exif\x00\x00"))
        at += 8 + length + (length & 1)
    return 1


def _bmp(head: bytes, size: int, read: ReadAt) -> Header | None:
    del size, read  # nothing but the first bytes matters
    (header_size,) = struct.unpack("<I", head[14:18])
    if header_size not in (40, 108, 124):
        return None
    width, height = struct.unpack("<ii", head[18:26])  # a negative height means: first row first
    return Header(width, abs(height))


def exif_orientation(tiff: bytes) -> int:
    """Orientation (1 to 8) in an EXIF block that starts with its TIFF header; 1 when there is none to be read."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for k in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * k)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:  # cut off
        return 1
    return 1


_READERS: dict[Sort, Callable[[bytes, int, ReadAt], Header | None]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bmp,
}
