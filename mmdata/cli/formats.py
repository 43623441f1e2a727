"""`mmdata formats`: the formats that mmdata knows."""

from __future__ import annotations

from mmdata.cli.options import OutputFormat, wants_json

NAME = "formats"


def command(output_format: OutputFormat = "text") -> int:
    """List the formats: the word for --format, the container, the trainer."""
    from mmdata.cli.tables import print_json
    from mmdata.format import all_formats

    as_json = wants_json(output_format)
    known = all_formats().values()
    if as_json:
        print_json(
            [{"name": f.name, "container": f.container, "title": f.title, "paths": f.paths} for f in known]
        )
        return 0
    for f in known:
        print(f"{f.name:<16} {f.container:<15} {f.title}")
        if f.paths:
            print(f"{'':<16} {'':<15} paths: {f.paths}")
    return 0
