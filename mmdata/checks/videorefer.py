"""VideoRefer v1: tags, regions and keys of a record (V01 to V05, V11, V15, V17 to V20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

VIDEOREFER = ("videorefer",)
IMAGE, VIDEO, REGION = "<image>", "<video>", "<region>"

TAGS = " + ".join(
    f"{marks}.count('{tag}')"
    for marks in ("user_marks", "answer_marks", "other_marks")
    for tag in (IMAGE, VIDEO)
)
REGIONS = " + ".join(f"{marks}.count('<region>')" for marks in ("user_marks", "answer_marks", "other_marks"))


def media_tags(record: RecordView) -> list[TurnView]:
    """The turn of every `<image>` and `<video>`, one entry a tag."""
    return [turn for turn in record.turns for mark in turn.marks if mark.text in (IMAGE, VIDEO)]


def without_tags(text: str) -> str:
    """The text without media tags and the line break behind each."""
    for tag in (IMAGE, VIDEO):
        text = text.replace(f"{tag}\n", "").replace(tag, "")
    return text


@check(
    "V01",
    severity="warning",
    formats=VIDEOREFER,
    guard=f"n_images + n_videos == 0 or {TAGS} > 0",
    fixable="sometimes",
)
def no_media_tag(record: RecordView) -> Iterator[Hit]:
    """The record names a picture or video, and no turn has `<image>` or `<video>`.

    Upstream: nothing is put in: the picture or video is dropped, and the model answers without it.
    Fix: Begin the first question with the tag and a line break.
    Source: `videorefer/mm_utils.py`, `preprocess_multimodal`.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    files = [*record.images, *record.videos]
    if not files or media_tags(record):
        return
    tag = IMAGE if files[0].kind == "image" else VIDEO
    first = next((turn for turn in record.spoken_by("user") if turn.text is not None), None)
    edits = (Edit("set", first.text_pointer, f"{tag}\n{first.text}"),) if first is not None else ()
    yield Hit(f"no {tag} in the turns", first.text_pointer if first else "", edits=edits)


@check("V02", severity="error", formats=VIDEOREFER, guard=f"{TAGS} < 2", fixable="always")
def tags_in_several_turns(record: RecordView) -> Iterator[Hit]:
    """`<image>` or `<video>` stands in several turns.

    Upstream: each turn's tag takes the next picture of the batch: another sample's, or an IndexError.
    Fix: Keep the tag of the first turn.
    Source: `videorefer/model/videorefer_arch.py`, one feature a tag.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}, {"from": "human", "value": "<image>\\nAnd here?"}, {"from": "gpt", "value": "A cat."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}, {"from": "human", "value": "And here?"}, {"from": "gpt", "value": "A cat."}]}
    """
    turns = list({turn.index: turn for turn in media_tags(record)}.values())
    if len(turns) > 1:
        edits = tuple(Edit("set", turn.text_pointer, without_tags(turn.text or "")) for turn in turns[1:])
        yield Hit(f"media tags in {len(turns)} turns", turns[1].text_pointer, edits=edits)


@check(
    "V03",
    severity="error",
    formats=VIDEOREFER,
    guard=f"{REGIONS} == (0 if r.annotation is UNSET else len(r.annotation))",
)
def region_count(record: RecordView) -> Iterator[Hit]:
    """The number of `<region>` is not the number of objects.

    Regions take the objects of `annotation` in order, and the counter runs on over the samples of a batch.

    Upstream: nothing is checked: from here on every sample of the batch gets another sample's regions.
    Fix: Write one <region> for each object.
    Source: `videorefer/model/videorefer_arch.py`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    objects = record.raw.get("annotation", [])
    regions = record.count(REGION)
    wrong_case = any(
        mark.text != REGION and mark.text.lower() == REGION for turn in record.turns for mark in turn.marks
    )
    if (
        isinstance(objects, list)
        and regions != len(objects)
        and not wrong_case
        and (objects or "annotation" not in record.raw)
    ):
        place = (
            "/annotation"
            if "annotation" in record.raw
            else next(t.text_pointer for t, _ in record.marked(REGION))
        )
        yield Hit(f"{regions} <region>, {len(objects)} {'object' if len(objects) == 1 else 'objects'}", place)


@check("V04", severity="warning", formats=VIDEOREFER, guard="own_markers", fixable="always")
def region_case(record: RecordView) -> Iterator[Hit]:
    """`<region>` is written in other letters.

    Upstream: it stays plain words, and the objects shift to the next `<region>`, of another sample if need be.
    Fix: Write <region>.
    Source: `videorefer/constants.py`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <REGION>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for turn in record.turns:
        wrong = [mark for mark in turn.marks if mark.text != REGION and mark.text.lower() == REGION]
        if wrong:
            text = turn.text or ""
            for mark in reversed(wrong):
                text = text[: mark.start] + REGION + text[mark.end :]
            yield Hit(
                f"turn {turn.index} holds {wrong[0].text}",
                turn.text_pointer,
                edits=(Edit("set", turn.text_pointer, text),),
            )


@check(
    "V05",
    severity="error",
    formats=VIDEOREFER,
    guard="r.annotation is UNSET or len(r.annotation) > 0",
    fixable="always",
)
def empty_annotation(record: RecordView) -> Iterator[Hit]:
    """`annotation` is an empty list.

    Upstream: stacking no masks fails and the sample is swapped, or the counters of the batch come out one off.
    Fix: Remove the key.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"image": "a.png", "annotation": [], "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if record.raw.get("annotation") == []:
        yield Hit("`annotation` is an empty list", "/annotation", edits=(Edit("remove", "/annotation"),))


@check("V11", severity="error", formats=VIDEOREFER, guard=SHAPE, fixable="sometimes")
def no_segmentation(record: RecordView) -> Iterator[Hit]:
    """A mask lies directly under its frame, without `segmentation`.

    That is how the VideoLLaMA3 dialect has it.

    Upstream: KeyError: the run crashes.
    Fix: Write {"segmentation": …} around the mask; null is an empty mask.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": [[1, 1, 9, 1, 9, 9]]}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "height": 48, "width": 64, "annotation": [{"0": {"segmentation": [[1, 1, 9, 1, 9, 9]]}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    objects = record.raw.get("annotation")
    for number, entry in enumerate(objects if isinstance(objects, list) else ()):
        for frame, value in entry.items() if isinstance(entry, dict) else ():
            if isinstance(value, dict) and "segmentation" in value:
                continue
            place = f"/annotation/{number}/{_escaped(frame)}"
            is_mask = isinstance(value, list) or (
                isinstance(value, dict) and {"size", "counts"} <= value.keys()
            )
            edits = (Edit("set", place, {"segmentation": value}),) if is_mask else ()
            yield Hit(f"object {number}, frame {frame}: no `segmentation`", place, edits=edits)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


@check("V15", severity="error", formats=VIDEOREFER, guard="regular")
def odd_turns(record: RecordView) -> Iterator[Hit]:
    """The number of turns is odd.

    A leading `gpt` turn is dropped first.

    Upstream: an assertion fails: the run crashes.
    Fix: Answer the last question, or remove it.
    Source: `videorefer/train.py`, `preprocess_qwen`.
    Bad (videorefer): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]}
    Good (videorefer): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    turns = record.turns
    if turns and all(turn.speaker is not None for turn in turns):
        kept = len(turns) - (turns[0].speaker == "assistant")
        if kept % 2:
            yield Hit(f"{kept} turns", "/conversations")


@check("V17", severity="error", formats=VIDEOREFER, guard=SHAPE, fixable="sometimes")
def video_list(record: RecordView) -> Iterator[Hit]:
    """`video` is a list, as the VideoLLaMA3 dialect has it.

    Upstream: joining the path fails: the run crashes.
    Fix: Write the path as a string.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    video = record.raw.get("video")
    if isinstance(video, list):
        edits = (Edit("set", "/video", video[0]),) if len(video) == 1 and isinstance(video[0], str) else ()
        yield Hit(f"`video` is a list of {len(video)}", "/video", edits=edits)


@check("V18", severity="error", formats=VIDEOREFER, guard="r.annotation is UNSET or n_images + n_videos > 0")
def annotation_without_media(record: RecordView) -> Iterator[Hit]:
    """A record of text has an `annotation`.

    Upstream: there is no picture to take the regions from: the regions of the batch shift, or the forward pass fails.
    Fix: Name the picture or video, or remove the annotation.
    Source: `videorefer/train.py`.
    Bad (videorefer): {"annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "What is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if "annotation" in record.raw and "image" not in record.raw and "video" not in record.raw:
        yield Hit("`annotation` in a record without picture or video", "/annotation")


@check("V19", severity="warning", formats=VIDEOREFER, guard=f"{TAGS} < 2", fixable="always")
def tags_in_one_turn(record: RecordView) -> Iterator[Hit]:
    """One turn holds several media tags.

    Upstream: they are taken for one, at the start of the turn: where they stood is lost.
    Fix: Keep one, at the start.
    Source: `videorefer/mm_utils.py`, `preprocess_multimodal`.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for turn in {turn.index: turn for turn in media_tags(record)}.values():
        tags = [mark.text for mark in turn.marks if mark.text in (IMAGE, VIDEO)]
        if len(tags) > 1:
            edits = (Edit("set", turn.text_pointer, f"{tags[0]}\n{without_tags(turn.text or '')}"),)
            yield Hit(f"turn {turn.index} holds {len(tags)} media tags", turn.text_pointer, edits=edits)


def region_beyond(record: RecordView, limit: int) -> tuple[TurnView, int, bool] | None:
    """The turn of the last `<region>`, the tokens before it and whether they are exact, if they exceed the limit."""
    from mmdata.tokens import sample_tokens

    marked = list(record.marked(REGION))
    if not marked or not isinstance(record.raw.get("conversations"), list):
        return None
    turn, mark = marked[-1]
    kept = [
        *record.raw["conversations"][: turn.index],
        {**turn.raw, "value": (turn.text or "")[: mark.start]},
    ]
    count = sample_tokens(replace(record, raw={**record.raw, "conversations": kept}))
    return (turn, count.n, count.exact) if count.n >= limit else None


@check(
    "V20",
    severity="warning",
    formats=VIDEOREFER,
    guard="not assume.get('max_length') or '<region>' not in user_marks",
)
def region_cut_off(record: RecordView) -> Iterator[Hit]:
    """A `<region>` lies beyond the token limit.

    The scripts keep 2048 tokens, counted before pictures are put in; say yours with `--assume max_length=N`.

    Upstream: the cut removes it: the objects shift to the regions of the samples that follow in the batch.
    Fix: Shorten the conversation.
    Source: `videorefer/train.py`, `model_max_length`.
    Bad (videorefer; max_length=30): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nThere are a great many things to be seen in this picture, and most of them are of no interest at all to anybody, but here is the one that I would like to hear about from you. What is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer; max_length=2048): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    limit = record.assume("max_length")
    found = region_beyond(record, limit) if limit else None
    if found is not None:
        turn, tokens, exact = found
        yield Hit(
            f"the last <region> comes after {'' if exact else 'about '}{tokens} tokens; the trainer keeps {limit}",
            turn.text_pointer,
        )
