"""`check` and `make`: the directory tree of the Mini-InternVL domain-adaptation guide, one preset a domain.

The guide's tree (``train_data``, ``train_meta``, ``images``, ``val``) lies in ``internvl_chat``, from which its paths
start; here that is the parent of the checked directory. One module of `mmdata.layouts` a preset.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from mmdata.errors import DataError, UsageError
from mmdata.io.jsontext import parse
from mmdata.io.read import open_source
from mmdata.io.record import Problem, RawRecord
from mmdata.io.writer import atomic_writer
from mmdata.media.images import probe
from mmdata.meta_file import SAMPLED, SetReport, count_lines, media_of
from mmdata.meta_file import check as check_meta
from mmdata.mixing.files import meta_bytes
from mmdata.plugins import Registry, discover

MOST_ENTRIES = 300_000
"""Entries of the tree looked at for what is misplaced."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")

Status = Literal["there", "missing", "misplaced", "empty", "faulty"]


@dataclass(frozen=True, slots=True)
class Place:
    """Something that belongs into the tree.

    Attributes:
        path: below the root of the tree; a directory ends in ``/``.
        source: where to get it, or the command that makes it.
        media_root: of a file of rows: where their pictures' paths start, below the root; None: not looked at.
        media_key: key of the picture in a row.
        only: (key, value) of the rows that count; None: all.
    """

    path: str
    source: str
    media_root: str | None = None
    media_key: str = "image"
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TrainSet:
    """A training set that `make` puts into a new meta file.

    Attributes:
        name: in the meta file.
        annotation: below the root of the tree.
        root: of its pictures, below the root of the tree.
    """

    name: str
    annotation: str
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tree of one domain.

    Attributes:
        name: of the preset.
        title: for a person.
        meta: the meta file, below the root.
        meta_source: where to get it.
        places: everything else that belongs there.
        sets: training sets of a new meta file.
        note: what else a person should know.
    """

    name: str
    title: str
    meta: str
    meta_source: str
    places: tuple[Place, ...]
    sets: tuple[TrainSet, ...]
    note: str = ""


@dataclass(slots=True)
class Found:
    """A place and what is there.

    Attributes:
        path: below the root.
        status: see `Status`.
        message: what about it.
        source: where to get it, where it is missing.
    """

    path: str
    status: Status
    message: str = ""
    source: str = ""


@dataclass(slots=True)
class LayoutReport:
    """A checked tree.

    Attributes:
        preset: its name.
        places: every place in the guide's order.
        sets: the data sets of the meta file; empty if that is missing.
        note: the preset's.
        truncated: the search for misplaced things stopped at `MOST_ENTRIES`.
    """

    preset: str
    places: list[Found] = field(default_factory=list)
    sets: list[SetReport] = field(default_factory=list)
    note: str = ""
    truncated: bool = False

    @property
    def clean(self) -> bool:
        """Whether everything is there and nothing is wrong with it."""
        return all(one.status == "there" for one in self.places) and not any(
            one.problems for one in self.sets
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "preset": self.preset,
            "clean": self.clean,
            "places": [
                {"path": p.path, "status": p.status, "message": p.message, "source": p.source}
                for p in self.places
            ],
            "sets": [one.to_dict() for one in self.sets],
            "note": self.note,
            "search_truncated": self.truncated,
        }


def layouts() -> Registry[Layout]:
    """Every preset by name."""
    return discover("mmdata.layouts", "mmdata.layouts", attribute="LAYOUT")


def check(folder: str, preset: str, *, samples: int = SAMPLED) -> LayoutReport:
    """What is there, missing or misplaced; records against the meta file; some media of every set.

    Args:
        folder: root of the tree (``InternVL-Domain-Adaptation-Data``).
        preset: name of the layout.
        samples: records a set whose media are looked at.

    Raises:
        UnknownName: there is no such preset.
        UsageError: there is no such directory; the meta file is none.
    """
    layout = layouts()[preset]
    if not os.path.isdir(folder):
        raise UsageError(f"{folder}: no such directory (mmdata layout init makes it)")
    report = LayoutReport(preset, note=layout.note)
    names, report.truncated = _names_below(folder)
    meta = Place(layout.meta, layout.meta_source)
    for place in (meta, *layout.places):
        report.places.append(_look(folder, place, names, samples))
    path = os.path.join(folder, layout.meta)
    if report.places[0].status == "there":
        base = os.path.dirname(os.path.abspath(folder))
        report.sets = check_meta(path, base=_base(path, base), samples=samples)
    return report


def _base(meta: str, parent: str) -> str | None:
    """Where the meta file's paths start: the guide's ``internvl_chat``, else the working directory."""
    from mmdata.meta_file import read_meta_file

    for base in (parent, None):
        if any(os.path.exists(entry.target) for entry in read_meta_file(meta, base)):
            return base
    return parent


def _look(folder: str, place: Place, names: dict[str, list[str]], samples: int) -> Found:
    path = os.path.join(folder, place.path)
    is_folder = place.path.endswith("/")
    if is_folder and os.path.isdir(path):
        with os.scandir(path) as entries:
            if next(entries, None) is not None:
                return Found(place.path, "there")
        return Found(place.path, "empty", "the directory is empty", place.source)
    if not is_folder and os.path.isfile(path):
        return _look_into(folder, place, path, samples)
    if os.path.lexists(path):
        what = "a file, expected a directory" if is_folder else "no file"
        return Found(place.path, "faulty", f"is {what}", place.source)
    elsewhere = _elsewhere(place.path, names)
    if elsewhere:
        return Found(place.path, "misplaced", elsewhere, place.source)
    return Found(place.path, "missing", "", place.source)


def _look_into(folder: str, place: Place, path: str, samples: int) -> Found:
    """Count a file's records and look at some of their pictures."""
    if not place.path.startswith("val/"):
        if not place.path.endswith(".jsonl"):
            return Found(place.path, "there")
        lines, blank = count_lines(path)
        if blank is not None:
            return Found(
                place.path, "faulty", f"{lines:,} lines; line {blank} is blank: upstream crashes on it"
            )
        return Found(place.path, "there" if lines else "empty", f"{lines:,} records")
    try:
        total, missing, sampled = _rows(folder, place, path, samples)
    except DataError as error:
        return Found(place.path, "faulty", str(error))
    if missing:
        message = (
            f"{total:,} rows; {len(missing)} of {sampled} sampled pictures are missing, first {missing[0]}"
        )
        return Found(place.path, "faulty", message)
    return Found(place.path, "there" if total else "empty", f"{total:,} rows, {sampled} pictures looked at")


def _rows(folder: str, place: Place, path: str, samples: int) -> tuple[int, list[str], int]:
    """Rows, missing pictures, pictures looked at: rows 0, 1, 4, 16 … are sampled, so that one pass is enough."""
    total, missing, sampled, next_one = 0, [], 0, 0
    with open_source(path) as source:
        for item in source.records():
            problem = item if isinstance(item, Problem) else item.problem
            if problem is not None:
                raise DataError(f"record {problem.record}: {problem.message}")
            assert isinstance(item, RawRecord)
            if place.only is not None or total == next_one:
                row = parse(item.data)
                if not isinstance(row, dict):
                    raise DataError(f"record {item.index}: no object")
                if place.only is not None and row.get(place.only[0]) != place.only[1]:
                    continue
                if place.media_root is not None and total == next_one and sampled < samples:
                    next_one = max(1, 4 * next_one)
                    for name in media_of({"image": row.get(place.media_key)}):
                        full = os.path.join(folder, place.media_root, name)
                        sampled += 1
                        if probe(full, "header").problem:
                            missing.append(full)
            total += 1
    return total, missing, sampled


def _names_below(folder: str) -> tuple[dict[str, list[str]], bool]:
    """Base name -> paths below the folder, and whether the search was cut short."""
    found: dict[str, list[str]] = {}
    for seen, path in enumerate(_walk(folder)):
        if seen >= MOST_ENTRIES:
            return found, True
        found.setdefault(os.path.basename(path.rstrip("/")).lower(), []).append(path)
    return found, False


def _walk(folder: str) -> Iterator[str]:
    for top, folders, files in os.walk(folder):
        folders.sort()
        here = os.path.relpath(top, folder)
        here = "" if here == "." else here + "/"
        yield from (f"{here}{name}/" for name in folders)
        yield from (f"{here}{name}" for name in files)


def _elsewhere(path: str, names: dict[str, list[str]]) -> str:
    name = os.path.basename(path.rstrip("/")).lower()
    same = [one for one in names.get(name, []) if one.endswith("/") == path.endswith("/")]
    if same:
        return f"lies at {same[0]}; move it"
    for ending in ARCHIVES:
        packed = names.get(name + ending)
        if packed:
            return f"{packed[0]} is there; unpack it"
    return ""


def make(folder: str, preset: str) -> tuple[list[str], str | None]:
    """Make the directories of a preset and, where there is none, a meta file with annotations and roots filled in.

    The paths of the meta file start with `folder` as it was given. What is there is left alone.

    Returns:
        The directories made, and the meta file written (None if one was there).

    Raises:
        UnknownName: there is no such preset.
        UsageError: a directory cannot be made.
    """
    layout = layouts()[preset]
    wanted = {os.path.dirname(layout.meta)}
    for place in layout.places:
        wanted.add(place.path.rstrip("/") if place.path.endswith("/") else os.path.dirname(place.path))
    made = []
    for name in sorted(wanted):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            try:
                os.makedirs(path)
            except OSError as error:
                raise UsageError(f"{path}: cannot be made: {error.strerror or error}") from None
            made.append(path)
    meta = os.path.join(folder, layout.meta)
    if os.path.lexists(meta):
        return made, None
    entries: dict[str, dict[str, Any]] = {}
    for one in layout.sets:
        annotation = os.path.join(folder, one.annotation)
        entries[one.name] = {
            "root": os.path.join(folder, one.root),
            "annotation": annotation,
            "data_augment": False,
            "repeat_time": 1,
        }
        if os.path.isfile(annotation):
            entries[one.name]["length"] = count_lines(annotation)[0]
    with atomic_writer(meta) as file:
        file.write(meta_bytes(entries))
    return made, meta
