"""`mmdata formats`: the formats that mmdata knows."""

from __future__ import annotations

NAME = "formats"


def command() -> int:
    """List the formats: the word for --format, the container, the trainer."""
    from mmdata.format import all_formats

    known = all_formats()
    for f in known.values():
        print(f"{f.name:<16} {f.container:<15} {f.title}")
        if f.paths:
            print(f"{'':<16} {'':<15} paths: {f.paths}")
    return 0
