"""A whole run of ``mmdata validate``: repair, check, and record or leave out what was known before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmdata.errors import UsageError
from mmdata.io.streams import local_path
from mmdata.options import Options
from mmdata.progress import Progress
from mmdata.report import Report
from mmdata.validating import baseline
from mmdata.validating.splice import Change
from mmdata.validating.validation import validate_with


@dataclass(frozen=True, kw_only=True)
class Run:
    """What to do with the files, besides checking them.

    Attributes:
        paths: files, globs, directories, mixture files, ``-``.
        format: of all of them; None tells it by their content.
        options: what the checks may know.
        fix: repair in place before checking.
        diff: say what `fix` would change, and do nothing else.
        unsafe_fixes: with one of both: also repairs that may change what was meant.
        baseline: file of findings to leave out.
        write_baseline: file to record all findings in.

    Raises:
        UsageError: two of these exclude each other.
    """

    paths: Sequence[str]
    format: str | None = None
    options: Options
    fix: bool = False
    diff: bool = False
    unsafe_fixes: bool = False
    baseline: str | None = None
    write_baseline: str | None = None

    def __post_init__(self) -> None:
        """Refuse what excludes each other."""
        if self.diff and self.fix:
            raise UsageError("--diff shows what --fix would do: give one of the two")
        if self.unsafe_fixes and not (self.fix or self.diff):
            raise UsageError("--unsafe-fixes goes with --fix or --diff")
        if self.baseline and self.write_baseline:
            raise UsageError("--baseline and --write-baseline exclude each other")

    def __call__(self, *, progress: Progress, on_change: Callable[[Change], None]) -> Report | None:
        """Do it.

        Args:
            progress: told of the bytes checked.
            on_change: told of each file that `fix` changed or `diff` would change.

        Returns:
            The report; None after `diff`, which checks nothing.

        Raises:
            UsageError: files or options that cannot be used; the message says which.
        """
        known = baseline.load(self.baseline) if self.baseline else None
        if self.fix or self.diff:
            from mmdata.validating.fix import fix_files

            for change in fix_files(
                self.paths, format=self.format, options=self.options, unsafe=self.unsafe_fixes, write=self.fix
            ):
                on_change(change)
        if self.diff:
            return None
        # A baseline needs every finding.
        options = replace(self.options, max_findings=0) if self.write_baseline else self.options
        report = validate_with(
            self.paths, format=self.format, options=options, progress=progress, baseline=known
        )
        if self.write_baseline:
            refuse_source(self.write_baseline, report)
            baseline.write(self.write_baseline, report)
        return report


def refuse_source(path: str, report: Report) -> None:
    """Refuse to write over a file that was checked.

    Raises:
        UsageError: `path` is one of the report's sources.
    """
    target = os.path.realpath(local_path(path))
    if any(target == os.path.realpath(local_path(source.path)) for source in report.sources):
        raise UsageError(f"{path}: is a file that was checked; write to another file")


__all__ = ["Run", "refuse_source"]
