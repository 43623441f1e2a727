"""The documentation of checks, from their docstrings: for `mmdata explain`, ``docs/checks.md`` and SARIF rules."""

from __future__ import annotations

import textwrap
from typing import Any

from mmdata.checks.registry import Check, Example, all_checks

FAMILIES = {
    "C": "Common to every trainer",
    "S": "Shape of a record",
    "R": "Reading: JSON that Python accepts and others do not",
    "G": "GeoPixel",
    "X": "data.txt and InternLM-XComposer",
    "V": "VideoRefer v1",
    "L": "VideoRefer, VideoLLaMA3 dialect",
    "K": "Geometry of masks (`--masks full`)",
    "I": "InternVL",
    "M": "InternVL meta file",
    "N": "Neighbours: LLaVA, LLaMA-Factory, ms-swift, OpenAI-style messages",
    "O": "COCO annotations",
    "W": "Parquet files and tar shards",
}

_FIXABLE = {
    "always": "`--fix` repairs it",
    "sometimes": "`--fix` repairs some cases",
    "never": "not repaired by `--fix`",
}


def _formats(check: Check) -> str:
    return "every format" if check.formats is None else ", ".join(sorted(check.formats))


def _label(example: Example) -> str:
    settings = f", with {', '.join(example.settings)}" if example.settings else ""
    return f"{'Bad' if example.bad else 'Good'} ({example.format}{settings}):"


def as_text(check: Check, width: int = 100) -> str:
    """A check explained for the terminal."""
    doc = check.doc
    parts = [
        f"{check.code} {check.name} ({check.severity}; {_formats(check)}; {_FIXABLE[check.fixable].replace('`', '')})"
    ]
    parts.append(textwrap.fill(doc.title + ".", width))
    if doc.details:
        parts.append(
            "\n\n".join(textwrap.fill(" ".join(p.split()), width) for p in doc.details.split("\n\n"))
        )
    parts.append(textwrap.fill(f"Upstream: {doc.upstream}", width))
    if doc.fix:
        parts.append(textwrap.fill(f"Fix: {doc.fix}", width))
    parts += [f"{_label(e)}\n{textwrap.indent(e.text, '    ')}" for e in doc.examples]
    if doc.source:
        parts.append(f"Source: {doc.source}")
    return "\n\n".join(parts)


def as_dict(check: Check) -> dict[str, Any]:
    """A check for machines (``mmdata rules --output-format json``)."""
    return {
        "code": check.code,
        "name": check.name,
        "severity": check.severity,
        "formats": None if check.formats is None else sorted(check.formats),
        "fixable": check.fixable,
        "title": check.doc.title,
        "upstream": check.doc.upstream,
        "fix": check.doc.fix,
    }


def as_markdown() -> str:
    """The page ``docs/checks.md``."""
    out = ["# Checks", "", "Generated from the checks' docstrings by `make docs`; do not edit.", ""]
    checks = all_checks()
    for family, title in FAMILIES.items():
        rows = [c for c in checks.values() if c.code[0] == family]
        if not rows:
            continue
        out += [f"## {family}: {title}", "", "| code | severity | fix | what is wrong |", "|---|---|---|---|"]
        out += [
            f"| [{c.code}](#{c.code.lower()}) | {c.severity} | {c.fixable} | {c.doc.title.replace('|', chr(92) + '|')} |"
            for c in rows
        ]
        out.append("")
        for c in rows:
            out += _section(c)
    return "\n".join(out).rstrip() + "\n"


def _section(check: Check) -> list[str]:
    doc = check.doc
    out = [f'<a id="{check.code.lower()}"></a>', "", f"### {check.code} {check.name}", ""]
    out += [f"*{check.severity}; {_formats(check)}; {_FIXABLE[check.fixable]}*", "", f"{doc.title}.", ""]
    out += [doc.details, ""] if doc.details else []
    out += [f"**Upstream:** {doc.upstream}", ""]
    out += [f"**Fix:** {doc.fix}", ""] if doc.fix else []
    for example in doc.examples:
        out += [
            _label(example),
            "",
            "```text" if example.format in ("data-txt",) else "```json",
            example.text,
            "```",
            "",
        ]
    out += [f"**Source:** {doc.source}", ""] if doc.source else []
    return out
