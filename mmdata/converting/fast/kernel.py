"""Records matched and translated as bytes, without a Python object for any of them.

What a table means is said where it is built (`mmdata.converting.fast.compiled`). Imported only after
`mmdata.jit.available` said yes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmdata import jit
from mmdata.converting.fast.blake import BLOCK, DIGEST_BYTES, hexadecimal
from mmdata.converting.fast.vectors import WIDE, differing, equal, lowest, moved, ones, specials

DONE, UNKNOWN, FULL = 0, 1, 2
"""Why `translate` stopped: it was through, a record is not of any skeleton or its folder is new, or there is no room."""

TEXT, STRING, PATH, POSITIVE, END = 0, 1, 2, 3, 4
"""What stands after a literal of a skeleton."""

LITERAL, RAW, ESCAPED, SPELLED, DIGEST = 0, 1, 2, 3, 4
"""Pieces of an output."""

MOST_DIGITS = 16


@jit.kernel
def hashed(data: Any, start: int, end: int) -> int:
    """Hash of a folder's name."""
    value = end - start
    for k in range(start, end):
        value = (value * 31 + data[k]) & 0x3FFFFFFF
    return value


@jit.kernel
def _same(data: Any, at: int, other: Any, there: int, count: int) -> bool:
    """Whether `count` bytes are the same; `other` has `WIDE` bytes more than any text in it."""
    k = 0
    while k < count:
        if at + k + WIDE > len(data):
            if data[at + k] != other[there + k]:
                return False
            k += 1
            continue
        wrong = differing(data, at + k, other, there + k)
        if wrong != 0:
            same: bool = lowest(wrong) >= count - k
            return same
        k += WIDE
    return True


@jit.kernel
def _copy(out: Any, at: int, source: Any, start: int, count: int) -> None:
    """Copy bytes; `out` has room for `WIDE` more than it is asked for."""
    k = 0
    while k < count and start + k + WIDE <= len(source):
        moved(out, at + k, source, start + k)
        k += WIDE
    while k < count:
        out[at + k] = source[start + k]
        k += 1


@jit.kernel
def _string_end(data: Any, at: int, stop: int, before_tag: bool) -> int:
    """Where the inside of a string, or of its part before a placeholder, ends; -1 for one of an unknown kind."""
    while at < stop:
        if at + WIDE <= len(data):
            found = specials(data, at)
            if found == 0:
                at += WIDE
                continue
            at += lowest(found)
            if at >= stop:
                return -1
        one = data[at]
        if one == 34:
            return -1 if before_tag else at
        if one == 60:
            return at if before_tag else -1
        if one == 92:
            # n r t b f " and the backslash itself; others, `orjson` would write in another way.
            if at + 1 >= stop:
                return -1
            one = data[at + 1]
            known = (
                one == 110 or one == 114 or one == 116 or one == 98 or one == 102 or one == 34 or one == 92
            )
            if not known:
                return -1
            at += 2
        elif one < 32 or one == 91:
            return -1
        else:
            at += 1
    return -1


@jit.kernel
def _blank_start(data: Any, at: int, stop: int) -> bool:
    """Whether a text begins with white space, an escape, or what could be white space beyond ASCII."""
    one = data[at]
    if one <= 32 or one == 34 or one == 92:
        return True
    two = data[at + 1] if at + 1 < stop else 0
    three = data[at + 2] if at + 2 < stop else 0
    found: bool = (
        (one == 0xC2 and (two == 0x85 or two == 0xA0))
        or (one == 0xE1 and two == 0x9A and three == 0x80)
        or (one == 0xE2 and (two == 0x80 or two == 0x81))
        or (one == 0xE3 and two == 0x80 and three == 0x80)
    )
    return found


@jit.kernel
def _matches(data: Any, start: int, end: int, steps: Any, first: int, literals: Any, slots: Any) -> bool:
    """Whether a record is of a skeleton; then `slots` has where the value of each slot begins and ends."""
    at = start
    slot = 0
    k = first
    while True:
        count = steps[k, 1]
        if at + count > end or not _same(data, at, literals, steps[k, 0], count):
            return False
        at += count
        kind = steps[k, 2]
        if kind == END:
            through: bool = at == end
            return through
        begin = at
        if kind == POSITIVE:
            while at < end and 48 <= data[at] <= 57:
                at += 1
            if at == begin or at - begin > MOST_DIGITS or data[begin] == 48:
                return False
        else:
            at = _string_end(data, at, end, steps[k, 3] != 0)
            if at <= begin:
                return False
            if kind == TEXT and _blank_start(data, begin, at):
                return False
            if kind == PATH:
                if data[at - 1] == 47 or data[at - 1] == 46:
                    return False
                for j in range(begin, at):
                    if data[j] == 92:
                        return False
        slots[slot, 0] = begin
        slots[slot, 1] = at
        slot += 1
        k += 1


@jit.kernel
def _spell(data: Any, slots: Any, slot: int, folders: Any, folder_bytes: Any) -> bool:
    """Look up what stands before the name of a media file: then ``slots[slot, 2:]`` has it, and where the name begins."""
    start, cut = slots[slot, 0], slots[slot, 1]
    while cut > start and data[cut - 1] != 47:
        cut -= 1
    at = hashed(data, start, cut) & (len(folders) - 1)
    while folders[at, 1] >= 0:
        if folders[at, 1] == cut - start and _same(data, start, folder_bytes, folders[at, 0], cut - start):
            slots[slot, 2] = folders[at, 2]
            slots[slot, 3] = folders[at, 3]
            slots[slot, 4] = cut
            return True
        at = (at + 1) & (len(folders) - 1)
    return False


@jit.kernel
def _most(ops: Any, first: int, last: int, slots: Any) -> int:
    """At most so many bytes come out of these pieces."""
    count = 0
    for k in range(first, last):
        kind = ops[k, 0]
        if kind == LITERAL:
            count += ops[k, 2]
        elif kind == DIGEST:
            count += 2 * DIGEST_BYTES
        else:
            slot = ops[k, 1]
            inside = slots[slot, 1] - slots[slot, 0]
            if kind == ESCAPED:
                count += 2 * inside
            elif kind == SPELLED:
                count += inside + slots[slot, 3]
            else:
                count += inside
    return count


@jit.kernel
def _write(
    data: Any,
    ops: Any,
    first: int,
    last: int,
    slots: Any,
    literals: Any,
    folder_bytes: Any,
    out: Any,
    at: int,
) -> Any:
    """Write pieces; returns where they end, and where the digest goes, -1 for nowhere."""
    digest = -1
    for k in range(first, last):
        kind = ops[k, 0]
        if kind == LITERAL:
            _copy(out, at, literals, ops[k, 1], ops[k, 2])
            at += ops[k, 2]
            continue
        if kind == DIGEST:
            digest = at
            at += 2 * DIGEST_BYTES
            continue
        slot = ops[k, 1]
        begin, end = slots[slot, 0], slots[slot, 1]
        if kind == SPELLED:
            _copy(out, at, folder_bytes, slots[slot, 2], slots[slot, 3])
            at += slots[slot, 3]
            begin = slots[slot, 4]
        if kind == ESCAPED:
            for j in range(begin, end):
                one = data[j]
                if one == 34 or one == 92:
                    out[at] = 92
                    at += 1
                out[at] = one
                at += 1
        else:
            _copy(out, at, data, begin, end - begin)
            at += end - begin
    return at, digest


@jit.kernel
def _marked(octets: Any, start: int, end: int) -> bool:
    """Whether a text has ``!//``, the mark of a path in a container; `octets` has `WIDE` bytes more than the text."""
    for at in range(start, end, WIDE):
        found = equal(octets, at, 33)
        while found != 0:
            k = at + lowest(found)
            if k + 2 < end and octets[k + 1] == 47 and octets[k + 2] == 47:
                return True
            found = found & (found - np.uint32(1))
    return False


@jit.kernel
def _outline(data: Any, start: int, end: int) -> Any:
    """Objects, ``<`` and ``[`` of a record (see `mmdata.converting.fast.look.Outline`)."""
    objects, less, squares = 0, 0, 0
    at = start
    while at + WIDE <= end and at + WIDE < len(data):
        opened = equal(data, at, 123)
        if opened != 0:
            objects += ones(opened & (equal(data, at + 1, 34) | equal(data, at + 1, 10)))
        less += ones(equal(data, at, 60))
        squares += ones(equal(data, at, 91))
        at += WIDE
    while at < end:
        if data[at] == 123 and at + 1 < end and (data[at + 1] == 34 or data[at + 1] == 10):
            objects += 1
        less += data[at] == 60
        squares += data[at] == 91
        at += 1
    return objects, less, squares


@jit.kernel
def translate(
    data: Any,
    starts: Any,
    ends: Any,
    first: int,
    knowns: Any,
    steps: Any,
    ops: Any,
    literals: Any,
    between: Any,
    folders: Any,
    folder_bytes: Any,
    slots: Any,
    out: Any,
    filled: Any,
    limits: Any,
    taken: Any,
    words: Any,
    texts: Any,
    places: Any,
) -> Any:
    """Translate records from `first` on, as long as they are known.

    Args:
        data: uint8, valid UTF-8.
        starts: int64, where each record begins in it.
        ends: int64, one past the last byte of each.
        first: the first record to translate.
        knowns: int64 ``[n, 9]``: outline (objects, ``<`` and ``[``), first step, first and last piece of the output,
            first and last piece of what is hashed, place.
        steps: int64 ``[n, 4]``: offset and length of a literal, what stands after it, whether a placeholder follows that.
        ops: int64 ``[n, 3]``: kind of a piece; offset and length of a literal, or the slot.
        literals: uint8, all literals, and `WIDE` bytes more.
        between: uint8, what stands between two records.
        folders: int64 ``[2^k, 4]``: a hash table: offset and length of a folder, -1 where there is none, and of what
            stands before the names of its files in the output.
        folder_bytes: uint8, these texts, and `WIDE` bytes more.
        slots: int64 ``[most, 5]``, to work with.
        out: uint8: what is written to.
        filled: int64: where the next record of each place goes; goes on from there.
        limits: int64: one past the last byte of each place.
        taken: int64: records of each known; counted on.
        words: uint64: room for the texts to hash.
        texts: int64 ``[most, 2]``: where these lie.
        places: int64 ``[most]``: where their digests go.

    Returns:
        The first record that was not translated, and why.
    """
    octets = words.view(out.dtype)
    between_records = len(between)
    hashes = 0
    used = 0
    why = DONE
    i = first
    while i < len(starts) and why == DONE:
        start, end = starts[i], ends[i]
        objects, less, squares = _outline(data, start, end)
        why = UNKNOWN
        for number in range(len(knowns)):
            if knowns[number, 0] != objects or knowns[number, 1] != less or knowns[number, 2] != squares:
                continue
            if not _matches(data, start, end, steps, knowns[number, 3], literals, slots):
                continue
            found = True
            for k in range(knowns[number, 4], knowns[number, 5]):
                if ops[k, 0] == SPELLED and not _spell(data, slots, ops[k, 1], folders, folder_bytes):
                    found = False
            if not found:
                break
            place = knowns[number, 8]
            need = _most(ops, knowns[number, 4], knowns[number, 5], slots) + between_records + WIDE
            seals = knowns[number, 7] > knowns[number, 6]
            most = _most(ops, knowns[number, 6], knowns[number, 7], slots) + BLOCK + WIDE
            if filled[place] + need > limits[place] or (
                seals and (used + most > len(octets) or hashes == len(places))
            ):
                why = FULL
                break
            if seals:
                until, _ = _write(
                    data,
                    ops,
                    knowns[number, 6],
                    knowns[number, 7],
                    slots,
                    literals,
                    folder_bytes,
                    octets,
                    used,
                )
                if _marked(octets, used, until):
                    break
                texts[hashes, 0] = used
                texts[hashes, 1] = until - used
                used = (until + BLOCK - 1) // BLOCK * BLOCK
                octets[until:used] = 0
            at, digest = _write(
                data,
                ops,
                knowns[number, 4],
                knowns[number, 5],
                slots,
                literals,
                folder_bytes,
                out,
                filled[place],
            )
            if seals:
                places[hashes] = digest
                hashes += 1
            _copy(out, at, between, 0, between_records)
            filled[place] = at + between_records
            taken[number] += 1
            why = DONE
            i += 1
            break
    if hashes:
        hexadecimal(words, texts, hashes, out, places)
    return i, why


__all__ = ["hashed", "translate"]
