"""`Conversion`: what a conversion did, the content of ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FATES = ("kept", "approximated", "carried", "lost")


@dataclass(slots=True)
class Conversion:
    """What a conversion did: the content of ``report.json``.

    Attributes:
        read: records read, broken ones included.
        written: records written.
        rejected: records in ``rejects.jsonl``.
        outputs: paths relative to the output, data files first.
        format: the format of the records written; `mmdata.detection` asks for it where the records alone leave it open.
        losses: field -> records that lost it (not carried).
        fields: field -> {"kept", "approximated", "carried", "lost", "how", "mean_error", "max_error"}.
        rejections: code -> records.
        warnings: code of the target's checks -> how often it stands against a written record.
        sources: per source: path, format, read, written, rejected, outputs (file -> records).
        mixtures: the mixture files that were read: path and what could not be taken over.
        left_aside: files of a directory that were not read, folded by ending, and why.
        problems: kind -> what lay between records and is no record.
        fingerprint: of the command and the sources.
        repeated: the same command had finished before: nothing was done. Not part of ``report.json``.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    outputs: list[str] = field(default_factory=list)
    format: str = ""
    losses: dict[str, int] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejections: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    mixtures: list[dict[str, Any]] = field(default_factory=list)
    left_aside: list[str] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)
    fingerprint: str = ""
    repeated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it stands in ``report.json``."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "repeated"}

    @property
    def exit_code(self) -> int:
        """0 everything was written; 1 something was rejected."""
        return 1 if self.rejected or self.problems else 0

    def summary(self) -> str:
        """A few lines for people."""
        done = (
            "nothing to do: the same command has written this already "
            "(media and polygon files are not looked at again; --force converts anew)"
        )
        lines = [done] if self.repeated else []
        lines.append(f"{self.read} records read = {self.written} written + {self.rejected} rejected")
        for name, entry in self.fields.items():
            counts = ", ".join(f"{entry[fate]} {fate}" for fate in FATES if entry.get(fate))
            error = (
                f" (error mean {entry['mean_error']}, max {entry['max_error']})"
                if "mean_error" in entry
                else ""
            )
            how = f": {'; '.join(entry['how'])}" if entry["how"] else ""
            lines.append(f"  {name}: {counts}{error}{how}")
        lines += [f"  rejected {code}: {count}" for code, count in self.rejections.items()]
        lines += [f"  warning {code}: {count}" for code, count in self.warnings.items()]
        lines += [f"  between records, {kind}: {count}" for kind, count in self.problems.items()]
        lines += [f"  left aside: {one}" for one in self.left_aside]
        lines += [f"  {one['path']}: {text}" for one in self.mixtures for text in one["differences"]]
        return "\n".join(lines)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Conversion:
        """Read a ``report.json``.

        Raises:
            TypeError: it is none.
        """
        return cls(**value)


__all__ = ["FATES", "Conversion"]
