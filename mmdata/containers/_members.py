"""The media of a record, as containers with media inside put them in and take them out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from mmdata.errors import UsageError
from mmdata.media.members import is_member, member_name
from mmdata.media.paths import is_url

KEYS = {"image": "image", "images": "image", "video": "video", "videos": "video"}
"""Keys of a record that name media -> what they name."""


def each(record: dict[str, Any], change: Callable[[str, str, str], Any]) -> dict[str, Any]:
    """A record whose media paths are what `change` makes of (key, place, path); place is ``images/0`` or ``image``."""
    result = dict(record)
    for key in KEYS:
        value = record.get(key)
        if isinstance(value, str) and value:
            result[key] = change(key, key, value)
        elif isinstance(value, list):
            result[key] = [
                change(key, f"{key}/{number}", one) if isinstance(one, str) and one else one
                for number, one in enumerate(value)
            ]
    return result


def content(path: str, base: str) -> bytes:
    """The bytes of a media file that a record of the output names.

    Raises:
        UsageError: it cannot be read.
    """
    from mmdata.media.source import UnopenableError, open_source

    place = path if is_member(path) or is_url(path) else os.path.normpath(os.path.join(base, path))
    try:
        file, _ = open_source(place)
    except UnopenableError as error:
        raise UsageError(f"{place}: cannot be put into the output: {error.detail}") from None
    with file:
        return file.readall() or b""


def base_name(path: str) -> str:
    """The file name of a path, in a container or not."""
    return os.path.basename(member_name(path))
