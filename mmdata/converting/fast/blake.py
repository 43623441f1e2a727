"""BLAKE2b (RFC 7693) of many texts at once, as a kernel: four texts run side by side in the lanes of vectors.

Imported only after `mmdata.jit.available` said yes.
"""

# ruff: noqa: ARG001 - numba gives types, from which only the signature is made

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from mmdata import jit

DIGEST_BYTES = 12
BLOCK = 128
"""Bytes that are hashed in one step; texts begin at a multiple of it and are filled up with zeros."""

LANES = 4

_inline: Any = intrinsic

_IV = (
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
)  # fmt: skip

_ORDER = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
)

_STEPS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip

_LANE = ir.IntType(64)
_VECTOR = ir.VectorType(_LANE, LANES)
_INDEX = ir.IntType(32)


def _every(word: int) -> Any:
    return ir.Constant(_VECTOR, [word] * LANES)


@_inline  # type: ignore[untyped-decorator]
def _compress(typing: Any, states: Any, words: Any, offsets: Any, counts: Any, finals: Any) -> Any:
    """Take one block of each lane into its state.

    ``states``: uint64[8 * LANES], word by word, the lanes of a word side by side; ``words``: uint64, all texts;
    ``offsets``: int64[LANES], the lanes' words; ``counts``: uint64[LANES], bytes of each text up to the end of the
    block; ``finals``: uint64[LANES], all ones where this block is the last.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        starts = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args, args, strict=True)
        ]

        def row(array: int, number: int) -> Any:
            at = builder.gep(starts[array], [ir.Constant(_LANE, number * LANES)])
            return builder.bitcast(at, _VECTOR.as_pointer())

        def load(array: int, number: int) -> Any:
            loaded = builder.load(row(array, number))
            loaded.align = 8
            return loaded

        places = [builder.load(builder.gep(starts[2], [ir.Constant(_LANE, lane)])) for lane in range(LANES)]
        message = []
        for number in range(16):
            vector = ir.Constant(_VECTOR, ir.Undefined)
            for lane, place in enumerate(places):
                word = builder.load(builder.gep(starts[1], [builder.add(place, ir.Constant(_LANE, number))]))
                vector = builder.insert_element(vector, word, ir.Constant(_INDEX, lane))
            message.append(vector)
        before = [load(0, number) for number in range(8)]
        v = [*before, *(_every(word) for word in _IV)]
        v[12] = builder.xor(v[12], load(3, 0))
        v[14] = builder.xor(v[14], load(4, 0))

        def turned(word: Any, by: int) -> Any:
            return builder.or_(builder.lshr(word, _every(by)), builder.shl(word, _every(64 - by)))

        for order in _ORDER:
            for step, (a, b, c, d) in enumerate(_STEPS):
                for number, (first, second) in ((2 * step, (32, 24)), (2 * step + 1, (16, 63))):
                    v[a] = builder.add(builder.add(v[a], v[b]), message[order[number]])
                    v[d] = turned(builder.xor(v[d], v[a]), first)
                    v[c] = builder.add(v[c], v[d])
                    v[b] = turned(builder.xor(v[b], v[c]), second)
        for number in range(8):
            after = builder.xor(before[number], builder.xor(v[number], v[number + 8]))
            builder.store(after, row(0, number), align=8)
        return context.get_dummy_value()

    return types.void(states, words, offsets, counts, finals), codegen


_START = np.array(_IV, np.uint64)
_START[0] ^= np.uint64(0x01010000 | DIGEST_BYTES)  # the length of the digest, no key, one leaf
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@jit.kernel
def hexadecimal(words: Any, texts: Any, count: int, out: Any, at: Any) -> None:
    """Write the digests of texts as hexadecimal.

    Args:
        words: uint64, the bytes of the texts as they lie in memory, on a machine that is little-endian; each is filled
            up with zeros to a multiple of `BLOCK` and to one of them at least.
        texts: int64 ``[count, 2]``: the first byte of each text, a multiple of `BLOCK`, and its length in bytes.
        count: how many.
        out: uint8, flat.
        at: int64 ``[count]``: where in `out` the ``2 * DIGEST_BYTES`` characters of each go.
    """
    states = np.zeros(8 * LANES, np.uint64)
    offsets = np.zeros(LANES, np.int64)
    counts = np.zeros(LANES, np.uint64)
    finals = np.zeros(LANES, np.uint64)
    text = np.full(LANES, -1, np.int64)
    hashed = np.zeros(LANES, np.int64)
    fresh = 0
    running = 0
    while True:
        for lane in range(LANES):
            if text[lane] < 0 and fresh < count:
                text[lane] = fresh
                hashed[lane] = 0
                fresh += 1
                running += 1
                for k in range(8):
                    states[k * LANES + lane] = _START[k]
            if text[lane] >= 0:
                start = texts[text[lane], 0]
                length = texts[text[lane], 1]
                offsets[lane] = (start + hashed[lane]) // 8
                hashed[lane] += BLOCK
                last = hashed[lane] >= length
                counts[lane] = np.uint64(length if last else hashed[lane])
                finals[lane] = ~np.uint64(0) if last else np.uint64(0)
        if running == 0:
            return
        # A lane without a text goes over its last block again, and nobody asks for what comes out.
        _compress(states, words, offsets, counts, finals)
        for lane in range(LANES):
            if text[lane] >= 0 and finals[lane] != 0:
                place = at[text[lane]]
                for k in range(DIGEST_BYTES):
                    word = states[(k // 8) * LANES + lane]
                    octet = np.int64((word >> np.uint64(8 * (k % 8))) & np.uint64(255))
                    out[place + 2 * k] = _HEX[octet >> 4]
                    out[place + 2 * k + 1] = _HEX[octet & 15]
                text[lane] = -1
                running -= 1


__all__ = ["BLOCK", "DIGEST_BYTES", "LANES", "hexadecimal"]
