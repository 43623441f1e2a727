"""From an output with markers in its slots to the function that splices an output from the values of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson

from mmdata.converting import carry
from mmdata.converting.fast.skeleton import Skeleton
from mmdata.converting.fast.spelling import MARK

Write = Callable[[bytes, int, int], bytes | None]
"""(data, start, end) -> the translation of the record ``data[start:end]``; None where it is not of the skeleton."""

_RAW, _SPELLED, _NUMBER = "Zq%04dqZ", "Zs%04dsZ", 7_300_000_000_000_000
_MARKER = re.compile(rb"Zq(\d{4})qZ|Zs(\d{4})sZ|73000000000(\d{5})")
_CARRY = b'"' + carry.KEY.encode() + b'":"'

AWKWARD = (
    'Zq%04dqZ \\"so\\" \\\\ é 你 and\\nmore of it  \\n'.encode(),
    b"x",
)
"""Texts that a template must pass on as the ordinary converter does."""


def marked(skeleton: Skeleton) -> list[bytes]:
    """A marker for each slot."""
    return [
        (str(_NUMBER + k) if slot.kind == "positive" else _RAW % k).encode()
        for k, slot in enumerate(skeleton.slots)
    ]


def awkward(skeleton: Skeleton, which: int) -> list[bytes]:
    """Values with everything in them that a slot takes."""
    found = []
    for k, slot in enumerate(skeleton.slots):
        if slot.kind in ("text", "string"):
            found.append(AWKWARD[which] % k if which == 0 else AWKWARD[which])
        elif slot.kind == "path":
            found.append(f"some folder/with é/{k}.jpg".encode() if which == 0 else b"y")
        else:
            found.append(str(k + 1 if which == 0 else 10**15).encode())
    return found


def spelled(path: str) -> str:
    """What the markers of paths are spelled as."""
    return path.replace("Zq", "Zs").replace("qZ", "sZ")


@dataclass(frozen=True, slots=True)
class Op:
    """A piece of an output.

    Attributes:
        kind: ``"literal"``, ``"raw"`` (a slot's value as it stands), ``"escaped"`` (the same inside a string inside a
            string), ``"path"`` (a slot's media path as the output spells it) or ``"digest"``.
        slot: number of the slot; -1 for none.
        text: the literal.
    """

    kind: Literal["literal", "raw", "escaped", "path", "digest"]
    slot: int = -1
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Template:
    """What a record of a skeleton becomes.

    Attributes:
        output: the pieces of the output, in order.
        sealed: the pieces of the text that the digest is taken of; None where the output has none.
    """

    output: tuple[Op, ...]
    sealed: tuple[Op, ...] | None


def template(record: Mapping[str, Any], skeleton: Skeleton) -> Template:
    """The template that shows in `record`, the translation of the skeleton with its markers."""
    data = orjson.dumps(record)
    if carry.KEY not in record:
        return Template(_ops(data, None, skeleton), None)
    plain = {key: value for key, value in record.items() if key != carry.KEY}
    sealed = _ops(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), None, skeleton)
    return Template(_ops(data, carry.digest(record).encode(), skeleton), sealed)


def write_source(template: Template, skeleton: Skeleton, pattern: str) -> tuple[str, dict[str, bytes]]:
    """Python source of a `Write`.

    Returns:
        The source, which names `BLAKE`, `FOLDERS`, `SPELL`, `MARK` and `pattern` besides the literals, and the literals.
    """
    constants: dict[str, bytes] = {}
    names = [f"s{k}" for k in range(len(skeleton.slots))]
    body = [f"m = {pattern}(data, start, end)", "if m is None: return None"]
    if names:
        body.append(f"{', '.join(names)}, = m.groups()")
    for k, slot in enumerate(skeleton.slots):
        if slot.kind == "path":
            body += [
                f'c = s{k}.rfind(b"/") + 1',
                f"p{k} = FOLDERS.get(s{k}[:c])",
                f"if p{k} is not None: p{k} += s{k}[c:]",
                "else:",
                f"    p{k} = SPELL(s{k})",
                f"    if p{k} is None: return None",
            ]
    for k in sorted({op.slot for op in template.output if op.kind == "escaped"}):
        # A string inside the carry, which is a string itself.
        body.append(f"e{k} = s{k}.replace(B, BB).replace(Q, BQ) if B in s{k} else s{k}")
    if template.sealed is not None:
        body += [
            f"t = {_joined(template.sealed, constants)}",
            "if MARK in t: return None",
            "d = BLAKE(t, digest_size=12).hexdigest().encode()",
        ]
    body.append(f"return {_joined(template.output, constants)}")
    return "\n    ".join(["def write(data, start, end):", *body]) + "\n", constants


def constants_of(write: Mapping[str, bytes]) -> dict[str, Any]:
    """What the source of a `Write` names besides its pattern, `FOLDERS` and `SPELL`."""
    # A text with the mark of a path in a container is not hashed as it stands: see `carry.digest`.
    return {**write, "BLAKE": blake2b, "MARK": MARK, "B": b"\\", "BB": b"\\\\", "Q": b'"', "BQ": b'\\"'}


def _joined(ops: tuple[Op, ...], constants: dict[str, bytes]) -> str:
    """The expression whose value is the pieces in a row."""
    names = []
    for op in ops:
        if op.kind == "literal":
            names.append(f"L{len(constants)}")
            constants[names[-1]] = op.text
        else:
            names.append("d" if op.kind == "digest" else f"{_LETTERS[op.kind]}{op.slot}")
    return f'b"".join(({", ".join(names)},))'


_LETTERS = {"raw": "s", "escaped": "e", "path": "p"}


def _ops(data: bytes, digest: bytes | None, skeleton: Skeleton) -> tuple[Op, ...]:
    """The pieces whose bytes in a row are the output."""
    inside_carry = data.rfind(_CARRY)
    pattern = _MARKER if digest is None else re.compile(_MARKER.pattern + b"|(" + digest + b")")
    found: list[Op] = []
    at = 0

    def literal(text: bytes) -> None:
        if text:
            found.append(Op("literal", text=text))

    for match in pattern.finditer(data):
        literal(data[at : match.start()])
        at = match.end()
        if match.lastindex == 4:
            found.append(Op("digest"))
            continue
        slot = int(match[match.lastindex or 1])
        nested = 0 <= inside_carry < match.start()
        if match[2] is not None:
            found.append(Op("path", slot))
        elif nested and skeleton.slots[slot].kind in ("text", "string"):
            found.append(Op("escaped", slot))
        else:
            # No other slot takes a backslash.
            found.append(Op("raw", slot))
    literal(data[at:])
    return tuple(found)


__all__ = [
    "Op",
    "Template",
    "Write",
    "awkward",
    "constants_of",
    "marked",
    "spelled",
    "template",
    "write_source",
]
