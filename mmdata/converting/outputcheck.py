"""`OutputCheck`: the target's checks on the records that a conversion has made, before they are written.

A record that satisfies every guard is clean. What a target's records have in common may let one guard flag all of them
(boxes in InternVL's answers, RLE in GeoPixel's): after `FLAGGED` of them the guards are asked one by one, and from then on
only the checks whose guards flag a record run their bodies on it. A guard that a record satisfies says that its check
finds nothing there, whatever other guards say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmdata.checks.registry import SHAPE, Check, Hit
from mmdata.finding import Finding, Severity
from mmdata.io.record import RawRecord
from mmdata.validating.fastpath import DECODE_ERRORS, FastPath, accept_source
from mmdata.validating.recordcheck import RecordChecker

if TYPE_CHECKING:
    from mmdata.format import Format
    from mmdata.options import Options
    from mmdata.plan import DataSet

FLAGGED = 24
"""Records that the guards flag before it is worth a hundredth of a second to find out which guards do."""

MOST_SEARCHES = 4
"""How often that is done: other records may trip other guards."""

Fault = tuple[str, Severity, str]
"""Code, severity and message of a finding."""


class _OutputChecker(RecordChecker):
    """Checks what was just written by us, in whose text nothing is odd."""

    def oddities(self, raw: RawRecord) -> list[Finding]:
        """None."""
        del raw
        return []

    def hits_of(
        self, checks: Sequence[Check], record: dict[str, Any], raw: RawRecord
    ) -> list[tuple[Check, Hit]]:
        """What some checks of records and polygon files find, those of records first."""
        view = self._view(raw, record)
        hits = [(c, hit) for c in checks if c.stage == "record" for hit in c.function(view)]
        return hits + self._sidecar_hits(view, [c for c in checks if c.stage == "sidecar"])


class OutputCheck:
    """The checks of a target.

    Args:
        dataset: stands for the output: its format is the target.
        checks: the selected checks.
        options: what they may assume.
    """

    def __init__(self, dataset: DataSet, checks: Sequence[Check], options: Options) -> None:
        self.format: Format = dataset.format
        self.options = options
        self.checks = [c for c in checks if c.stage in ("record", "sidecar")]
        self.checker = _OutputChecker(dataset, checks, options)
        self.usable = True
        self.guards = self._guards(self.checks)
        self.suspects: list[Check] = []
        self._rest: FastPath | None = None
        self._flagged = self._searches = 0

    @property
    def has_guards(self) -> bool:
        """Whether guards alone can accept a record of the target."""
        return not self.guards.always and self.usable

    def surely_clean(self, data: bytes) -> bool:
        """Whether the guards of all checks pass the record; where they flag it, the checks themselves decide."""
        return self._passes(self.guards, data)

    def faults(self, record: dict[str, Any], data: bytes, index: int) -> list[Fault]:
        """What the checks find in a record, in their order.

        Args:
            record: the record.
            data: the same, as `orjson` writes it.
            index: its number.
        """
        raw = RawRecord(index, 0, data, None)
        if self._rest is not None and self._passes(self._rest, data):
            hits = self.checker.hits_of(self.suspects, record, raw)
            return [(c.code, hit.severity or c.severity, hit.message) for c, hit in hits]
        if self.surely_clean(data):
            return []
        self._flagged += 1
        if self._flagged >= FLAGGED and self._searches < MOST_SEARCHES and self.has_guards:
            self._search(data)
        return [(one.code, one.severity, one.message) for one in self.checker.check(raw).findings]

    def _guards(self, checks: Sequence[Check]) -> FastPath:
        return FastPath(self.format, checks, self.options, load_sidecar=self.checker.load_sidecar)

    def _passes(self, guards: FastPath, data: bytes) -> bool:
        while self.has_guards:
            try:
                return guards.accept(guards.decode(data)) is not None
            except DECODE_ERRORS as error:
                try:
                    if not guards.learn(error):
                        return False
                except ValueError:
                    # A key that msgspec has no field name for, such as one with a control character.
                    self.usable = False
        return False

    def _search(self, data: bytes) -> None:
        """Find the checks whose guards flag a record, and put together the guards of all others."""
        self._flagged, self._searches = 0, self._searches + 1
        try:
            record = self.guards.decode(data)
        except DECODE_ERRORS:
            return
        if not self._accepts([], [], record):
            return  # a number beyond 64 bits: no guard's doing
        flagging = {one.guard for one in self.suspects}
        flagging |= {one.guard for one in self.checks if self._flags(one, record)}
        self.suspects = [one for one in self.checks if one.guard in flagging]
        self._rest = self._guards([one for one in self.checks if one.guard not in flagging])

    def _flags(self, one: Check, record: Any) -> bool:
        """Whether a check's own guard flags a decoded record."""
        if one.guard is None or one.guard == SHAPE:
            return False
        guards, other = ([], [one.guard]) if one.stage == "sidecar" else ([one.guard], [])
        return not self._accepts(guards, other, record)

    def _accepts(self, guards: list[str], sidecar_guards: list[str], record: Any) -> bool:
        """Whether a decoded record satisfies these guards."""
        source = accept_source(type(record), guards, sidecar_guards, parts=self.guards.content is not None)
        namespace = dict(self.guards.namespace)
        exec(compile(source, "<guards>", "exec"), namespace)  # noqa: S102 - own source
        return namespace["accept"](record) is not None


__all__ = ["Fault", "OutputCheck"]
