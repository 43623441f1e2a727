"""The mixture file of an output: what the target's trainer is given, with the weights of the mixture that was read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmdata.errors import DataError
from mmdata.mixing import data_txt, internvl
from mmdata.mixing.files import MixtureText, data_txt_bytes, meta_bytes, read_mixture_text

META, DATA_TXT = "meta.json", "data.txt"


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one source an epoch has.

    Attributes:
        task: number of the source.
        name: of the data set, as a meta file has it; empty for the file's own.
        number: ``repeat_time`` of a meta file, the number of a ``data.txt``; None for every record once.
        keys: further members of the meta entry.
    """

    task: int
    name: str = ""
    number: int | float | str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SourceMixture:
    """A mixture file that was read.

    Attributes:
        path: the file; empty for data sets that were given by themselves.
        shares: of its data sets.
        differences: what cannot be taken over, a sentence each.
    """

    path: str
    shares: list[Share] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def read_mixtures(
    paths: Sequence[str], data: Sequence[str], listed: Sequence[str | None]
) -> list[SourceMixture]:
    """The mixture files among the sources, and the data sets that none of them names.

    Args:
        paths: the mixture files.
        data: paths of the data sets, in order.
        listed: the mixture file that names each, or None.

    Raises:
        UsageError: a mixture file cannot be read.
    """
    number_of = {os.path.realpath(path): number for number, path in enumerate(data)}
    found = []
    for path in paths:
        text = read_mixture_text(path)
        found.append(_source(path, text, number_of))
    alone = [Share(number) for number, one in enumerate(listed) if one is None]
    return [*found, SourceMixture("", alone)] if alone else found


def _source(path: str, text: MixtureText, number_of: Mapping[str, int]) -> SourceMixture:
    mixture = SourceMixture(path, differences=[problem.message for problem in text.problems()])
    for entry in text.counting():
        number = number_of.get(os.path.realpath(entry.target))
        if number is None:
            mixture.differences.append(f"{entry.place}: {entry.path} is not there")
        elif text.format == "internvl-meta":
            mixture.shares.append(Share(number, entry.name, entry.number, entry.keys))
        else:
            mixture.shares.append(Share(number, "", str(entry.number)))
    return mixture


def write_mixture(
    kind: str, mixtures: Sequence[SourceMixture], sources: Sequence[Mapping[str, Any]], output: str
) -> list[tuple[str, bytes]]:
    """Name and content of the output's mixture file; none where nothing was written.

    Args:
        kind: ``"internvl-meta"`` or ``"data-txt"``.
        mixtures: what was read; differences are added to it.
        sources: of each source: ``read``, and ``outputs``, file -> records.
        output: the output, from the directory that the trainer runs from; annotations and media paths start there.
    """
    if not any(source["outputs"] for source in sources):
        return []
    sources = [
        {**one, "outputs": {os.path.normpath(f"{output}/{name}"): n for name, n in one["outputs"].items()}}
        for one in sources
    ]
    if kind == "internvl-meta":
        return [(META, meta_bytes(_meta(mixtures, sources)))]
    return [(DATA_TXT, data_txt_bytes(_lines(mixtures, sources)))]


def _meta(
    mixtures: Sequence[SourceMixture], sources: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    meta: dict[str, dict[str, Any]] = {}

    def put(name: str, annotation: str, keys: Mapping[str, Any], repeat: float, length: int) -> None:
        free, number = name, 2
        while free in meta:
            free, number = f"{name}_{number}", number + 1
        meta[free] = {
            "root": "./",
            "annotation": annotation,
            "data_augment": False,
            "repeat_time": repeat,
            **keys,
            "length": length,
        }

    for mixture in mixtures:
        for share in mixture.shares:
            for annotation, length in sources[share.task]["outputs"].items():
                name = share.name or os.path.splitext(os.path.basename(annotation))[0]
                if share.number is None or isinstance(share.number, (int, float)):
                    put(name, annotation, share.keys, 1 if share.number is None else share.number, length)
                    continue
                wanted = _samples(share, sources[share.task], mixture)
                count = _split(wanted, sources[share.task])[annotation]
                whole, rest = divmod(count, length)
                if whole:
                    put(name, annotation, share.keys, whole, length)
                if rest:
                    put(
                        f"{name}_rest" if whole else name,
                        annotation,
                        share.keys,
                        _ratio(rest, length),
                        length,
                    )
                    mixture.differences.append(
                        f"{annotation}: data.txt draws {rest} records by chance, the meta file takes the first {rest}"
                    )
    return meta


def _lines(mixtures: Sequence[SourceMixture], sources: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    totals: dict[str, int] = {}
    for mixture in mixtures:
        for share in mixture.shares:
            source = sources[share.task]
            counts = _split(_samples(share, source, mixture), source)
            for key, value in share.keys.items():
                if key != "length" and not (key == "data_augment" and value is False):
                    mixture.differences.append(f"{share.name}: {key} {value!r} has no place in a data.txt")
            for name, records in source["outputs"].items():
                if name in totals:
                    mixture.differences.append(
                        f"{name} is named twice; a data.txt counts the sum in one line"
                    )
                if counts[name] > records:
                    mixture.differences.append(
                        f"{name}: {counts[name]} samples of {records} records: data.txt draws what is beyond them by chance"
                    )
                totals[name] = totals.get(name, 0) + counts[name]
    return [(name, data_txt.number_for(count)) for name, count in totals.items() if count]


def _samples(share: Share, source: Mapping[str, Any], mixture: SourceMixture) -> int:
    """Samples of an epoch, by the arithmetic of the trainer whose mixture it is."""
    try:
        if share.number is None:
            return int(source["read"])
        if isinstance(share.number, str):
            return data_txt.samples(share.number, source["read"])
        return internvl.length(source["read"], share.number)
    except DataError as error:
        mixture.differences.append(f"{source['path']}: {error}; taken once")
        return int(source["read"])


def _split(samples: int, source: Mapping[str, Any]) -> dict[str, int]:
    """Samples for each file that a source became, by records; rejected records take their share with them."""
    if not source["outputs"]:
        return {}
    read = source["read"]
    exact = {name: samples * count for name, count in source["outputs"].items()}
    shares = {name: value // read for name, value in exact.items()}
    missing = round(sum(exact.values()) / read) - sum(shares.values())
    for name in sorted(exact, key=lambda one: -(exact[one] % read))[:missing]:
        shares[name] += 1
    return shares


def _ratio(kept: int, lines: int) -> float:
    """A ratio below one of which ``int(lines * ratio)`` is `kept`."""
    for digits in range(1, 17):
        short = round(kept / lines, digits)
        if 0 < short < 1 and int(lines * short) == kept:
            return short
    return (kept + 0.5) / lines


__all__ = ["DATA_TXT", "META", "Share", "SourceMixture", "read_mixtures", "write_mixture"]
