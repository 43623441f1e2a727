"""From the paths a person gives to the data sets that are looked at: detection, mixture files, directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmdata.detection import choose, detect
from mmdata.errors import AmbiguousFormat, UsageError
from mmdata.format import Format, get_format
from mmdata.formats._shared import dataset_info
from mmdata.io.jsontext import JSONProblem
from mmdata.io.paths import expand
from mmdata.io.read import open_source
from mmdata.mixtures import MAX_BYTES, Entry, read_data_txt, read_meta, resolve_target
from mmdata.options import Options

DATA_TXT_FORMATS = ("geopixel", "xcomposer", "xcomposer-2.0")
"""Formats of the files that a ``data.txt`` may name."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A file of records to be looked at.

    Attributes:
        path: the file, as the user gave it or as the mixture names it.
        format: its format.
        root: directory that the trainer joins before media paths, besides the working directory (InternVL's meta).
        listed_in: the mixture file that names it, or None.
    """

    path: str
    format: Format
    root: str | None = None
    listed_in: str | None = None


@dataclass(slots=True)
class Target:
    """The data set that an entry of a mixture names.

    Attributes:
        entry: the entry.
        path: where the trainer looks for it, or None when the entry names none.
        dataset: what is there, or None when nothing is.
    """

    entry: Entry
    path: str | None
    dataset: DataSet | None


@dataclass(slots=True)
class MixtureFile:
    """A ``data.txt`` or an InternVL meta file, with the data sets that it names.

    Attributes:
        path: the file.
        format: ``data-txt`` or ``internvl-meta``.
        targets: one for each entry, in order.
        problem: why the file could not be read as JSON, or None.
    """

    path: str
    format: Format
    targets: list[Target] = field(default_factory=list)
    problem: JSONProblem | None = None


@dataclass(slots=True)
class Plan:
    """What a run looks at, in order, and what it left aside.

    Attributes:
        items: mixture files and data sets; a data set that a mixture names follows it and stands only once.
        left_aside: (path, reason) of files of a directory that are no data sets.
        unread: ``dataset_info.json`` -> what of its entries is not read, and why.
    """

    items: list[DataSet | MixtureFile] = field(default_factory=list)
    left_aside: list[tuple[str, str]] = field(default_factory=list)
    unread: dict[str, list[str]] = field(default_factory=dict)


def left_aside_lines(left_aside: Iterable[tuple[str, str]]) -> list[str]:
    """Files of a directory that are no data sets, folded by folder, ending and reason."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for path, reason in left_aside:
        folder, name = os.path.split(path)
        groups.setdefault((folder, os.path.splitext(name)[1], reason), []).append(path)
    return [
        f"{paths[0]} ({reason})"
        if len(paths) == 1
        else f"{len(paths)} files {os.path.join(folder, '*' + ending)} ({reason})"
        for (folder, ending, reason), paths in groups.items()
    ]


def make_plan(paths: Sequence[str], *, format: str | None, options: Options) -> Plan:
    """Work out what to look at.

    Args:
        paths: files, globs, directories, URLs, ``-``.
        format: the format of every file given, or None to judge each by its content.
        options: gives the directory that relative paths start from.

    Raises:
        UsageError: no such file, no known format, or nothing to look at.
        AmbiguousFormat: detection found no single format.
    """
    chosen = get_format(format) if format else None
    expansion = expand(paths)
    plan = Plan(left_aside=[(path, "not a data file") for path in expansion.left_aside])
    named = {os.path.normpath(p) for p in paths}
    datasets: list[DataSet] = []
    mixtures: list[MixtureFile] = []
    for path in expansion.files:
        if _lists_data_sets(path, named, chosen):
            datasets += _listed(path, plan)
            continue
        try:
            found = chosen or choose(detect(path))
        except UsageError as error:
            if (
                isinstance(error, AmbiguousFormat)
                or os.path.normpath(path) in named
                or not _in_directory(path, paths)
            ):
                raise
            plan.left_aside.append((path, detect(path).otherwise or "no known format"))
            continue
        if found.mixture:
            mixtures.append(read_mixture(path, found, options))
        else:
            datasets.append(DataSet(path, found.of(path)))
    _arrange(plan, mixtures, datasets)
    if not plan.items and plan.unread:
        raise UsageError(
            "; ".join(
                f"{path}: none of its data sets is read: {', '.join(why)}"
                for path, why in plan.unread.items()
            )
        )
    if not plan.items:
        raise UsageError(f"{', '.join(paths)}: no data set in there; see `mmdata formats`")
    return plan


def _lists_data_sets(path: str, named: set[str], chosen: Format | None) -> bool:
    """Whether a file given by name is LLaMA-Factory's list of data sets; in a directory they are found by themselves."""
    return (
        os.path.basename(path) == dataset_info.NAME
        and os.path.normpath(path) in named
        and (chosen is None or chosen.name == "llamafactory")
    )


def _listed(path: str, plan: Plan) -> list[DataSet]:
    """The data sets of a ``dataset_info.json``; what is not read is noted in the plan."""
    found = dataset_info.listed(path)
    plan.unread[path] = [f"entry {name!r}: {why}" for name, why in found.unread]
    plan.left_aside += [(f"{path}: entry {name!r}", why) for name, why in found.unread]
    format = get_format("llamafactory")
    return [DataSet(file, format.of(file)) for file in found.files]


def _in_directory(path: str, paths: Sequence[str]) -> bool:
    return any(
        os.path.isdir(p) and os.path.abspath(path).startswith(os.path.abspath(p) + os.sep) for p in paths
    )


def _arrange(plan: Plan, mixtures: list[MixtureFile], datasets: list[DataSet]) -> None:
    """Mixtures first, each followed by what it names; a file stands once."""
    seen: set[str] = set()
    for mixture in mixtures:
        plan.items.append(mixture)
        for target in mixture.targets:
            if target.dataset is not None and (key := os.path.realpath(target.dataset.path)) not in seen:
                seen.add(key)
                plan.items.append(target.dataset)
    for dataset in datasets:
        key = dataset.path if dataset.path == "-" else os.path.realpath(dataset.path)
        if key not in seen:
            seen.add(key)
            plan.items.append(dataset)


def read_mixture(path: str, format: Format, options: Options, data: bytes | None = None) -> MixtureFile:
    """Read a mixture file and find the data sets that it names.

    Args:
        path: the file.
        format: ``data-txt`` or ``internvl-meta``.
        options: gives the directory that relative paths start from.
        data: the text, where it is not what lies in the file now.

    Raises:
        UsageError: the file is far too long for a mixture.
    """
    if data is None:
        with open_source(path) as source:
            data = source.head(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES >> 20} MiB; no mixture file is that long")
    mixture = MixtureFile(path, format)
    try:
        entries = read_meta(data) if format.container == "object" else read_data_txt(data)
    except JSONProblem as problem:
        mixture.problem = problem
        return mixture
    for entry in entries:
        mixture.targets.append(_target(entry, mixture, options))
    return mixture


def _target(entry: Entry, mixture: MixtureFile, options: Options) -> Target:
    if entry.annotation is None:
        return Target(entry, None, None)
    path = resolve_target(entry.annotation, options.media_root)
    if not os.path.isfile(path):
        return Target(entry, path, None)
    if mixture.format.container == "object":
        return Target(entry, path, DataSet(path, get_format("internvl"), entry.root, mixture.path))
    try:
        format = choose(detect(path), DATA_TXT_FORMATS)
    except UsageError:
        # The loader takes it for text whatever it is; the checks of the plainer format say what is wrong with it.
        format = get_format("xcomposer")
    return Target(entry, path, DataSet(path, format, None, mixture.path))


__all__ = ["DataSet", "MixtureFile", "Plan", "Target", "make_plan", "read_mixture"]
