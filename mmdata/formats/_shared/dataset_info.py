"""``dataset_info.json`` of LLaMA-Factory: under which names a data file keeps its columns, turns and speakers.

It lies beside the data file (in ``dataset_dir``). A column that an entry with `columns` does not name is not read, and a
tag that an entry with `tags` does not name is none (``data/parser.py``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmdata.errors import DataError, UsageError
from mmdata.format import MediaRef, Speaker, TurnKeys
from mmdata.formats._shared import messages

NAME = "dataset_info.json"
MAX_BYTES = 16 << 20

SHAREGPT = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
"""The tags where it says nothing."""

MESSAGES = SHAREGPT | {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
}
"""The tags of the form with `role` and `content`; written in full, because one that is not named counts as none."""

COLUMNS = ("images", "videos", "audios", "system", "tools")
"""The columns besides the turns."""

_SPEAKERS: dict[str, Speaker] = {
    "user_tag": "user",
    "observation_tag": "user",
    "assistant_tag": "assistant",
    "function_tag": "assistant",
    "system_tag": "system",
}


LEVELS = 3
"""Folders above a data file in which the file is looked for; ``file_name`` may name a file in a folder below."""


def entry_of(path: str) -> dict[str, Any] | None:
    """What the file beside a data file, or in a folder above it, says of it, or None."""
    wanted = os.path.abspath(path)
    folder = os.path.dirname(wanted)
    for _ in range(LEVELS):
        for entry in (_entries(os.path.join(folder, NAME)) or {}).values():
            name = entry.get("file_name") if isinstance(entry, dict) else None
            if isinstance(name, str) and name:
                place = os.path.normpath(os.path.join(folder, name))
                if wanted == place or os.path.dirname(wanted) == place:
                    found: dict[str, Any] = entry
                    return found
        folder = os.path.dirname(folder)
    return None


def _entries(place: str) -> dict[str, Any] | None:
    """The entries of a file; None where it cannot be read."""
    try:
        if os.path.getsize(place) > MAX_BYTES:
            return None
        with open(place, "rb") as file:
            info = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return info if isinstance(info, dict) else None


@dataclass(frozen=True)
class Listed:
    """What a ``dataset_info.json`` names.

    Attributes:
        files: data files that can be read, in order.
        unread: (name of an entry, why nothing of it is read).
    """

    files: list[str]
    unread: list[tuple[str, str]]


_REMOTE = {
    "hf_hub_url": "a data set of the Hugging Face hub",
    "ms_hub_url": "a data set of the ModelScope hub",
    "om_hub_url": "a data set of the Modelers hub",
    "cloud_file_name": "a file in cloud storage",
    "script_url": "a loading script",
}
_ENDINGS = (".json", ".jsonl")


def listed(path: str) -> Listed:
    """The data sets of a ``dataset_info.json``, as ``data/parser.py`` finds them.

    Raises:
        UsageError: it is no JSON object of data sets.
    """
    info = _entries(path)
    if info is None:
        raise UsageError(f"{path}: is no JSON object of names and data sets, as LLaMA-Factory reads it")
    found = Listed([], [])
    seen: dict[str, str] = {}
    for name, entry in info.items():
        files, why = _files_of(os.path.dirname(path), entry)
        for file in files:
            if file in seen:
                found.unread.append((name, f"{file} is read as {seen[file]!r} says, which names it too"))
            else:
                seen[file] = name
                found.files.append(file)
        found.unread.extend((name, reason) for reason in why)
    return found


def _files_of(folder: str, entry: Any) -> tuple[list[str], list[str]]:
    """The files of an entry, and what of it is not read."""
    if not isinstance(entry, dict):
        return [], ["is no object"]
    remote = next((what for key, what in _REMOTE.items() if entry.get(key)), None)
    if remote is not None:
        return [], [f"{remote}, which is not fetched"]
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        return [], ["names no `file_name`"]
    if entry.get("formatting", "alpaca") == "alpaca":
        return [], ["has LLaMA-Factory's alpaca form (instruction, input, output), which is not read"]
    if entry.get("ranking"):
        return [], ["holds preference pairs (`ranking`), which are not read"]
    place = os.path.join(folder, name)
    if os.path.isdir(place):
        files = sorted(os.path.join(place, one) for one in os.listdir(place))
    elif os.path.exists(place):
        files = [place]
    else:
        return [], [f"{place} is not there"]
    why = [f"{one} is no JSON file, which alone is read" for one in files if not one.endswith(_ENDINGS)]
    files = [one for one in files if one.endswith(_ENDINGS)]
    if files and entry.get("num_samples"):
        why.append(f"`num_samples` is {entry['num_samples']!r}: every record is read all the same")
    return files, why


@dataclass(frozen=True)
class Names:
    """The names that one entry gives.

    Attributes:
        columns: LLaMA-Factory's name of a column -> the key in the records, None where the column is not read.
        tags: LLaMA-Factory's name of a tag -> the word in the records, None where there is none.
    """

    columns: Mapping[str, str | None]
    tags: Mapping[str, str | None]

    @property
    def form(self) -> str:
        """The form of the default names that is nearest."""
        plain = self.tags["role_tag"] == "role" and self.tags["content_tag"] == "content"
        return "messages" if plain else "sharegpt"

    def turn_keys(self, record: Mapping[str, Any]) -> TurnKeys:
        """Where the records keep their turns."""
        del record
        return TurnKeys(
            self.columns["messages"] or "", self.tags["role_tag"] or "", self.tags["content_tag"] or ""
        )

    def speaker(self, role: str) -> Speaker | None:
        """Who a word means; None for one that is no tag."""
        return next((who for tag, who in _SPEAKERS.items() if self.tags[tag] == role), None)

    def media(self, record: Mapping[str, Any]) -> list[MediaRef]:
        """The files in the columns that are read."""
        images, videos = self.columns["images"], self.columns["videos"]
        found = messages.column(record, images, "image") if images else []
        return found + (messages.column(record, videos, "video") if videos else [])

    def kind(self, record: Mapping[str, Any]) -> str:
        """The form and the columns that the record has."""
        return "-".join([self.form, *(name for name in COLUMNS if self.columns[name] in record)])

    def standard(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record under LLaMA-Factory's default names.

        Raises:
            DataError: a key that is not read has such a name.
        """
        tags = MESSAGES if self.form == "messages" else SHAREGPT
        turns = "messages" if self.form == "messages" else "conversations"
        renamed = {old: new for new, old in self.columns.items() if old is not None and new in COLUMNS}
        if self.columns["messages"] is not None:
            renamed[self.columns["messages"]] = turns
        for key in ("conversations", "messages", *COLUMNS):
            if key in record and key not in renamed:
                raise DataError(
                    f"the key `{key}` is no column that {NAME} names; name it there, or rename it"
                )
        found = {renamed.get(key, key): value for key, value in record.items()}
        if isinstance(found.get(turns), list):
            found[turns] = [self._standard_turn(turn, tags) for turn in found[turns]]
        return found

    def _standard_turn(self, turn: Any, tags: Mapping[str, str]) -> Any:
        if not isinstance(turn, dict):
            return turn
        keys = {self.tags["role_tag"]: tags["role_tag"], self.tags["content_tag"]: tags["content_tag"]}
        found = {keys.get(key, key): value for key, value in turn.items()}
        word = found.get(tags["role_tag"])
        tag = next((name for name in _SPEAKERS if word is not None and self.tags[name] == word), None)
        if tag is not None:
            found[tags["role_tag"]] = tags[tag]
        return found


def names_of(path: str) -> Names | None:
    """The names in a data file; None where nothing beside it says, or its form is not that of turns."""
    entry = entry_of(path)
    if entry is None or entry.get("formatting", "alpaca") == "alpaca":
        return None
    columns, tags = entry.get("columns"), entry.get("tags")
    given = _words(columns) if isinstance(columns, dict) else {"messages": "conversations"}
    return Names(
        {name: given.get(name) for name in ("messages", *COLUMNS)},
        {name: _words(tags).get(name) for name in SHAREGPT} if isinstance(tags, dict) else SHAREGPT,
    )


def _words(value: Mapping[str, Any]) -> dict[str, str]:
    return {key: word for key, word in value.items() if isinstance(word, str) and word}


def described(files: Mapping[str, str]) -> dict[str, str]:
    """File name -> kind of its records, to the file: one data set each, its columns and tags in full."""
    info = {}
    for name, kind in files.items():
        form, *found = kind.split("-")
        columns = {"messages": "messages" if form == "messages" else "conversations"}
        info[name.rpartition(".")[0]] = {
            "file_name": name,
            "formatting": "sharegpt",
            "columns": columns | {key: key for key in found},
            "tags": MESSAGES if form == "messages" else SHAREGPT,
        }
    return {NAME: json.dumps(info, ensure_ascii=False, indent=2) + "\n"} if info else {}
