"""`ConfigError`: a config that cannot be used."""

from __future__ import annotations

from typing import TypeAlias

from mmdata.errors import UsageError

Place: TypeAlias = tuple[str | int, ...]
"""Where a value lies: keys and list indices from the top."""


class ConfigError(UsageError):
    """A config that cannot be used; the message is one line, whatever is wrong with it."""


__all__ = ["ConfigError", "Place"]
