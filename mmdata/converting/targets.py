"""What can be converted to: the names for ``--to``, their formats and encoders, and the mixture files of their trainers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmdata.encoding import Encoding
from mmdata.errors import UnknownName
from mmdata.format import Format, all_formats
from schemas.sample import Sample

Encoder = Callable[[Sample, Encoding], dict[str, Any]]

MIXTURES = {"internvl-meta": "internvl", "data-txt": "geopixel"}
"""Mixture format as a target -> the format of the data files that it then names."""


def targets() -> dict[str, tuple[Format, Encoder]]:
    """Name for ``--to`` -> the format that the output is in, and the encoder."""
    found: dict[str, tuple[Format, Encoder]] = {}
    for format in all_formats().values():
        if format.from_sample is not None:
            found[format.name] = (format, format.from_sample)
        for name, encoder in format.variants.items():
            found[name] = (format, encoder)
    return found | {name: found[records] for name, records in MIXTURES.items()}


def target(name: str) -> tuple[Format, Encoder]:
    """The format and encoder of a ``--to`` name.

    Raises:
        UnknownName: nothing can be converted to it.
    """
    known = targets()
    if name not in known:
        raise UnknownName("target", name, known)
    return known[name]


def writes(name: str) -> str:
    """The target whose records a ``--to`` name writes: its own, or those that a mixture of that name lists.

    Raises:
        UnknownName: nothing can be converted to it.
    """
    target(name)
    return MIXTURES.get(name, name)


def mixture_of(format: Format) -> str | None:
    """The mixture format that the trainer of a target is given, or None."""
    if format.name == "internvl":
        return "internvl-meta"
    return "data-txt" if format.name in BY_KIND else None


BY_KIND = frozenset({"geopixel", "xcomposer", "xcomposer-2.0"})
"""Formats whose loaders take the first record's kind for that of the whole file."""


__all__ = ["BY_KIND", "MIXTURES", "Encoder", "mixture_of", "target", "targets", "writes"]
