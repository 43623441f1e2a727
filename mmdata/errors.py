"""The exceptions of mmdata, all below `MMDataError`.

    MMDataError
    ├── UsageError        the request cannot be carried out (exit code 2): no such file, unknown name, bad option
    │   ├── UnknownName   a format, check or template that does not exist; names the nearest one
    │   ├── MissingExtra  a library of an optional extra is not installed; names the pip line
    │   └── AmbiguousFormat  detection found no single format
    └── DataError         the data cannot be used as asked: a record that cannot be decoded, a mask that is no mask

Bad *training data* met by `validate` is never an exception: it is a `mmdata.finding.Finding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MMDataError(Exception):
    """Base of every error that mmdata raises on purpose. `str(error)` is one line for a person."""


class UsageError(MMDataError):
    """The request cannot be carried out; the command line exits with 2."""


class UnknownName(UsageError):
    """A name that is not in a closed set.

    Args:
        kind: what was asked for, for example ``"format"``.
        name: what the user wrote.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}{hint}")
        self.name = name
        self.known = names


class MissingExtra(UsageError):
    """A library that comes with an optional extra is not installed."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}: pip install 'mmdata-mmtrain[{extra}]'")


class AmbiguousFormat(UsageError):
    """Detection found no single format for a file; `--format` decides."""


class DataError(MMDataError):
    """The data cannot be used as asked; the message names the place and the reason."""


class DataWarning(UserWarning):
    """Something in a file is no record, and was passed over; the message names the place and the reason."""
