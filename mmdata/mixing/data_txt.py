"""What GeoPixel and XComposer make of a ``data.txt``: the arithmetic of their ``data_mix.py`` and training script.

Every function restates a deterministic part of upstream; what upstream draws by chance is in `mmdata.mixing.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmdata.errors import DataError

Trainer = Literal["geopixel", "xcomposer"]
Kind = Literal["grounding", "image", "text"]
KINDS: tuple[Kind, ...] = ("grounding", "image", "text")
"""The loader's three sorts of files, in the order of our cycle; a file's first record decides its sort."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of ``data.txt`` as the training script splits it: strip, then split at single spaces.

    Attributes:
        path: the first token.
        number: the second token as written; None where the line has not exactly two tokens (ratio form alone takes that,
            and uses the whole file).
    """

    path: str
    number: str | None


def read_line(text: str, *, given_num: bool = True) -> Line:
    """Split a line.

    Args:
        text: the line.
        given_num: the script's ``--given_num``.

    Raises:
        DataError: upstream's assertion fails: with `given_num` a line has exactly two tokens and the second is a number.
    """
    tokens = text.strip().split(" ")
    if len(tokens) == 2:
        try:
            float(tokens[1])
        except ValueError:
            raise DataError(f"{tokens[1]!r} is no number") from None
        return Line(tokens[0], tokens[1])
    if given_num:
        raise DataError(f"expected a path and a number parted by one space, got {len(tokens)} tokens")
    return Line(tokens[0], None)


def last_wins(lines: Sequence[Line]) -> dict[str, Line]:
    """The lines that count: of a path that stands twice the last number, at the first one's place (a Python dict)."""
    return {line.path: line for line in lines}


def samples(number: str | None, records: int, *, given_num: bool = True) -> int:
    """How many samples the loader takes of a file.

    With `given_num` ``int(float(number) * 1000)``, so ``1.001`` gives 1000 and ``2.01`` gives 2009; as a ratio
    ``int(records * float(number))``.

    Args:
        number: the token as written, or None for the whole file.
        records: length of the file.
        given_num: the script's ``--given_num``.

    Raises:
        DataError: no sample is left, or the number is not finite: upstream crashes.
    """
    if number is None:
        return records
    value = float(number)
    try:
        count = int(value * 1000) if given_num else int(records * value)
    except (ValueError, OverflowError):
        raise DataError(f"{number} is no number of samples") from None
    if count <= 0:
        raise DataError(f"{number} gives {count} samples of {records} records")
    return count


def meant(number: str, records: int, *, given_num: bool = True) -> int:
    """How many samples the number says in decimal, without the loss in binary fractions."""
    from decimal import Decimal

    value = Decimal(number.replace("_", "")) * (1000 if given_num else records)
    return int(value)


def number_for(count: int) -> str:
    """The shortest number of thousands from which ``int(float(number) * 1000)`` gives `count` again.

    Args:
        count: at least 1.
    """
    text = f"{count // 1000}.{count % 1000:03}".rstrip("0").rstrip(".")
    if int(float(text) * 1000) == count:
        return text
    for digits in range(1, 15):
        text = f"{count // 1000}.{count % 1000:03}{'0' * (digits - 1)}1"
        if int(float(text) * 1000) == count:
            return text
    raise DataError(f"{count} samples cannot be written as thousands")


def calls_of_epoch(sizes: Sequence[int], batch_size: int) -> int:
    """Loader calls in an epoch: ``sum of the sizes // batch_size`` (``Mix_dataset.__len__``)."""
    return sum(sizes) // batch_size


def cycle(kinds: Sequence[Kind], trainer: Trainer, batch_size: int) -> Mapping[Kind, int]:
    """Consecutive calls for each sort of file in one turn of the loader's cycle.

    XComposer calls `batch_size` times for images, then ``batch_size + 1`` times for text: its counter is reset only after
    it has passed ``2 * batch_size``. GeoPixel calls `batch_size` times for each sort that is there. With one sort alone
    there is no cycle.

    Args:
        kinds: the sorts that the mixture has.
        trainer: whose loader.
        batch_size: the script's ``--batch_size``.
    """
    there = [kind for kind in KINDS if kind in kinds]
    if len(there) < 2:
        return dict.fromkeys(there, 1)
    calls = dict.fromkeys(there, batch_size)
    if trainer == "xcomposer" and "text" in calls:
        calls["text"] = batch_size + 1
    return calls


def kept_of_batch(kind: Kind, batch_size: int) -> int:
    """Records of a call that are trained on: of text only the first, the others are read and dropped."""
    return 1 if kind == "text" else batch_size


def kind_of_first(record: object, trainer: Trainer) -> Kind:
    """The sort of a file, by its first record's keys."""
    keys = record.keys() if isinstance(record, Mapping) else ()
    if "image" not in keys:
        return "text"
    return "grounding" if trainer == "geopixel" and {"polygons", "segmentation"} & set(keys) else "image"
