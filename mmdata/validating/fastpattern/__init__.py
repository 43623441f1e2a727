"""The fastest path: records that look like one already accepted are matched as bytes, nothing is parsed.

From an accepted record `pattern_of` writes a regular expression that fixes everything a finding could depend on (keys,
their order, white space, role words, the number and kind of values) and leaves open what none does: the digits of a
number, the characters of a string. A text is left open only to characters that cannot change what it decodes to but
itself: escapes of ASCII characters, which could hide a marker, do not match. What matches is therefore JSON without
repeated keys, of the record type, and its facts follow from the pattern and from the markers in its texts; the guards
are evaluated on those. What does not match goes the way through `mmdata.validating.fastpath`.
"""

from __future__ import annotations

from mmdata.validating.fastpattern.blocks import BlockFacts, look_at
from mmdata.validating.fastpattern.example import pattern_of
from mmdata.validating.fastpattern.path import PatternPath

__all__ = ["BlockFacts", "PatternPath", "look_at", "pattern_of"]
