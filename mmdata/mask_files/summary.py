"""`Summary`: what became of the records of one file whose masks were drawn."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Summary:
    """What became of the records.

    Attributes:
        records: how many the file has.
        written: how many have masks in the files now; `resumed` of them were there already.
        without_masks: how many have none.
        rejects: (record, why) of those whose masks cannot be drawn.
        files: files with masks.
        overlapping: records in whose shared file an object covers pixels of another; those objects have files of
            their own.
        between: text between records that is no record: where it lies and what it is, at most `MAX_BETWEEN` times.
        more_between: how often beyond these.
        up_to_date: everything was there already.
    """

    records: int = 0
    written: int = 0
    resumed: int = 0
    without_masks: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list)
    files: int = 0
    overlapping: int = 0
    between: list[str] = field(default_factory=list)
    more_between: int = 0
    up_to_date: bool = False

    @property
    def clean(self) -> bool:
        """Whether everything in the file was a record whose masks, if any, were drawn."""
        return not self.rejects and not self.between


__all__ = ["Summary"]
