"""``data.txt``: one path and one number a line, parted by one space (X01 to X06, X16)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import EntryView
from mmdata.finding import Splice

DATA_TXT = ("data-txt",)


def number_of(entry: EntryView) -> str | None:
    """The number of a line as written, or None."""
    words = str(entry.raw).split()
    return words[-1] if len(words) > 1 and is_number(words[-1]) else None


def is_number(word: str) -> bool:
    """Whether `float` takes the word."""
    try:
        return float(word) == float(word)
    except ValueError:
        return False


def rewritten(entry: EntryView, text: str) -> tuple[Splice, ...]:
    """Replace the line by another text; its line end stays."""
    return (Splice(entry.start, entry.start + len(str(entry.raw).encode()), text.encode()),)


@check("X01", severity="error", formats=DATA_TXT, fixable="always")
def blank_or_comment(entry: EntryView) -> Iterator[Hit]:
    """A line is blank or a comment.

    Upstream: every line is split into a path and a number: an assertion or open() fails, and the run crashes before the first step.
    Fix: Remove the line.
    Source: `data_mix.py`, reading of data.txt.
    Good (data-txt):
        one.json 0.001
    Bad (data-txt):
        # my data
        one.json 0.001
    """
    text = str(entry.raw).strip()
    if not text or text.startswith("#"):
        what = "is blank" if not text else "is a comment"
        yield Hit(f"line {entry.index + 1} {what}", splices=(Splice(entry.start, entry.end, b""),))


@check("X02", severity="error", formats=DATA_TXT, fixable="sometimes")
def spacing(entry: EntryView) -> Iterator[Hit]:
    """A line is not a path and a number parted by exactly one space.

    Tabs, two spaces, and paths with spaces in them.

    Upstream: the line is split at single spaces: an assertion fails with given_num; without it the number is ignored and the whole file is taken.
    Fix: Write one space; rename a path that has spaces.
    Source: `data_mix.py`, reading of data.txt.
    Bad (data-txt):
        one.json  0.001
    Good (data-txt):
        one.json 0.001
    """
    text = str(entry.raw).strip()
    if not text or text.startswith("#") or number_of(entry) is None or len(text.split(" ")) == 2:
        return
    words = text.split()
    if len(words) == 2:
        message = f"line {entry.index + 1}: path and number are not parted by exactly one space"
        yield Hit(message, splices=rewritten(entry, " ".join(words)))
    else:
        yield Hit(
            f"line {entry.index + 1}: the path {entry.name!r} has white space in it", fix="Rename the file."
        )


@check("X03", severity="error", formats=DATA_TXT)
def no_number(entry: EntryView) -> Iterator[Hit]:
    """A line has no number.

    Upstream: an assertion or float() fails with given_num, and the run crashes; without it the whole file is taken.
    Fix: Write the number of samples in thousands behind the path.
    Source: `data_mix.py`, reading of data.txt.
    Bad (data-txt):
        one.json
    Good (data-txt):
        one.json 0.001
    """
    text = str(entry.raw).strip()
    if text and not text.startswith("#") and number_of(entry) is None:
        words = text.split()
        what = f"{words[-1]!r} is no number" if len(words) > 1 else "has no number"
        yield Hit(f"line {entry.index + 1}: {what}")


@check("X04", severity="warning", formats=DATA_TXT, fixable="sometimes")
def lost_by_int(entry: EntryView) -> Iterator[Hit]:
    """The number of samples comes out one too low, or zero.

    It is int(float(number) * 1000), and binary fractions fall short: 2.01 gives 2009.

    Upstream: one sample fewer than written; zero samples crash the run.
    Fix: Write a number a little larger.
    Source: `data_mix.py`, given_num.
    Bad (data-txt):
        one.json 2.01
    Good (data-txt):
        one.json 2.5
    """
    word = number_of(entry)
    if word is None or entry.assume("given_num") is False:
        return
    value = float(word)
    if not 0 <= value < 1e12:
        yield Hit(
            f"line {entry.index + 1}: {word} is no number of samples",
            severity="error",
            upstream="drawing the samples fails: the run crashes",
        )
        return
    got, meant = int(value * 1000), round(value * 1000)
    if got == 0:
        upstream = "no sample is drawn: the run crashes"
        yield Hit(
            f"line {entry.index + 1}: {word} thousand are {got} samples",
            severity="error",
            upstream=upstream,
            fix="Write at least 0.001.",
        )
    elif got < meant and abs(value * 1000 - meant) < 1e-6:
        better = f"{meant / 1000:.3f}001"
        path = " ".join(str(entry.raw).split()[:-1])
        splices = rewritten(entry, f"{path} {better}") if int(float(better) * 1000) == meant else ()
        yield Hit(f"line {entry.index + 1}: {word} thousand are {got} samples, not {meant}", splices=splices)


@check("X05", severity="warning", formats=DATA_TXT, fixable="always")
def repeated_path(entry: EntryView) -> Iterator[Hit]:
    """A path stands on two lines.

    Upstream: the last line wins; the number of this one is never used.
    Fix: Remove the line, or add the numbers up in the last one.
    Source: `data_mix.py`, a dict from path to number.
    Bad (data-txt):
        one.json 0.001
        one.json 0.002
    Good (data-txt):
        one.json 0.002
    """
    if entry.later is not None:
        message = f"line {entry.index + 1}: {entry.name} stands again on line {entry.later + 1}, which wins"
        yield Hit(message, splices=(Splice(entry.start, entry.end, b""),))


@check("X06", severity="warning", formats=DATA_TXT)
def ratio_or_number(entry: EntryView) -> Iterator[Hit]:
    """The number looks like a ratio where thousands are meant, or the reverse.

    All published scripts set given_num: the number is thousands of samples. Without it the number is a ratio of the file.

    Upstream: half a thousand samples instead of half the file, or many times the file instead of thousands.
    Fix: Say which with `--assume given_num=true` or `false`, and write the number accordingly.
    Source: `data_mix.py`, given_num.
    Bad (data-txt; given_num=false):
        one.json 5
    Good (data-txt; given_num=false):
        one.json 1
    """
    word = number_of(entry)
    if word is None or not entry.records:
        return
    value, given = float(word), entry.assume("given_num")
    if given is False and value > 1:
        yield Hit(
            f"line {entry.index + 1}: {word} as a ratio asks for {value:g} times the file's {entry.records} records"
        )
    elif given is not False and 0 < value <= 1 and entry.records >= 20_000 * value and entry.records > 1000:
        drawn = int(value * 1000)
        yield Hit(
            f"line {entry.index + 1}: {word} thousand are {drawn} of {entry.records} records; a ratio would be {int(entry.records * value)}"
        )


@check("X16", severity="error", formats=DATA_TXT)
def file_not_there(entry: EntryView) -> Iterator[Hit]:
    """A line names a file that is not there.

    Upstream: open() fails: the run crashes before the first step.
    Fix: Correct the path; it starts in the directory that training is run from.
    Source: `data_mix.py`.
    Bad (data-txt):
        gone.json 0.001
    Good (data-txt):
        one.json 0.001
    """
    if entry.target is not None and not entry.exists:
        fix = (
            f"It was found under {entry.hint}: run from there or pass --media-root {entry.hint}."
            if entry.hint
            else None
        )
        yield Hit(
            f"line {entry.index + 1}: there is no file {entry.target}", related_path=entry.target, fix=fix
        )
