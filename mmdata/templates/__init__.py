"""Chat templates: a `Sample` as the text that a model family is trained on, and which of it carries loss.

One file a template, no tokenizer, no torch: validation, viewing and training show and use the same text. A tokenizer's
own (Jinja) chat template is generated from it: `Template.jinja`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from mmdata.errors import UnknownName
from mmdata.templates._template import Piece, Slot, Template, Text, shown

__all__ = ["Piece", "Slot", "Template", "Text", "get_template", "shown", "template_names"]


def _templates() -> dict[str, Template]:
    modules = [m.name for m in iter_modules(__path__) if not m.name.startswith("_")]
    found = [import_module(f"{__name__}.{name}").TEMPLATE for name in modules]
    return {template.name: template for template in found}


def template_names() -> list[str]:
    """Every template, sorted."""
    return sorted(_templates())


def get_template(name: str) -> Template:
    """The template of that name.

    Raises:
        UnknownName: there is none.
    """
    known = _templates()
    if name not in known:
        raise UnknownName("template", name, known)
    return known[name]
