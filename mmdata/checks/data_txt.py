"""``data.txt``: one path and one number a line, parted by one space (X01 to X06, X16)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import EntryView
from mmdata.finding import Splice

DATA_TXT = ("data-txt",)
BOM = "\ufeff"


FILE_LIMIT = 1e15
"""More records than a file has: int() of a number times so many must not overflow, as it does upstream."""


def number_in(word: str) -> float | None:
    """The number that the trainer's `float` makes of a word; None where it, or that many samples, is not finite."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value * FILE_LIMIT) else None


def text_of(entry: EntryView) -> str:
    """The line as the trainer cuts it up: without white space around it, and without a byte order mark."""
    return str(entry.raw).removeprefix(BOM).strip()


def is_blank_or_comment(entry: EntryView) -> bool:
    """Whether the line was not meant to name a file (X01)."""
    text = text_of(entry)
    return not text or text.startswith("#")


def number_of(entry: EntryView) -> str | None:
    """The number of a line as written, or None: its last word, or the one before a comment."""
    words = text_of(entry).split()
    if is_blank_or_comment(entry) or len(words) < 2:
        return None
    if len(words) > 2 and words[2].startswith("#") and number_in(words[1]) is not None:
        return words[1]
    return words[-1] if number_in(words[-1]) is not None else None


def is_plain(entry: EntryView) -> bool:
    """Whether the line is a path and a number parted by one space, and nothing else."""
    return number_of(entry) is not None and len(text_of(entry).split(" ")) == 2 and not _has_bom(entry)


def _has_bom(entry: EntryView) -> bool:
    return entry.index == 0 and str(entry.raw).startswith(BOM)


def rewritten(entry: EntryView, text: str) -> tuple[Splice, ...]:
    """Replace the line by another text; its line end stays. Nothing where the line's bytes are not known for sure."""
    raw = str(entry.raw)
    if "\ufffd" in raw:
        return ()
    return (Splice(entry.start, entry.start + len(raw.encode()), text.encode()),)


def _line(entry: EntryView) -> str:
    return f"line {entry.index + 1}"


@check("X01", severity="error", formats=DATA_TXT, fixable="always")
def blank_or_comment(entry: EntryView) -> Iterator[Hit]:
    """A line is blank or a comment.

    Upstream: Every line is taken for a path: open() fails, and the run crashes before the first step.
    Fix: Remove the line.
    Source: finetune.py and train.py: the loop over the lines of data.txt.
    Bad (data-txt):
        # my data
        one.json 0.001
    Bad (data-txt):
        one.json 0.001

        one.json 0.002
    Good (data-txt):
        one.json 0.001
    """
    if is_blank_or_comment(entry):
        what = "is a comment" if text_of(entry) else "is blank"
        yield Hit(f"{_line(entry)} {what}", splices=(Splice(entry.start, entry.end, b""),))


@check("X02", severity="error", formats=DATA_TXT, fixable="sometimes")
def spacing(entry: EntryView) -> Iterator[Hit]:
    """A line is not a path and a number parted by exactly one space.

    A tab, two spaces, a path that has spaces, a comment behind the number, or a byte order mark before the first path.

    Upstream: The line is cut at each single space, and the first piece is the path: open() fails, or the assertion that there are two pieces, and the run crashes. Without given_num a line of more than two pieces takes the whole file and ignores the number.
    Fix: Write the path, one space and the number; rename a path that has spaces.
    Source: finetune.py and train.py: line.split(' ').
    Bad (data-txt):
        one.json  0.001
    Bad (data-txt):
        one.json 0.001 # a comment
    Bad (data-txt):
        my data.json 0.001
    Good (data-txt):
        one.json 0.001
    """
    number = number_of(entry)
    if _has_bom(entry):
        splices = (Splice(entry.start, entry.start + len(BOM.encode()), b""),)
        yield Hit("line 1 begins with a byte order mark, which becomes part of the path", splices=splices)
    if number is None or is_plain(entry) or len(text_of(entry).split(" ")) == 2:
        return
    path, *rest = text_of(entry).split()
    if rest[0] == number:
        what = "a comment stands behind the number" if rest[1:] else "no single space parts path and number"
        yield Hit(f"{_line(entry)}: {what}", splices=rewritten(entry, f"{path} {number}"))
    else:
        yield Hit(f"{_line(entry)}: the path {entry.name!r} has white space in it", fix="Rename the file.")


@check("X03", severity="error", formats=DATA_TXT)
def no_number(entry: EntryView) -> Iterator[Hit]:
    """A line has no number.

    With `--assume given_num=false` a path alone is well: the whole file is taken.

    Upstream: With given_num an assertion or float() fails, and the run crashes. Without it a path alone takes the whole file; a word that is no number crashes.
    Fix: Write the number of samples in thousands behind the path.
    Source: finetune.py and train.py: int(float(line[1]) * 1000).
    Bad (data-txt):
        one.json
    Bad (data-txt):
        one.json all
    Good (data-txt):
        one.json 0.001
    Good (data-txt; given_num=false):
        one.json
    """
    if is_blank_or_comment(entry) or number_of(entry) is not None:
        return
    words = text_of(entry).split()
    if len(words) > 1:
        yield Hit(f"{_line(entry)}: {words[-1]!r} is not a number of samples")
    elif entry.assume("given_num") is not False:
        yield Hit(f"{_line(entry)} has no number")


@check("X04", severity="warning", formats=DATA_TXT, fixable="sometimes")
def lost_by_int(entry: EntryView) -> Iterator[Hit]:
    """The number of samples comes out one too low, or is no number of samples at all.

    With given_num it is int(float(number) * 1000), and binary fractions fall short: 2.01 gives 2009. Without it, it is
    int(records * ratio).

    Upstream: One sample fewer is drawn than was written. Where none is left, or the number is negative, the run crashes before the first step.
    Fix: Write a number a little larger, such as 2.0101.
    Source: finetune.py and train.py: int(…), random.sample, and record 0 of what was drawn.
    Bad (data-txt):
        one.json 2.01
    Bad (data-txt):
        one.json 0
    Bad (data-txt; given_num=false):
        one.json 0.5
    Good (data-txt):
        one.json 2.0101
    """
    word = number_of(entry)
    value = None if word is None else number_in(word)
    if word is None or value is None:
        return
    given = entry.assume("given_num")
    if given is False and entry.records is None and value > 0:
        return
    factor = 1000 if given is not False else entry.records or 0
    got = int(value * factor)
    shown = f"{word} thousand" if given is not False else f"a ratio of {word} of {entry.records} records"
    are = f"{_line(entry)}: {shown} are {got} {'sample' if got == 1 else 'samples'}"
    if value <= 0 or (got == 0 and factor > 0):
        # What crashes for certain is an error: as a ratio, a small number may still draw something.
        certain = value <= 0 or given is not None
        upstream = "No sample can be drawn: the run crashes before the first step."
        fix = "Write at least 0.001." if given is not False else "Write a larger ratio, or remove the line."
        message = are if value >= 0 else f"{_line(entry)}: the number {word} is negative"
        yield Hit(message, upstream=upstream, fix=fix, severity="error" if certain else None)
        return
    meant = round(value * factor)
    if got < meant and math.isclose(value * factor, meant, rel_tol=1e-9):
        better = f"{meant / 1000:.3f}1"
        mends = given is not False and is_plain(entry) and int(float(better) * 1000) == meant
        path = text_of(entry).partition(" ")[0]
        yield Hit(f"{are}, not {meant}", splices=rewritten(entry, f"{path} {better}") if mends else ())


@check("X05", severity="warning", formats=DATA_TXT, fixable="always")
def repeated_path(entry: EntryView) -> Iterator[Hit]:
    """A path stands on several lines.

    Upstream: The last line wins; the number of this one is never used.
    Fix: Remove the line, or add the numbers up in the last one.
    Source: finetune.py and train.py: a dict from path to samples.
    Bad (data-txt):
        one.json 0.001
        one.json 0.002
    Good (data-txt):
        one.json 0.002
    """
    if entry.later is not None and not is_blank_or_comment(entry):
        message = f"{_line(entry)}: {entry.name} stands again on line {entry.later + 1}, which wins"
        yield Hit(message, splices=(Splice(entry.start, entry.end, b""),))


LARGE = 1000
"""Records from which on a file is large enough to tell a ratio from thousands."""


@check("X06", severity="warning", formats=DATA_TXT)
def ratio_or_number(entry: EntryView) -> Iterator[Hit]:
    """The number looks like a ratio where thousands are meant, or the reverse.

    All published scripts set given_num: the number is thousands of samples. Without it, it is a ratio of the file. A number
    of at most 1 that draws less than a twentieth of a large file looks like a ratio; with
    `--assume given_num=false`, a number above 10, or one that as thousands would fit the file, looks like thousands.

    Upstream: With given_num, 0.5 draws 500 samples and not half the file; without it, 5 draws the file five times over.
    Fix: Look at --given_num in the training script, and write the number accordingly.
    Source: finetune.py and train.py: given_num.
    Bad (data-txt; given_num=false):
        one.json 20
    Good (data-txt; given_num=false):
        one.json 1
    """
    word = number_of(entry)
    value = None if word is None else number_in(word)
    if value is None or not entry.records or value <= 0:
        return
    records = entry.records
    if entry.assume("given_num") is False:
        if value > 10 or (value > 1 and value * 1000 <= records):
            message = (
                f"{_line(entry)}: {word} as a ratio draws {int(records * value)} samples of {records} records"
            )
            yield Hit(message)
    elif value <= 1 and records > LARGE and value * 1000 * 20 < records:
        drawn = int(value * 1000)
        message = f"{_line(entry)}: {word} thousand are {drawn} samples of {records} records; as a ratio it would be {int(records * value)}"
        yield Hit(message)


@check("X16", severity="error", formats=DATA_TXT)
def file_not_there(entry: EntryView) -> Iterator[Hit]:
    """A line names a file that is not there.

    Upstream: open() fails: the run crashes before the first step.
    Fix: Correct the path; it starts in the directory that training is run from.
    Source: finetune.py and train.py: open(line[0]).
    Bad (data-txt):
        gone.json 0.001
    Good (data-txt):
        one.json 0.001
    """
    if entry.target is None or entry.exists or is_blank_or_comment(entry) or _has_bom(entry):
        return
    if len(text_of(entry).split()) > (1 if number_of(entry) is None else 2) and not is_plain(entry):
        return  # where the path ends is the question: X02, X03
    fix = None
    if entry.hint is not None:
        fix = f"It is found under {entry.hint}: run from there or pass --media-root {entry.hint}."
    yield Hit(f"{_line(entry)}: there is no file {entry.target}", fix=fix, related_path=entry.target)
