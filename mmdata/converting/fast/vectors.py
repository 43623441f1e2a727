"""Thirty-two bytes at a time inside kernels: what LLVM makes of a loop with an early end takes one byte at a time.

Every function here reads or writes `WIDE` bytes from the place it is given; that they are there is the caller's part.
Imported only after `mmdata.jit.available` said yes.
"""

# ruff: noqa: ARG001 - numba gives types, from which only the signature is made

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDE = 32

_inline: Any = intrinsic
"""The intermediate code of a function, written by hand, in the place where it is called."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(32)
_VECTOR = ir.VectorType(_BYTE, WIDE)


def _place(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    start = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(start, [at]), _VECTOR.as_pointer())


def _load(builder: Any, place: Any) -> Any:
    loaded = builder.load(place)
    loaded.align = 1
    return loaded


def _every(byte: int) -> Any:
    return ir.Constant(_VECTOR, [byte] * WIDE)


@_inline  # type: ignore[untyped-decorator]
def specials(typing: Any, data: Any, at: Any) -> Any:
    """``specials(data, at) -> uint32``: a bit for each control character, ``"``, ``<``, ``[`` and backslash of 32 bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(builder, _place(context, builder, signature.args[0], *args))
        found = builder.icmp_unsigned("<", loaded, _every(32))
        for byte in b'"<[\\':
            found = builder.or_(found, builder.icmp_unsigned("==", loaded, _every(byte)))
        return builder.bitcast(found, _WORD)

    return types.uint32(data, types.intp), codegen


@_inline  # type: ignore[untyped-decorator]
def equal(typing: Any, data: Any, at: Any, byte: Any) -> Any:
    """``equal(data, at, byte) -> uint32``: a bit for each of 32 bytes that is this one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(builder, _place(context, builder, signature.args[0], args[0], args[1]))
        wanted = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(wanted, args[2], ir.Constant(_WORD, 0))
        zeros = ir.Constant(ir.VectorType(_WORD, WIDE), [0] * WIDE)
        return builder.bitcast(
            builder.icmp_unsigned("==", loaded, builder.shuffle_vector(first, wanted, zeros)), _WORD
        )

    return types.uint32(data, types.intp, types.uint8), codegen


@_inline  # type: ignore[untyped-decorator]
def ones(typing: Any, mask: Any) -> Any:
    """``ones(mask) -> int64``: how many bits of a `uint32` are set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.ctpop(args[0]), ir.IntType(64))

    return types.int64(types.uint32), codegen


@_inline  # type: ignore[untyped-decorator]
def differing(typing: Any, one: Any, at: Any, other: Any, there: Any) -> Any:
    """``differing(one, at, other, there) -> uint32``: a bit for each of 32 bytes in which two arrays differ."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mine = _load(builder, _place(context, builder, signature.args[0], args[0], args[1]))
        theirs = _load(builder, _place(context, builder, signature.args[2], args[2], args[3]))
        return builder.bitcast(builder.icmp_unsigned("!=", mine, theirs), _WORD)

    return types.uint32(one, types.intp, other, types.intp), codegen


@_inline  # type: ignore[untyped-decorator]
def moved(typing: Any, target: Any, at: Any, source: Any, there: Any) -> Any:
    """``moved(target, at, source, there)``: copy 32 bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(builder, _place(context, builder, signature.args[2], args[2], args[3]))
        builder.store(loaded, _place(context, builder, signature.args[0], args[0], args[1]), align=1)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp), codegen


@_inline  # type: ignore[untyped-decorator]
def lowest(typing: Any, mask: Any) -> Any:
    """``lowest(mask) -> int64``: the number of the lowest bit that is set in a `uint32` that is not zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = builder.cttz(args[0], cgutils.true_bit)
        return builder.zext(count, ir.IntType(64))

    return types.int64(types.uint32), codegen


__all__ = ["WIDE", "differing", "equal", "lowest", "moved", "ones", "specials"]
