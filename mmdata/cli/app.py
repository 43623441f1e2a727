"""The typer application: the list of verbs, in the order of `mmdata --help`."""

from __future__ import annotations

from mmdata.cli.entry import make_app

VERBS = (
    "validate",
    "convert",
    "detect",
    "explain",
    "rules",
    "schema",
    "formats",
    "rasterize",
    "raster_diff",
    "mixture",
    "merge",
    "split",
    "sample",
    "filter",
    "dedup",
    "diff",
    "stitch",
    "import_",
    "layout",
    "meta",
)
"""The modules of this package with a verb."""

app = make_app(
    "mmdata",
    "Read, validate, convert and look at vision-language fine-tuning data exactly as the trainers read it.",
    "mmdata.cli",
    VERBS,
)
