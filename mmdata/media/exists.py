"""Whether a path is there, and what is there, at the price of one system call."""

from __future__ import annotations

import os
import stat
from typing import Literal

from mmdata.media.members import MARK

Presence = Literal["missing", "empty", "file", "directory", "other", "unreadable"]


def presence(path: str) -> Presence:
    """What a local path names.

    One `os.stat` a path: listing whole directories is cheaper a name, but does not tell an empty file (a download
    that failed, a full disk) from a picture, and costs millions of names where a record uses three.

    Returns:
        ``missing``; ``empty`` (a file of zero bytes); ``file``; ``directory``; ``other`` (pipe, socket, device: not
        to be opened); ``unreadable`` (a directory on the way may not be entered).
    """
    try:
        # A reader of containers names only what is in them, so that the container itself is what may be missing.
        found = os.stat(path.partition(MARK)[0])
    except (
        FileNotFoundError,
        NotADirectoryError,
        ValueError,
    ):  # ValueError: NUL or lone surrogate in the name
        return "missing"
    except PermissionError:
        return "unreadable"
    except OSError:  # a name too long, a loop of links: nothing can be opened there
        return "missing"
    if stat.S_ISREG(found.st_mode):
        return "file" if found.st_size else "empty"
    return "directory" if stat.S_ISDIR(found.st_mode) else "other"
