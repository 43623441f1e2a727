"""Mixture files read into entries: InternVL's meta JSON and the ``data.txt`` of GeoPixel and XComposer.

Reading is lenient: an entry that the trainer would choke on is still an entry, so that the checks can say what is wrong
with it and the data set it names is looked at all the same.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from mmdata.io.jsontext import JSONProblem, locate, parse

MAX_BYTES = 64 << 20
"""A mixture file is a short list; a longer file is refused rather than held in memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of ``data.txt`` or one member of the meta object.

    Attributes:
        name: the data set's name (meta) or path (data.txt).
        raw: the member's value (meta) or the line without its end (data.txt).
        start: byte offset of the line or of the member's value.
        end: one past its last byte, line end included.
        annotation: path of the annotation file as written, or None.
        root: the ``root`` that the images' paths start from (meta), or None.
        earlier: index of an earlier entry of the same name, or None.
    """

    name: str
    raw: Any
    start: int
    end: int
    annotation: str | None
    root: str | None = None
    earlier: int | None = None


def read_meta(data: bytes) -> list[Entry]:
    """The members of an InternVL meta file, repeated names included.

    Raises:
        JSONProblem: the text is not JSON, or no object.
    """
    parse(data)
    pairs = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        raise JSONProblem("container", "expected one JSON object, name -> data set, got another value", 0)
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for index, (name, value) in enumerate(pairs.items):
        raw = _plain(value)
        span = locate(data, "/" + name.replace("~", "~0").replace("/", "~1")) or (0, 0)
        annotation, root = (raw.get("annotation"), raw.get("root")) if isinstance(raw, dict) else (None, None)
        entries.append(
            Entry(
                name=name,
                raw=raw,
                start=span[0],
                end=span[1],
                annotation=annotation if isinstance(annotation, str) else None,
                root=root if isinstance(root, str) else None,
                earlier=seen.get(name),
            )
        )
        seen[name] = index
    return entries


class _Pairs:
    """A JSON object as its list of members, so that repeated keys are seen."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        self.items = items


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(item) for key, item in value.items}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def read_data_txt(data: bytes) -> list[Entry]:
    """The lines of a ``data.txt``, blank ones and comments included (the trainer reads those as entries too)."""
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    start = 0
    for index, line in enumerate(data.splitlines(keepends=True)):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        path = path_of_line(text)
        entries.append(
            Entry(
                name=path or text.strip(),
                raw=text,
                start=start,
                end=start + len(line),
                annotation=path,
                earlier=None if path is None else seen.get(path),
            )
        )
        if path is not None:
            seen[path] = index
        start += len(line)
    return entries


def path_of_line(text: str) -> str | None:
    """The path that a ``data.txt`` line is meant to name: everything before a last word that is a number."""
    words = text.split()
    if not words or words[0].startswith("#"):
        return None
    if len(words) > 1 and _is_number(words[-1]):
        return text.strip()[: -len(words[-1])].rstrip()
    return text.strip()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def resolve_target(path: str, media_root: str | None) -> str:
    """Where the trainer looks for an annotation file: from its working directory, for which `media_root` stands."""
    return path if media_root is None or os.path.isabs(path) else os.path.join(media_root, path)


__all__ = [
    "MAX_BYTES",
    "Entry",
    "JSONProblem",
    "path_of_line",
    "read_data_txt",
    "read_meta",
    "resolve_target",
]
