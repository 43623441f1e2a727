"""The text of a file: what is no JSON (C01), too large (R01), or JSON to Python's parser alone (R02 to R05)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.io.record import Problem

_FIXES = {
    "bom": "Save the file as UTF-8 without a byte order mark.",
    "encoding": "Save the file as UTF-8.",
    "truncated": "The end is missing: write the file anew, or remove the broken record.",
    "second-array": "Join the arrays into one.",
    "container": "Write the records as the trainer reads them: one JSON array, or one record a line.",
    "missing-newline": "Put each record on a line of its own.",
    "missing-comma": "Put a comma between the records.",
    "trailing-comma": "Remove the comma before the closing bracket.",
    "nul": "Remove the NUL bytes; they are often left by a crash or a full disk.",
    "depth": "Nest the values less deeply.",
    "compression": "Compress the file anew.",
}


@check(
    "C01",
    severity="error",
    fixable="sometimes",
    kinds=(
        "syntax",
        "encoding",
        "truncated",
        "stray",
        "trailing-comma",
        "missing-comma",
        "missing-newline",
        "second-array",
        "nul",
        "depth",
        "bom",
        "container",
        "compression",
    ),
)
def not_json(problem: Problem) -> Iterator[Hit]:
    """The text is not JSON as the trainer's parser reads it.

    A syntax error, bytes that are not UTF-8, a byte order mark, an end that is missing, text between records, or
    records in another container than the trainer reads: JSON Lines in place of an array, or the reverse. The records
    after it are still checked where the text allows it.

    Upstream: JSONDecodeError or UnicodeDecodeError: one broken byte in a JSON array stops the run before it starts. In JSON Lines the run stops when the line is drawn (InternVL's error handler parses the line again).
    Fix: Correct the text at the place shown; JSON has double quotes, no comments, and no comma before a closing bracket.
    Source: json.load and json.loads in every trainer's data set class.
    Bad (xcomposer; raw): [{"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]},]
    Bad (geopixel; raw): [{'conversations': [{'from': 'human', 'value': 'Hi'}, {'from': 'bot', 'value': 'Hello'}]}]
    Bad (videorefer; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
        {"conversations": [{"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Bye!"}]}
    Bad (internvl; raw): [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}]
    Bad (internvl; raw): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"
    Good (xcomposer; raw): [{"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}]
    Good (internvl; raw): {"conversations": [{"from": "human", "value": "Hi\\u2028"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message, fix=_FIXES.get(problem.kind))


@check("R01", severity="error", kinds=("too-large",))
def record_too_large(problem: Problem) -> Iterator[Hit]:
    """A record is longer than the limit and was not read.

    The limit is `--max-record-bytes` (64 MiB unless you say otherwise); it keeps memory bounded, and a record of that
    length is mostly an accident: a missing bracket, masks as lists of numbers, a picture as base64.

    Upstream: The trainer has no such limit: it reads the record, whatever it costs. Nothing is known about the record here.
    Fix: Look at the record; if it is right, raise `--max-record-bytes`.
    Source: this program; no trainer has a limit.
    Bad (internvl; max_record_bytes=1024; repeat=400): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello Hello"}]}
    Good (internvl; max_record_bytes=1024): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello Hello"}]}
    """
    yield Hit(problem.message)


@check("R02", severity="warning", kinds=("duplicate-key",))
def duplicate_key(problem: Problem) -> Iterator[Hit]:
    """A key comes twice in one object.

    Upstream: Python keeps the last value in silence; the earlier one is lost. Other tools keep the first, or refuse.
    Fix: Keep one of the two.
    Source: json.loads.
    Bad (internvl; raw): {"image": "a.png", "image": "b.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl): {"image": "b.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    yield Hit(problem.message)


@check("R03", severity="warning", kinds=("big-int",))
def huge_integer(problem: Problem) -> Iterator[Hit]:
    """An integer does not fit 64 bits.

    Upstream: Python reads it; most other tools refuse it or make it a rounded float. No trainer needs one.
    Fix: If it is an id, write it as a string.
    Source: json.loads.
    Bad (internvl; raw): {"id": 123456789012345678901234, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"id": 9223372036854775807, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"id": "123456789012345678901234", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message)


_TEXT = re.compile(r"/conversations/[0-9]+/value")


@check("R04", severity="warning", kinds=("lone-surrogate",))
def lone_surrogate(problem: Problem) -> Iterator[Hit]:
    r"""A string holds half of a surrogate pair, written as an escape like `\ud83d`.

    Mostly a character beyond U+FFFF (an emoji) that was cut in two. In the text of a turn it is an error.

    Upstream: Python's parser takes it, but the string cannot be encoded: in a turn's text the tokenizer raises an error and the run crashes or the sample is swapped; in a path no file has that name. In keys that are not read nothing happens.
    Fix: Write the whole character, or remove the half.
    Source: json.loads; the tokenizers, which take UTF-8.
    Bad (internvl; raw): {"conversations": [{"from": "human", "value": "Hi \ud83d"}, {"from": "gpt", "value": "Hello"}]}
    Bad (internvl; raw): {"source": "\ude00", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl; raw): {"conversations": [{"from": "human", "value": "Hi \ud83d\ude00"}, {"from": "gpt", "value": "Hello"}]}
    """
    if _TEXT.fullmatch(problem.pointer or ""):
        upstream = "The tokenizer cannot encode the text: the run crashes, or the sample is replaced by a random one."
        yield Hit(problem.message, severity="error", upstream=upstream)
    else:
        yield Hit(problem.message)


@check("R05", severity="warning", kinds=("non-finite",))
def number_not_finite(problem: Problem) -> Iterator[Hit]:
    """A number is NaN or infinite.

    `NaN` and `Infinity` are no JSON, but Python reads and writes them; a number like `1e999` is JSON and overflows.

    Upstream: Python's parser takes it. Where the trainer reads the number, what comes of it is wrong; most other tools refuse the file.
    Fix: Write a finite number, or null where the key may have it.
    Source: json.loads.
    Bad (internvl; raw): {"score": NaN, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Bad (internvl; raw): {"score": 1e999, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl; raw): {"score": 0.5, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message)


@check("R06", severity="error", formats=("videorefer", "videorefer-vl3", "internvl"), kinds=("empty",))
def no_record(problem: Problem) -> Iterator[Hit]:
    """The file holds no record.

    Upstream: Alone it stops the run: a sampler over no records is a ValueError. Beside other files it adds nothing.
    Fix: Remove the file from the run, or write its records.
    Source: the data set classes of VideoRefer and InternVL; torch's RandomSampler.
    Bad (videorefer; raw): []
    Good (videorefer): [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}]
    """
    yield Hit(problem.message)
