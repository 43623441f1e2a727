"""The typer application: the list of verbs, in the order of `mmtrain --help`."""

from __future__ import annotations

from mmdata.cli.entry import make_app

VERBS = (
    "init",
    "check",
    "launch",
    "plot",
    "export",
    "evaluate",
    "predict",
    "score",
    "import_checkpoint",
    "make_tiny",
    "schema",
    "env",
)
"""The modules of this package with a verb."""

app = make_app(
    "mmtrain",
    "Fine-tune vision-language models on data that mmdata validates.",
    "mmtrain.cli",
    VERBS,
)
