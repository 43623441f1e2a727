"""The colours of palette pictures."""

from __future__ import annotations

import os

from mmdata.errors import UsageError


def read_palette(name: str) -> bytes:
    """768 bytes: red, green and blue of the 256 values; value 0, the background, is black.

    Args:
        name: ``voc`` (the colours of PASCAL VOC), ``grey``, or a file of up to 256 lines ``R G B``.

    Raises:
        UsageError: no such palette, or no such lines.
    """
    if name == "voc":
        return bytes(
            sum(((value >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8))
            for value in range(256)
            for channel in range(3)
        )
    if name == "grey":
        return bytes(0 if v == 0 else 55 + 200 * v // 255 for v in range(256) for _ in range(3))
    if not os.path.isfile(name):
        raise UsageError(f"no palette {name!r}: voc, grey, or a file of lines `R G B`")
    colours = bytearray()
    with open(name, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                colour = bytes(int(word) for word in line.split())
            except ValueError:
                colour = b""
            if len(colour) != 3 or number > 256:
                raise UsageError(
                    f"{name}, line {number}: expected up to 256 lines of three numbers from 0 to 255"
                )
            colours += colour
    return bytes(colours).ljust(768, b"\xff")
