"""One module a format, each with its ``FORMAT``. `mmdata.format.all_formats` finds them; formats never import each other."""

NAMES = {"xcomposer_2_0": "xcomposer-2.0"}
"""Modules whose format has another name than the module's with ``-`` for ``_``."""
