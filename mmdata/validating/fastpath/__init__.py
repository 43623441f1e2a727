"""The fast path: a msgspec decoder and one flat function, both generated, that accept the ordinary record.

Two speeds, one truth. The pydantic record type says what a record is; from it `struct_of` builds a msgspec struct that
decodes and type-checks in one pass. The guards of the selected checks say when a record cannot have a finding; from
them `FastPath` writes one function that computes the facts they name in a single loop over the turns. A record that
decodes and satisfies every guard is accepted; every other record is *flagged*, and only flagged records see the check
bodies and pydantic. Wrongly flagging costs time; wrongly accepting would hide a finding, so everything here declines
when in doubt.

msgspec keeps the last of duplicate keys in silence. They are caught by counting quotation marks: in the bytes of an
accepted record stand exactly two for each key and each string that was decoded, besides escaped ones.
"""

from __future__ import annotations

from mmdata.validating.fastpath.accept import accept_source, guard_names
from mmdata.validating.fastpath.helpers import tally
from mmdata.validating.fastpath.layouts import LAYOUT_FACTS, Layout
from mmdata.validating.fastpath.path import DECODE_ERRORS, FastPath
from mmdata.validating.fastpath.structs import LARGEST_INT, SMALLEST_INT, UnsupportedType, struct_of

__all__ = [
    "DECODE_ERRORS",
    "LARGEST_INT",
    "LAYOUT_FACTS",
    "SMALLEST_INT",
    "FastPath",
    "Layout",
    "UnsupportedType",
    "accept_source",
    "guard_names",
    "struct_of",
    "tally",
]
