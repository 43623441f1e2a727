"""The baseline: today's findings written to a file, so that only new ones are reported from then on.

What identifies a finding is its file, its code and a fingerprint of its pointer inside the record, its message and the
other file it is about. The record's number, the line and the byte are no part of it, nor are such numbers in the
message: records may be added, removed or moved without making old findings new. Equal findings are counted, so that
one more of them is new::

    {"version": 1, "files": {"data/train.json": {"G05": {"0f3c6f1a9be2d475": 2}}}}

Paths are relative to the baseline file, so that it can be kept beside the data and used from any directory.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson

from mmdata.errors import UsageError
from mmdata.finding import Finding
from mmdata.report import Report

VERSION = 1

Known: TypeAlias = dict[tuple[str, str, str], int]
"""(path, code, fingerprint) -> how many."""

_NUMBER = r"\d+(?:,\d{3})*"
_AND = r"(?:\s*,\s*(?:and\s+)?|\s+(?:and|to)\s+|\s*[-–]\s*)"
_PLACES = re.compile(
    rf"\b(records?|entry|entries|lines?|bytes?|columns?|offsets?|position|index|char)[\s:#]+{_NUMBER}(?:{_AND}{_NUMBER})*",
    re.IGNORECASE,
)
"""Places in the file that a message names; they move with every record that is added above."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def fingerprint(finding: Finding, root: str = ".") -> str:
    """What identifies a finding within its file and code: 16 hexadecimal digits.

    Args:
        finding: the finding.
        root: directory that paths are taken relative to.
    """
    related = "" if finding.related_path is None else _relative(finding.related_path, root)
    message = _PLACES.sub(r"\1 #", finding.message)
    text = "\0".join((finding.pointer or "", related, message))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Baseline:
    """Findings that are known and not reported.

    Attributes:
        known: (path, code, fingerprint) -> how many.
        root: directory of the baseline file.
    """

    known: Known
    root: str

    def filter(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings that are new.

        Of equal findings the first ones are taken for the known ones, so one call must see all findings of a file.
        """
        seen: Counter[tuple[str, str, str]] = Counter()
        for finding in findings:
            key = _key(finding, self.root)
            seen[key] += 1
            if seen[key] > self.known.get(key, 0):
                yield finding


def write(path: str, report: Report) -> None:
    """Write the findings of a report as a baseline; the old file stays until the new one is complete.

    Raises:
        UsageError: the report does not list all its findings, or the file cannot be written.
    """
    from mmdata.io.writer import atomic_writer

    if report.dropped:
        raise UsageError(
            f"a baseline needs every finding, and {sum(report.dropped.values())} are not listed: raise --max-findings"
        )
    root = os.path.dirname(os.path.abspath(path))
    counts = Counter(_key(finding, root) for finding in report)
    files: dict[str, dict[str, dict[str, int]]] = {}
    for (file, code, mark), count in sorted(counts.items()):
        files.setdefault(file, {}).setdefault(code, {})[mark] = count
    data = orjson.dumps(
        {"version": VERSION, "files": files}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    try:
        with atomic_writer(path) as out:
            out.write(data)
    except OSError as error:
        raise UsageError(f"baseline {path} cannot be written: {error.strerror or error}") from error


def load(path: str) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: there is no such file, or it is no baseline of a version that is known.
    """
    try:
        with open(path, "rb") as file:
            data = orjson.loads(file.read())
    except OSError as error:
        raise UsageError(f"baseline {path} cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"baseline {path} is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("files"), dict):
        raise UsageError(
            f"{path} is no baseline: expected an object with 'version' and 'files'; --write-baseline makes one"
        )
    if data.get("version") != VERSION:
        raise UsageError(
            f"baseline {path} has version {data.get('version')!r}, expected {VERSION}; write it again"
        )
    return Baseline(dict(_entries(path, data["files"])), os.path.dirname(os.path.abspath(path)))


def _entries(path: str, files: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str], int]]:
    for file, codes in files.items():
        for code, marks in (codes if isinstance(codes, dict) else {"": None}).items():
            for mark, count in (marks if isinstance(marks, dict) else {"": None}).items():
                if type(count) is not int or count < 1:
                    raise UsageError(
                        f"baseline {path}: {file!r} is not a table of codes, fingerprints and counts"
                    )
                yield (file, code, mark), count


def _key(finding: Finding, root: str) -> tuple[str, str, str]:
    return (_relative(finding.path, root), finding.code, fingerprint(finding, root))


def _relative(path: str, root: str) -> str:
    """The path from `root` with forward slashes; stdin and URLs stay as they are. Always encodable as UTF-8."""
    if path != "-" and not _URL.match(path):
        try:
            path = os.path.relpath(path, root).replace(os.sep, "/")
        except ValueError:  # another drive, or no path at all
            path = path.replace(os.sep, "/")
    return path.encode("utf-8", "backslashreplace").decode()
