"""`apply`: carry out edits on the JSON text of a record, and leave every other byte as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from mmdata.errors import DataError
from mmdata.finding import Edit
from mmdata.io.spans import Member, locate_tokens, members, skip_space, tokens

_COLON = re.compile(rb'"[ \t]*:([ \t]*)')


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The record's text after the edits, one after another: each pointer is about the text that the one before left.

    A new value is written on one line, spaced as the record is; with non-ASCII letters as they are, unless the record is
    pure ASCII. Where an object has a key twice, ``set`` changes the last one, which is the one that counts; ``remove``
    and ``rename`` leave no other one behind.

    Raises:
        DataError: a pointer points at nothing, or a value of the wrong kind.
    """
    for edit in edits:
        data = _OPERATIONS[edit.op](data, tokens(edit.pointer), edit)
    return data


def _set(data: bytes, path: list[str], edit: Edit) -> bytes:
    span = locate_tokens(data, path)
    if span is None:
        raise DataError(f"nothing at {edit.pointer!r} to set")
    return data[: span[0]] + _dump(data, edit.value) + data[span[1] :]


def _add(data: bytes, path: list[str], edit: Edit) -> bytes:
    if not path:
        return _set(data, path, edit)
    start, inside = _holder(data, path, edit)
    value = _dump(data, edit.value)
    if data[start : start + 1] == b"{":
        if any(m.key == path[-1] for m in inside):
            return _set(data, path, edit)
        new = _dump(data, path[-1]) + _colon(data, inside) + value
        return _append(data, start, inside, new)
    index = len(inside) if path[-1] == "-" else _index(path[-1], len(inside) + 1, edit)
    if index == len(inside):
        return _append(data, start, inside, value)
    at = inside[index].start
    return data[:at] + value + _separator(data, start, inside) + data[at:]


def _remove(data: bytes, path: list[str], edit: Edit) -> bytes:
    if not path:
        raise DataError("a record cannot remove itself")
    start, inside = _holder(data, path, edit)
    gone = [i for i, m in enumerate(inside) if m.key == path[-1]]
    if not gone:
        raise DataError(f"nothing at {edit.pointer!r} to remove")
    for i in reversed(gone):
        data = _without(data, list(members(data, start)), i)
    return data


def _rename(data: bytes, path: list[str], edit: Edit) -> bytes:
    if not isinstance(edit.value, str):
        raise DataError(f"a key is renamed to a string, not to {edit.value!r}")
    if not path:
        raise DataError("a record has no key to rename")
    start, inside = _holder(data, path, edit)
    if data[start : start + 1] != b"{":
        raise DataError(f"{edit.pointer!r} is no member of an object")
    old = [i for i, m in enumerate(inside) if m.key == path[-1]]
    if not old:
        raise DataError(f"nothing at {edit.pointer!r} to rename")
    if edit.value == path[-1]:
        return data
    kept = inside[old[-1]]
    doomed = [i for i, m in enumerate(inside) if i != old[-1] and m.key in (path[-1], edit.value)]
    data = data[: kept.key_start] + _dump(data, edit.value) + data[kept.key_end :]
    for i in reversed(doomed):
        data = _without(data, list(members(data, start)), i)
    return data


_OPERATIONS: dict[str, Callable[[bytes, list[str], Edit], bytes]] = {
    "set": _set,
    "add": _add,
    "remove": _remove,
    "rename": _rename,
}


def _holder(data: bytes, path: list[str], edit: Edit) -> tuple[int, list[Member]]:
    """Start and members of the object or list that the pointer's last token is about."""
    span = locate_tokens(data, path[:-1])
    if span is None or data[span[0] : span[0] + 1] not in (b"{", b"["):
        raise DataError(f"nothing that holds {edit.pointer!r}")
    return span[0], list(members(data, span[0]))


def _index(token: str, length: int, edit: Edit) -> int:
    if token.isascii() and token.isdigit() and (token == "0" or token[0] != "0") and int(token) < length:  # noqa: S105
        return int(token)
    raise DataError(f"no place {edit.pointer!r} in the list")


def _without(data: bytes, inside: list[Member], i: int) -> bytes:
    """The text without member `i` and the comma that belonged to it."""
    member = inside[i]
    if i + 1 < len(inside):
        return data[: member.key_start] + data[inside[i + 1].key_start :]
    begin = inside[i - 1].end if i else member.key_start
    return data[:begin] + data[member.end :]


def _append(data: bytes, start: int, inside: list[Member], new: bytes) -> bytes:
    if not inside:
        at = skip_space(data, start + 1)
        return data[: start + 1] + new + data[at:]
    at = inside[-1].end
    return data[:at] + _separator(data, start, inside) + new + data[at:]


def _separator(data: bytes, start: int, inside: list[Member]) -> bytes:
    """What stands between two members here: as between the last two; for one alone, as its own line suggests."""
    if len(inside) > 1:
        return data[inside[-2].end : inside[-1].key_start]
    space = data[start + 1 : inside[0].key_start]
    return b"," + (space if b"\n" in space else b" " if _spaced(data) else b"")


def _colon(data: bytes, inside: list[Member]) -> bytes:
    if inside:
        return data[inside[-1].key_end : inside[-1].start]
    return b": " if _spaced(data) else b":"


def _spaced(data: bytes) -> bool:
    """Whether the record writes a space after its colons; if it has none, yes."""
    found = _COLON.search(data)
    return found is None or bool(found[1])


def _dump(data: bytes, value: Any) -> bytes:
    separators = (", ", ": ") if _spaced(data) else (",", ":")
    text = json.dumps(value, ensure_ascii=data.isascii(), separators=separators)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(
            value, separators=separators
        ).encode()  # a lone surrogate can only be written as an escape
