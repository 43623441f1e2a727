"""From an output with markers in its slots to the function that splices an output from the values of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from mmdata.converting import carry
from mmdata.converting.fast.skeleton import Skeleton

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


def write_source(skeleton: Skeleton, record: Mapping[str, Any], pattern: str) -> tuple[str, dict[str, bytes]]:
    """Python source of a `Write` for records like the one whose translation with markers is `record`.

    Returns:
        The source, which names `BLAKE`, `FOLDERS`, `SPELL` and `pattern` besides the literals, and the literals.
    """
    constants: dict[str, bytes] = {}
    data = orjson.dumps(record)
    carries = carry.KEY in record
    plain = {key: value for key, value in record.items() if key != carry.KEY}
    digest = carry.digest(record).encode() if carries else None
    used: set[str] = set()
    out = _pieces(data, digest, constants, used)
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
    for name in sorted(used):
        if name.startswith("e") and skeleton.slots[int(name[1:])].kind == "path":
            body.append(f"{name} = s{name[1:]}")
        elif name.startswith("e"):
            # A string inside the carry, which is a string itself.
            body.append(
                f"{name} = s{name[1:]}.replace(B, BB).replace(Q, BQ) if B in s{name[1:]} else s{name[1:]}"
            )
    if digest is not None:
        body_sorted = _pieces(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), None, constants, set())
        body.append(f"d = BLAKE({_joined(body_sorted)}, digest_size=12).hexdigest().encode()")
    body.append(f"return {_joined(out)}")
    return "\n    ".join(["def write(data, start, end):", *body]) + "\n", constants


def constants_of(write: Mapping[str, bytes]) -> dict[str, Any]:
    """What the source of a `Write` names besides its pattern, `FOLDERS` and `SPELL`."""
    return {**write, "BLAKE": blake2b, "B": b"\\", "BB": b"\\\\", "Q": b'"', "BQ": b'\\"'}


def _joined(pieces: list[str]) -> str:
    return f'b"".join(({", ".join(pieces)},))'


def _pieces(data: bytes, digest: bytes | None, constants: dict[str, bytes], used: set[str]) -> list[str]:
    """The expressions whose bytes in a row are the output."""
    inside_carry = data.rfind(_CARRY)
    pattern = _MARKER if digest is None else re.compile(_MARKER.pattern + b"|(" + digest + b")")
    found: list[str] = []
    at = 0

    def literal(text: bytes) -> None:
        if text:
            name = f"L{len(constants)}"
            constants[name] = text
            found.append(name)

    for match in pattern.finditer(data):
        literal(data[at : match.start()])
        at = match.end()
        if match.lastindex == 4:
            name = "d"
        else:
            number = int(match[match.lastindex or 1])
            nested = 0 <= inside_carry < match.start()
            kind = "p" if match[2] is not None else "s" if match[3] is not None or not nested else "e"
            name = f"{kind}{number}"
        used.add(name)
        found.append(name)
    literal(data[at:])
    return found


__all__ = ["Write", "awkward", "constants_of", "marked", "spelled", "write_source"]
