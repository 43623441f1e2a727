"""InternVL: lines, keys and roles of a record (I01 to I03, I08, I09, I15, I16)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import FileView, RecordView, TurnView
from mmdata.finding import Edit, Severity
from mmdata.io.record import Problem

INTERNVL = ("internvl",)
FAILURES_IN_A_ROW = 11


@check("I01", severity="error", formats=("internvl",))
def annotation_name(file: FileView) -> Iterator[Hit]:
    """The annotation file's name does not end in `.jsonl`.

    Upstream: an assertion fails when the data sets are built: the run crashes before the first step.
    Fix: Rename the file, and its entry in the meta file.
    Source: `internvl_chat_finetune.py`, `LazySupervisedDataset`.
    Bad (internvl-meta): {"mine": {"root": "", "annotation": "one.json", "data_augment": false, "repeat_time": 1}}
    Good (internvl-meta): {"mine": {"root": "", "annotation": "one.jsonl", "data_augment": false, "repeat_time": 1}}
    """
    name = file.path
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    if file.path != "-" and not name.endswith(".jsonl"):
        # Given alone, a file may still be renamed on its way; named by a meta file, it is what the trainer opens.
        yield Hit(
            f"{file.path.rpartition('/')[2]} does not end in .jsonl",
            severity="error" if file.listed else "info",
        )


@check("I02", severity="error", formats=INTERNVL, kinds=("blank-line", "not-a-record"), fixable="sometimes")
def blank_or_bad_line(problem: Problem) -> Iterator[Hit]:
    """A line is blank, or holds no JSON object.

    Upstream: json.loads fails, and the handler that should swap the sample parses the same line again: the run crashes when the line is drawn.
    Fix: Remove the line.
    Source: `internvl_chat_finetune.py`, `__getitem__`.
    Bad (internvl; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}

        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message)


@check("I03", severity="error", formats=INTERNVL, guard="not empty_media", fixable="sometimes")
def no_image(record: RecordView) -> Iterator[Hit]:
    """`image` is null, a number, or empty.

    Upstream: null or a number crashes the run, since the handler that should swap the sample asks the value for its scheme; an empty string or list makes the record one of video or of text, and the picture is never seen.
    Fix: Name the picture, or remove the key.
    Source: `internvl_chat_finetune.py`, `__getitem__`.
    Bad (internvl): {"image": null, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Bad (internvl): {"image": [], "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if "image" not in record.raw:
        return
    image = record.raw["image"]
    tags = record.count("<image>")
    edits = () if tags else (Edit("remove", "/image"),)
    if image is None or isinstance(image, (bool, int, float)):
        yield Hit(
            f"`image` is {'null' if image is None else image}", "/image", edits=edits if image is None else ()
        )
    elif image in ("", []):
        severity: Severity = "error" if tags else "warning"
        yield Hit(
            "`image` is empty",
            "/image",
            edits=edits,
            severity=severity,
            upstream="the record is read as one of video or of text",
        )


@check(
    "I08",
    severity="error",
    formats=INTERNVL,
    guard="template == 'internvl2_5' or regular",
    fixable="sometimes",
)
def system_with_old_template(record: RecordView) -> Iterator[Hit]:
    """A system turn, and a template that knows none.

    Templates other than internvl2_5 know `human` and `gpt` only; say yours with `--target-template`.

    Upstream: KeyError: the sample is replaced by a random one.
    Fix: Fold the text into the first question.
    Source: `internvl/train/dataset.py`, `preprocess_internlm`, `preprocess_mpt`, `preprocess_phi3`.
    Bad (internvl; template=Hermes-2): {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl; template=Hermes-2): {"conversations": [{"from": "human", "value": "Be brief.\\n\\nHi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if record.options.template == "internvl2_5":
        return
    for turn in record.spoken_by("system"):
        yield Hit(
            f"turn {turn.index} is a system turn; {record.options.template} knows none",
            turn.role_pointer,
            edits=folded(record, turn),
            unsafe=True,
        )


def folded(record: RecordView, turn: TurnView) -> tuple[Edit, ...]:
    """Put the text of a leading system turn into the question after it, behind its media tag."""
    following = record.turns[turn.index + 1] if turn.index + 1 < len(record.turns) else None
    if turn.index or following is None or following.speaker != "user":
        return ()
    if following.text is None or turn.text is None:
        return ()
    tag = next((tag for tag in ("<image>\n", "<video>\n") if following.text.startswith(tag)), "")
    text = f"{tag}{turn.text.strip()}\n\n{following.text.removeprefix(tag)}"
    return (Edit("set", following.text_pointer, text), Edit("remove", turn.pointer))


@check(
    "I09",
    severity="error",
    formats=INTERNVL,
    guard="regular or n_images + n_videos == 0",
    fixable="sometimes",
)
def system_before_image(record: RecordView) -> Iterator[Hit]:
    """The first turn is not the user's, and the picture's or video's tag is put there all the same.

    The tag is put in front of the first turn if that turn lacks it, whoever speaks, and a video's frames replace
    `<video>` in the first turn alone; but only human turns are then searched for `<image>`, and older templates drop a
    leading answer.

    Upstream: with a tag in the question a stray <image> stays in the first turn; without one, and for every video, the count is wrong and the sample is replaced by a random one (older templates: a video's loss is zero).
    Fix: Fold the system text into the first question; remove a leading answer.
    Source: `internvl_chat_finetune.py`, `multi_modal_get_item`, `video_get_item`; `internvl/train/dataset.py`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (internvl; petrel=true): {"video": "clip.mp4", "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "gpt", "value": "How can I help?"}, {"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nBe brief. What is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if record.kind not in ("image", "video") or not record.turns or record.turns[0].text is None:
        return
    first = record.turns[0]
    newest = record.options.template == "internvl2_5"
    if first.speaker in (None, "user"):
        return  # C05
    if not newest and (first.speaker == "system" or record.kind == "image"):
        return  # I08, I06
    swapped = "no human turn gets the tag: the sample is replaced by a random one"
    if record.kind == "video":
        upstream = swapped if newest else "the frames' tags are dropped with the turn: the loss is zero"
    elif not any(turn.count("<image>") for turn in record.spoken_by("user")):
        upstream = swapped
    elif not first.count("<image>"):  # one of its own is I07's
        upstream = f"the {'system text' if first.speaker == 'system' else 'answer'} has a stray <image>"
    else:
        return
    whose = "system's" if first.speaker == "system" else "assistant's"
    edits = folded(record, first) if first.speaker == "system" and not first.count("<image>") else ()
    yield Hit(
        f"the first turn is the {whose}", first.text_pointer, upstream=upstream, edits=edits, unsafe=True
    )


@check("I15", severity="warning", formats=INTERNVL, guard="not assume.get('group_by_length')")
def trusted_length(record: RecordView) -> Iterator[Hit]:
    """A record says its own length, and training groups by length.

    Known only with `--assume group_by_length=true`.

    Upstream: the number is trusted: a wrong one puts long samples among short ones.
    Fix: Make sure that `length` counts tokens of this tokenizer, or remove it.
    Source: `internvl_chat_finetune.py`, `group_by_length`.
    Bad (internvl; group_by_length=true): {"length": 3, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl; group_by_length=true): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if record.assume("group_by_length") and "length" in record.raw:
        yield Hit(f"`length` {record.raw['length']!r} is trusted as it stands", "/length")


@check("I16", severity="warning", formats=INTERNVL)
def failures_in_a_row(file: FileView) -> Iterator[Hit]:
    """Eleven or more records in a row fail to load.

    Counted in the order of the file over records that have an error.

    Upstream: after so many failures the iterator ends without a word, and with packing the whole data set is dropped.
    Fix: Repair the records' errors.
    Source: `internvl/train/dataset_packed.py`; `internvl_chat_finetune.py`, `__getitem__`.
    Bad (internvl; rows=11): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if file.longest_failing_run >= FAILURES_IN_A_ROW:
        yield Hit(f"{file.longest_failing_run} records in a row fail to load")


__all__ = ["INTERNVL", "SHAPE"]
