"""What the records of a file look like, learnt from its first bytes: where a record may begin after damage."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from mmdata.errors import DataError
from mmdata.io.spans import members, raw_end, skip_space

_FIRST_KEY = re.compile(rb'\{[ \t\n\r]*+"[^"\\\n]*+"[ \t\n\r]*+:')
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """The look of a typical record.

    Attributes:
        signature: the exact bytes from a record's ``{`` to the ``:`` after its first key; None if records are no
            objects.
        keys: keys of a typical record; empty if none was whole in the first bytes.
        opening: matches an object that begins with any of those keys.
    """

    signature: bytes | None
    keys: frozenset[str]
    opening: re.Pattern[bytes] | None

    def fits(self, record: bytes) -> bool:
        """Whether a whole object has at least half of the typical record's keys, and more than one if that has."""
        if not self.keys:
            return True
        try:
            found = _MEMBERS.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        shared = len(self.keys & found.keys())
        return 2 * shared >= len(self.keys) and shared >= min(2, len(self.keys))


NO_SHAPE = Shape(None, frozenset(), None)
"""Nothing is known of the records."""


def learn(head: bytes) -> Shape:
    """The shape of the records of an array, or of values one after another, from the file's first bytes.

    The first record is the pattern. Where it is broken, the longest whole object is that begins as it does, or else the
    longest in sight: objects nested in a record are shorter than the record.
    """
    at = skip_space(head, 3 if head.startswith(b"\xef\xbb\xbf") else 0)
    if head[at : at + 1] == b"[":
        at = skip_space(head, at + 1)
    first = _FIRST_KEY.match(head, at)
    if first is not None and (end := raw_end(memoryview(head)[at:])) > 0:
        return _shape(first[0], head[at : at + end])
    best = _longest(head, at, first[0] if first is not None else None)
    if best is None and (first is None or head.count(first[0]) < 2):
        best = _longest(head, at, None)
    if best is not None:
        opening = _FIRST_KEY.match(best)
        assert opening is not None
        return _shape(opening[0], best)
    if first is not None:
        return Shape(first[0], frozenset(), re.compile(re.escape(first[0])))
    return NO_SHAPE


def _longest(head: bytes, at: int, signature: bytes | None) -> bytes | None:
    """The longest whole object among the first ones from `at` on, if need be of those that begin with `signature`."""
    best = b""
    for count, found in enumerate(_FIRST_KEY.finditer(head, at)):
        if count >= _CANDIDATES:
            break
        if signature is not None and found[0] != signature:
            continue
        end = raw_end(memoryview(head)[found.start() :])
        if end > len(best):
            best = head[found.start() : found.start() + end]
    return best or None


def signature_at(data: bytes, at: int) -> bytes | None:
    """The bytes from the ``{`` at `at` to the ``:`` after the first key, or None if no object begins there."""
    found = _FIRST_KEY.match(data, at)
    return None if found is None else found[0]


def _shape(signature: bytes, record: bytes) -> Shape:
    try:
        spans = list(members(record, 0))
    except DataError:
        return Shape(signature, frozenset(), re.compile(re.escape(signature)))
    words = b"|".join(sorted({re.escape(record[m.key_start : m.key_end]) for m in spans}))
    opening = re.compile(rb"\{[ \t\n\r]*+(?:" + words + rb")[ \t\n\r]*+:")
    return Shape(signature, frozenset(m.key for m in spans), opening)
