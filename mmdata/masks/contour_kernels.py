"""Compiled: borders of a mask, as OpenCV finds them and as pixel edges. Import after `compiled.ready` said yes.

Borders are followed as Suzuki and Abe describe it (Topological structural analysis of digitized binary images by border
following, 1985), with the points, their order and their direction of ``cv2.findContours``. A copy of the occupied part
has a bit for the pixel, one for a border that passed it, and one for a border that passed it with background to its
right; eight pixels are looked at in one go.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.jit import kernel
from mmdata.masks.pixel_edges import SIDE_ENDS, SIDES_PASSED
from mmdata.masks.raster_kernels import coco_part
from mmdata.masks.run_lengths import Runs

_Points: TypeAlias = NDArray[np.int32]

FOUND, NO_MASK, HOLES = 0, 1, 2
"""What `outlines` met: nothing in the way; a value above 1; a region with a hole, which it does not trace."""

_X = np.array([1, 1, 0, -1, -1, -1, 0, 1], np.int64)
_Y = np.array([0, -1, -1, -1, 0, 1, 1, 1], np.int64)
_PIXEL, _PASSED, _RIGHT = np.uint64(0x0101010101010101), np.uint64(1), np.uint64(2)
_BYTE, _LAST = np.uint64(8), np.uint64(56)
_NONE, _ONE, _LOW_BYTE = np.uint64(0), np.uint64(1), np.uint64(255)


@kernel
def outlines(mask: NDArray[np.uint8], edges: bool) -> tuple[int, _Points, NDArray[np.int64]]:
    """The outer borders of a mask without holes, the last one found in reading order first.

    Args:
        mask: uint8 (h, w), C-contiguous.
        edges: corners of the outline along pixel edges, else the border pixels at which the border turns.

    Returns:
        What was met; the points of all borders, int32 (n, 2), x before y; where each border ends among them, (m,).
        Borders lie in the order of finding. Both are empty unless everything was `FOUND`.
    """
    points, ends = np.empty((256, 2), np.int32), np.empty(16, np.int64)
    count = borders = 0
    state, left, top, width, height = _box(mask)
    if state != FOUND or width == 0:
        return state, points[:0], ends[:0]
    # Eight columns of background before, at least one behind, one row above and below.
    stride = 8 + (width + 8) // 8 * 8
    cells = np.empty((height + 2, stride), np.uint8)
    cells[0], cells[height + 1], cells[:, :8], cells[:, stride - 8 :] = 0, 0, 0, 0
    for y in range(height):
        row, given = cells[y + 1, 8 : 8 + width], mask[top + y, left : left + width]
        for x in range(width):
            row[x] = given[x]
    flat = cells.reshape(-1)
    words = flat.view(np.uint64)
    step = np.empty(8, np.int64)
    for k in range(8):
        step[k] = _Y[k] * stride + _X[k]
    for y in range(1, height + 1):
        if not _any_start(cells[y]):
            continue
        before = _NONE
        for at in range(y * stride // 8, (y + 1) * stride // 8):
            word = words[at]
            if word == before and word in (_NONE, _PIXEL):  # amid background, or amid a region
                continue
            while True:
                # What lies to the left of each of the eight: little end first.
                pixels, lefts = word & _PIXEL, (word << _BYTE) | (before >> _LAST)
                starts = pixels & ~lefts & ~(word >> _PASSED) & _PIXEL
                holes = ~pixels & lefts & ~(lefts >> _RIGHT) & _PIXEL
                if holes != _NONE and (starts == _NONE or _lowest(holes) < _lowest(starts)):
                    return HOLES, points[:0], ends[:0]
                if starts == _NONE:
                    break
                place = 8 * at
                while starts & _LOW_BYTE == _NONE:
                    starts >>= _BYTE
                    place += 1
                count, points = _follow(flat, place, step, stride, edges, left - 8, top - 1, points, count)
                if borders == len(ends):
                    ends = np.concatenate((ends, np.empty_like(ends)))
                ends[borders] = count
                borders += 1
                word, before = words[at], words[at - 1]
            before = word
    return FOUND, points[:count], ends[:borders]


@kernel
def coco_outlines(
    points: NDArray[np.float64], sizes: Runs, counts: Runs, height: int, width: int, edges: bool
) -> tuple[NDArray[np.int64], _Points, NDArray[np.int64], NDArray[np.int64]]:
    """The outer borders of several objects drawn by pycocotools' rule.

    Args:
        points: of all rings, ring after ring, float64 (n, 2), none of them far.
        sizes: points of each ring, at least 3, int64 (rings,).
        counts: rings of each object, int64 (objects,).
        height: of the canvas, pixels.
        width: of the canvas, pixels.
        edges: as for `outlines`.

    Returns:
        Of each object what was met; the points of all borders, int32 (n, 2), x before y; where each border ends among
        them; the number of borders of each object, none where it has holes.
    """
    met, borders = np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64)
    every, ends = np.empty((1024, 2), np.int32), np.empty(64, np.int64)
    at = ring = total = number_of_ends = 0
    for number in range(len(counts)):
        own = sizes[ring : ring + counts[number]]
        size = own.sum()
        part, left, top = coco_part(points[at : at + size], own, height, width)
        at, ring = at + size, ring + len(own)
        if not part.size:
            continue
        met[number], found, stops = outlines(part, edges)
        while total + len(found) > len(every):
            every = np.concatenate((every, np.empty_like(every)))
        while number_of_ends + len(stops) > len(ends):
            ends = np.concatenate((ends, np.empty_like(ends)))
        for k in range(len(stops)):
            ends[number_of_ends + k] = total + stops[k]
        for k in range(len(found)):
            every[total + k, 0], every[total + k, 1] = found[k, 0] + left, found[k, 1] + top
        total, number_of_ends = total + len(found), number_of_ends + len(stops)
        borders[number] = len(stops)
    return met, every[:total], ends[:number_of_ends], borders


@kernel
def _any_start(row: NDArray[np.uint8]) -> bool:
    """Whether a border, of a region or of a hole, may start on a row: a change that no border has passed."""
    some = np.uint8(0)
    lefts, pixels = row[:-1], row[1:]
    for x in range(len(pixels)):
        left, pixel = lefts[x], pixels[x]
        some = np.uint8(some | (pixel & ~left & ~(pixel >> 1)) | (left & ~pixel & ~(left >> 2)))
    return bool(some & 1)


@kernel
def _lowest(word: np.uint64) -> np.uint64:
    """The lowest bit that is set."""
    return word & (~word + _ONE)


@kernel
def _follow(
    cells: NDArray[np.uint8],
    start: int,
    step: NDArray[np.int64],
    stride: int,
    edges: bool,
    left: int,
    top: int,
    points: _Points,
    count: int,
) -> tuple[int, _Points]:
    """Follow the outer border that starts at a pixel with background to its left; its points are appended."""
    last = 3
    while last != 4 and not cells[start + step[last]] & 1:
        last = (last - 1) & 7
    if last == 4:  # a pixel on its own
        cells[start] |= 6
        y, x = start // stride + top, start % stride + left
        if count + 4 > len(points):
            points = np.concatenate((points, np.empty_like(points)))
        if not edges:
            points[count, 0], points[count, 1] = x, y
            return count + 1, points
        for k in range(4):
            points[count + k, 0], points[count + k, 1] = x + SIDE_ENDS[2 * k, 0], y + SIDE_ENDS[2 * k, 1]
        return count + 4, points
    end = start + step[last]
    here, arrival, back = start, last ^ 4, last
    y, x = start // stride + top, start % stride + left
    first_side = side = -1
    corner_x = corner_y = 0
    while True:
        leave = (back + 1) & 7
        right = False
        while not cells[here + step[leave]] & 1:
            right |= leave == 0
            leave = (leave + 1) & 7
        cells[here] |= 6 if right else 2
        if count + 4 > len(points):
            points = np.concatenate((points, np.empty_like(points)))
        if edges:
            turn = 9 * arrival + leave
            for k in range(4):
                following = SIDES_PASSED[turn, k]
                if following < 0:
                    break
                if side < 0:
                    first_side = following
                elif (side ^ following) & 2:
                    points[count, 0], points[count, 1] = corner_x, corner_y
                    count += 1
                side = following
                corner_x, corner_y = x + SIDE_ENDS[side, 0], y + SIDE_ENDS[side, 1]
        elif leave != arrival:
            points[count, 0], points[count, 1] = x, y
            count += 1
        following_pixel = here + step[leave]
        if following_pixel == start and here == end:
            break
        here, arrival, back = following_pixel, leave, leave ^ 4
        x, y = x + _X[leave], y + _Y[leave]
    if edges and (side ^ first_side) & 2:
        points[count, 0], points[count, 1] = corner_x, corner_y
        count += 1
    return count, points


@kernel
def _box(mask: NDArray[np.uint8]) -> tuple[int, int, int, int, int]:
    """What was met, and left, top, width, height of the part with pixels; all 0 without one."""
    height, width = mask.shape
    top, bottom = height, 0
    every = np.uint8(0)
    for y in range(height):
        row = mask[y]
        some = np.uint8(0)
        for x in range(width):
            some = np.uint8(some | row[x])
        every = np.uint8(every | some)
        if some:
            top, bottom = min(top, y), y + 1
    if every > 1:
        return NO_MASK, 0, 0, 0, 0
    if every == 0:
        return FOUND, 0, 0, 0, 0
    columns = np.zeros(width, np.uint8)
    for y in range(top, bottom):
        row = mask[y]
        for x in range(width):
            columns[x] |= row[x]
    left, right = 0, width
    while not columns[left]:
        left += 1
    while not columns[right - 1]:
        right -= 1
    return FOUND, left, top, right - left, bottom - top
