"""`Finding`: the one currency between readers, checks, reporters and fixes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(slots=True, frozen=True)
class Edit:
    """One change to a JSON document, by JSON pointer (RFC 6901), for `--fix`.

    `op` is one of

    - ``"set"``: replace the value at `pointer` by `value` (the key or element must exist)
    - ``"add"``: add the object member or insert the list element at `pointer` (``/list/-`` appends)
    - ``"remove"``: remove the member or element at `pointer`
    - ``"rename"``: give the object key at `pointer` the name `value` (a str)
    """

    op: Literal["set", "add", "remove", "rename"]
    pointer: str
    value: Any = None


@dataclass(slots=True, frozen=True)
class Splice:
    """A change to the bytes of the file itself, for containers that are not JSON (blank lines, BOM, `data.txt`).

    Attributes:
        start: first byte replaced, counted in the (decompressed) file.
        end: one past the last byte replaced.
        replacement: the new bytes.
    """

    start: int
    end: int
    replacement: bytes


@dataclass(slots=True)
class Finding:
    """One thing a person should know about their data.

    Attributes:
        code: stable code of the check, for example ``"G05"``.
        severity: ``"error"`` (the trainer crashes, swaps, drops or trains on the wrong tokens), ``"warning"``
            (probably not what was meant) or ``"info"``.
        message: what is wrong, in one sentence.
        path: the data file, as the user gave it.
        upstream: what the trainer's code does with it, in one line.
        fix: how to repair it, in one line; None where only the author can know.
        related_path: the sidecar, picture or video that the finding is about.
        record: 0-based index of the record; broken records count, blank lines do not.
        pointer: JSON pointer (RFC 6901) of the offending value inside the record.
        line: 1-based line of the file on which the offending value starts.
        byte: 0-based offset of the offending value in the (decompressed) file.
        edits: changes to the record that repair it.
        splices: changes to the file's bytes that repair it.
        unsafe: the repair may change what the author meant; applied by ``--unsafe-fixes`` only.
        span: (start, end) bytes of the offending value in the file, where known.
        excerpt: (text, start, end): text around the offending value and its characters in it, for the caret.
    """

    code: str
    severity: Severity
    message: str
    path: str
    upstream: str
    fix: str | None = None
    related_path: str | None = None
    record: int | None = None
    pointer: str | None = None
    line: int | None = None
    byte: int | None = None
    edits: tuple[Edit, ...] = ()
    splices: tuple[Splice, ...] = ()
    unsafe: bool = False
    span: tuple[int, int] | None = field(default=None, repr=False)
    excerpt: tuple[str, int, int] | None = field(default=None, repr=False)

    @property
    def fixable(self) -> bool:
        """Whether a repair is attached."""
        return bool(self.edits or self.splices)

    def to_dict(self) -> dict[str, Any]:
        """The public JSON shape of a finding (``--output-format json``)."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "path": self.path,
            "related_path": self.related_path,
            "record": self.record,
            "pointer": self.pointer,
            "line": self.line,
            "byte": self.byte,
            "upstream": self.upstream,
            "fix": self.fix,
        }
