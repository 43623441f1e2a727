"""`Mixture`: data sets with weights, the plan of an epoch over them, and the records that a plan names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from mmdata.errors import DataError, UnknownName, UsageError
from mmdata.mixing import data_txt, internvl
from mmdata.mixing.files import MixtureText, read_mixture_text
from mmdata.mixing.permutation import key_of
from mmdata.mixing.plan import CyclePlan, Draw, EpochPlan, QuotaPlan

if TYPE_CHECKING:
    from mmdata.dataset import Dataset

Mode = Literal["exact", "geopixel", "xcomposer", "internvl"]
MODES: tuple[Mode, ...] = ("exact", "geopixel", "xcomposer", "internvl")
Unit = Literal["passes", "thousands", "ratio", "repeat_time"]


@dataclass(frozen=True, slots=True)
class Member:
    """A data set of a mixture.

    Attributes:
        path: the file that is opened.
        name: what the mixture calls it.
        number: its weight as written (an int stays an int: InternVL tells 2 from 2.0), or None for the whole file.
        unit: what the number means: passes over the file an epoch, thousands of samples, a ratio of the file, or
            InternVL's ``repeat_time``.
        records: length of the file, or None where it is not known yet.
        kind: sort of the file for GeoPixel's and XComposer's loader, or None where it is not known yet.
        root: directory that media paths start from (InternVL's meta), or None.
        format: the file's format, or None to tell it by the content.
    """

    path: str
    name: str
    number: int | float | str | None = 1
    unit: Unit = "passes"
    records: int | None = None
    kind: data_txt.Kind | None = None
    root: str | None = None
    format: str | None = None


class Mixture:
    """Data sets with weights, and the plan of any epoch over them.

        mixture = mmdata.Mixture({"a.jsonl": 1, "b.jsonl": 0.25})
        plan = mixture.plan(epoch=0, seed=7)
        for draw in plan.shard(rank, world):
            record = mixture.record(draw)

    Modes:

    - ``exact``: every data set gives exactly its quota, weight times its records; with weight 1 every record comes once
      an epoch, with 0.25 once in four epochs, with 2 twice. What is drawn does not depend on chance, only the order does.
    - ``internvl``: the first int(lines x repeat_time) lines, or the lines repeat_time times, in random order: exactly the
      samples of upstream's epoch. With ``resampling`` and ``packed`` the data sets' shares are upstream's (square roots),
      and the quotas of an epoch as near to them as whole records allow; upstream draws them by chance, without end.
    - ``geopixel``, ``xcomposer``: as many calls, the same cycle of sorts of files and the same chances as upstream; the
      draws themselves are ours, because upstream's depend on an unseeded generator and differ from rank to rank.

    Args:
        weights: path -> passes over the file in an epoch.
        mode: see above.
        batch_size: GeoPixel's and XComposer's ``--batch_size``: samples a loader call draws.
        resampling: InternVL's ``--use_data_resampling``.
        packed: InternVL's ``--use_packed_ds``.
        records: path -> number of records, where it is known; other files are opened and counted when needed.
        format: the files' format; told by their content if None.

    Raises:
        UnknownName: no such mode.
        UsageError: no data set, or a weight that is no positive number.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        mode: Mode = "exact",
        batch_size: int = 1,
        resampling: bool = False,
        packed: bool = False,
        records: Mapping[str, int] | None = None,
        format: str | None = None,
    ) -> None:
        known = records or {}
        members = [
            Member(os.fspath(path), os.fspath(path), weight, records=known.get(path), format=format)
            for path, weight in weights.items()
        ]
        self._set(members, mode, batch_size, resampling, packed)

    def _set(
        self, members: Sequence[Member], mode: Mode, batch_size: int, resampling: bool, packed: bool
    ) -> None:
        if mode not in MODES:
            raise UnknownName("mode", mode, MODES)
        if not members:
            raise UsageError("a mixture needs at least one data set")
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}")
        for member in members:
            if member.unit == "passes" and not 0 < _decimal(member) < 10**9:
                raise UsageError(f"{member.name}: a weight is a positive number, got {member.number!r}")
        self.members: tuple[Member, ...] = tuple(members)
        self.mode: Mode = mode
        self.batch_size, self.resampling, self.packed = batch_size, resampling, packed
        self._open: dict[str, Dataset] = {}

    @classmethod
    def of(
        cls,
        members: Sequence[Member],
        *,
        mode: Mode = "exact",
        batch_size: int = 1,
        resampling: bool = False,
        packed: bool = False,
    ) -> Mixture:
        """A mixture of ready members; arguments as for `Mixture`."""
        mixture = cls.__new__(cls)
        mixture._set(members, mode, batch_size, resampling, packed)  # noqa: SLF001 - a second constructor
        return mixture

    @classmethod
    def from_file(
        cls,
        path: str,
        *,
        mode: Mode = "exact",
        given_num: bool = True,
        media_root: str | None = None,
        batch_size: int = 1,
        resampling: bool = False,
        packed: bool = False,
    ) -> Mixture:
        """The mixture that a ``data.txt`` or an InternVL meta file describes.

        Args:
            path: the file; which of the two it is, its content says.
            mode: see the class. A ``data.txt`` in mode ``internvl``, or a meta file in mode ``geopixel``, is refused: convert
                it first, so that what cannot be said is named (`mmdata.mixing.convert`).
            given_num: whether the numbers of a ``data.txt`` are thousands of samples or ratios.
            media_root: directory that relative paths of data files start from; None for the working directory.
            batch_size: see the class.
            resampling: see the class.
            packed: see the class.

        Raises:
            UsageError: no such file, an entry that the trainer cannot read, or a mode of another trainer.
        """
        text = read_mixture_text(path, media_root=media_root)
        return cls.of(
            members_of(text, given_num=given_num, mode=mode),
            mode=mode,
            batch_size=batch_size,
            resampling=resampling,
            packed=packed,
        )

    def __repr__(self) -> str:
        return f"Mixture({', '.join(m.name for m in self.members)}; mode={self.mode!r})"

    def close(self) -> None:
        """Close the files that were opened."""
        for dataset in self._open.values():
            dataset.close()
        self._open.clear()

    def __enter__(self) -> Mixture:  # noqa: PYI034 - not meant to be subclassed
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Loader workers open the files themselves."""
        return _restored, (self.members, self.mode, self.batch_size, self.resampling, self.packed)

    # --- what is known of the data sets ---------------------------------------------------------------------------------

    def dataset(self, source: int) -> Dataset:
        """The data set `source`, opened; its index is built at the first look at one record.

        Raises:
            UsageError: the file cannot be opened.
        """
        from mmdata import dataset as datasets
        from mmdata.detection import choose, detect
        from mmdata.plan import DATA_TXT_FORMATS

        member = self.members[source]
        if member.path not in self._open:
            format: Any = member.format
            if format is None and member.unit in ("thousands", "ratio"):
                format = choose(detect(member.path), DATA_TXT_FORMATS)
            self._open[member.path] = datasets.open(member.path, format=format)
        return self._open[member.path]

    def _count(self) -> None:
        """Fill in the lengths, and for GeoPixel and XComposer the sorts, that are not known."""
        wants_kind = self.mode in ("geopixel", "xcomposer")
        members = []
        for number, member in enumerate(self.members):
            if member.records is None:
                member = replace(member, records=len(self.dataset(number)))
            if wants_kind and member.kind is None:
                first = first_record(self.dataset(number))
                kind = data_txt.kind_of_first(first, "xcomposer" if self.mode == "xcomposer" else "geopixel")
                member = replace(member, kind=kind)
            members.append(member)
        self.members = tuple(members)

    def sizes(self) -> list[int]:
        """Number of records of each data set; files of unknown length are counted now.

        Raises:
            UsageError: a file cannot be opened, or holds no record.
        """
        self._count()
        for member in self.members:
            if not member.records:
                raise UsageError(f"{member.name}: holds no record")
        return [m.records or 0 for m in self.members]

    def quotas(self) -> list[int]:
        """How much each data set counts in an epoch.

        In modes ``exact`` and ``internvl`` the exact number of draws; in ``geopixel`` and ``xcomposer`` the samples that the
        loader takes, to which the chance of the file is proportional.

        Raises:
            UsageError: the trainer could not use a number.
        """
        sizes = self.sizes()
        try:
            quotas = [self._quota(m, n) for m, n in zip(self.members, sizes, strict=True)]
        except DataError as error:
            raise UsageError(str(error)) from None
        if self.mode == "internvl" and self.resampling and self.packed:
            return _apportion(internvl.weights(quotas, resampling=True, packed=True), sum(quotas))
        return quotas

    def _quota(self, member: Member, records: int) -> int:
        try:
            if member.unit in ("thousands", "ratio"):
                number = None if member.number is None else str(member.number)
                given = member.unit == "thousands"
                if self.mode == "exact" and number is not None:
                    count = data_txt.meant(number, records, given_num=given)
                    if count < 1:
                        raise DataError(f"{number} gives no sample of {records} records")
                    return count
                return data_txt.samples(number, records, given_num=given)
            if self.mode == "internvl" and member.unit == "repeat_time":
                return internvl.length(records, _number(member))
            count = int((_decimal(member) * records).quantize(Decimal(1), ROUND_HALF_UP))
            if count < 1:
                raise DataError(f"weight {member.number} gives no sample of {records} records")
        except DataError as error:
            raise DataError(f"{member.name}: {error}") from None
        return count

    # --- plans ----------------------------------------------------------------------------------------------------------

    def plan(self, epoch: int = 0, *, seed: int = 0, shuffle: bool = True) -> EpochPlan:
        """The draws of an epoch.

        Args:
            epoch: counted from 0.
            seed: of the run; the same seed and epoch give the same plan everywhere.
            shuffle: False keeps the order of data sets and records (modes ``exact`` and ``internvl``).

        Raises:
            UsageError: a file cannot be used, see `quotas`.
        """
        if epoch < 0:
            raise UsageError(f"epochs are counted from 0, got {epoch}")
        sizes, quotas = self.sizes(), self.quotas()
        if self.mode in ("geopixel", "xcomposer"):
            return self._cycle_plan(sizes, quotas, epoch, seed)
        kept = list(sizes)
        if self.mode == "internvl":
            kept = [
                internvl.lines_kept(n, _number(m)) if m.unit == "repeat_time" else n
                for m, n in zip(self.members, sizes, strict=True)
            ]
        exact = self.mode == "exact" or (self.resampling and self.packed)
        return QuotaPlan(
            kept, quotas, key=key_of("mixture", seed), epoch=epoch, rolling=exact, shuffle=shuffle
        )

    def _cycle_plan(self, sizes: list[int], samples: list[int], epoch: int, seed: int) -> CyclePlan:
        kinds: list[data_txt.Kind] = [m.kind or "text" for m in self.members]
        trainer: data_txt.Trainer = "xcomposer" if self.mode == "xcomposer" else "geopixel"
        calls: dict[str, int] = {
            str(k): n for k, n in data_txt.cycle(kinds, trainer, self.batch_size).items()
        }
        return CyclePlan(
            sizes,
            samples,
            kinds,
            calls=calls,
            kept={kind: data_txt.kept_of_batch(kind, self.batch_size) for kind in data_txt.KINDS},
            total_calls=data_txt.calls_of_epoch(samples, self.batch_size),
            batch_size=self.batch_size,
            seed=seed,
            epoch=epoch,
        )

    def record(self, draw: Draw) -> Any:
        """The record that a plan names, as the format's pydantic type.

        Raises:
            DataError: the record cannot be decoded.
        """
        return self.dataset(draw.source)[draw.record]

    def raw(self, draw: Draw) -> bytes:
        """The bytes of the record that a plan names, as they lie in its file."""
        return self.dataset(draw.source).raw(draw.record)

    def records(self, plan: EpochPlan) -> Iterator[Any]:
        """The records of a plan, or of a rank's share of it, in the plan's order."""
        return map(self.record, plan)


def members_of(text: MixtureText, *, given_num: bool = True, mode: Mode = "exact") -> list[Member]:
    """The data sets that count in a mixture file, in upstream's order.

    Raises:
        UsageError: an entry that the trainer cannot read, or a mode of another trainer.
    """
    wanted = {"geopixel": "data-txt", "xcomposer": "data-txt", "internvl": "internvl-meta"}.get(mode)
    if wanted is not None and wanted != text.format:
        raise UsageError(
            f"{text.path}: mode {mode} reads a {wanted} file, this is {text.format}; "
            "convert it with `mmdata mixture convert`, which names what changes"
        )
    broken = [p for p in text.problems(given_num=given_num) if p.fatal]
    if broken:
        raise UsageError(f"{text.path}: {broken[0].message}")
    unit: Unit = "repeat_time" if text.format == "internvl-meta" else "thousands" if given_num else "ratio"
    return [
        Member(
            entry.target,
            entry.name,
            entry.number,
            unit if entry.number is not None else "ratio",
            root=entry.root,
            format="internvl" if text.format == "internvl-meta" else None,
        )
        for entry in text.counting(given_num=given_num)
    ]


def _restored(
    members: Sequence[Member], mode: Mode, batch_size: int, resampling: bool, packed: bool
) -> Mixture:
    return Mixture.of(members, mode=mode, batch_size=batch_size, resampling=resampling, packed=packed)


def first_record(dataset: Dataset) -> Any:
    """The first record, parsed; None of an empty file.

    Raises:
        UsageError: it is broken.
    """
    from mmdata.io.jsontext import JSONProblem, parse

    try:
        return parse(dataset.raw(0)) if len(dataset) else None
    except JSONProblem as error:
        raise UsageError(
            f"{dataset.path}: the first record decides the sort of the file, and is broken: {error}"
        ) from None


def _number(member: Member) -> int | float:
    if isinstance(member.number, (int, float)):
        return member.number
    raise DataError(f"{member.name}: {member.number!r} is no number")


def _decimal(member: Member) -> Decimal:
    """The weight as a person wrote it: 0.1 is a tenth."""
    try:
        value = Decimal(str(member.number))
    except InvalidOperation:
        return Decimal(0)
    return value if value.is_finite() else Decimal(0)


def _apportion(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to `total`, each within one of its share (largest remainders)."""
    exact = [share * total for share in shares]
    counts = [int(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return [max(1, n) for n in counts]


__all__ = ["MODES", "Member", "Mixture", "Mode", "Unit", "members_of"]
