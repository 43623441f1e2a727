"""VideoRefer v1: tags, regions and keys of a record (V01 to V05, V11, V15, V17 to V20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit, Severity

VIDEOREFER = ("videorefer",)
IMAGE, VIDEO, REGION = "<image>", "<video>", "<region>"

TAGS = " + ".join(
    f"{marks}.count('{tag}')"
    for marks in ("user_marks", "answer_marks", "other_marks")
    for tag in (IMAGE, VIDEO)
)
REGIONS = " + ".join(f"{marks}.count('<region>')" for marks in ("user_marks", "answer_marks", "other_marks"))
OBJECTS = "(0 if r.annotation is UNSET else len(r.annotation))"


def read_turns(record: RecordView) -> list[TurnView]:
    """The turns that the trainer reads: without a leading answer, which it drops."""
    turns = record.turns
    return turns[1:] if turns and turns[0].speaker == "assistant" else turns


def own_tag(record: RecordView) -> str | None:
    """The tag of the record's medium; the other one, and any tag in a record of text, stays plain words."""
    return {"image": IMAGE, "video": VIDEO}.get(record.kind)


def media_tags(record: RecordView) -> list[TurnView]:
    """The turn of every tag that takes the picture or video, one entry a tag."""
    tag = own_tag(record)
    return [turn for turn in read_turns(record) for mark in turn.marks if mark.text == tag]


def without_tag(text: str, tag: str) -> str:
    """The text without a media tag and the line break behind it."""
    return text.replace(f"{tag}\n", "").replace(tag, "")


@check(
    "V01",
    severity="warning",
    formats=VIDEOREFER,
    guard="regular and (kind == 'text' or ('<' + kind + '>') in user_marks + answer_marks)",
    fixable="sometimes",
)
def no_media_tag(record: RecordView) -> Iterator[Hit]:
    """The record names a picture or video, and no turn has its `<image>` or `<video>`.

    Only `<image>` shows a picture and only `<video>` a video, in the turns that are read: a leading answer is dropped.

    Upstream: nothing is put in: the picture or video is dropped, and the model answers without it; objects are dropped too, and shift those of the samples that follow in the batch.
    Fix: Begin the first question with the tag and a line break.
    Source: `videorefer/mm_utils.py`, `preprocess_multimodal`; `videorefer/model/videorefer_arch.py`.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (videorefer): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<image>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    tag = own_tag(record)
    if tag is None or not (record.images or record.videos) or media_tags(record):
        return
    asked = [turn for turn in record.spoken_by("user") if turn.text is not None]
    other = VIDEO if tag == IMAGE else IMAGE
    turn = next((turn for turn in asked if turn.count(other)), asked[0] if asked else None)
    edits: tuple[Edit, ...] = ()
    if turn is not None:
        text = turn.text or ""
        text = text.replace(other, tag, 1) if other in text else f"{tag}\n{text}"
        edits = (Edit("set", turn.text_pointer, text),)
    severity: Severity | None = "error" if record.raw.get("annotation") else None
    place = turn.text_pointer if turn else ""
    yield Hit(f"no {tag} in the turns", place, edits=edits, severity=severity)


@check("V02", severity="error", formats=VIDEOREFER, guard=f"{TAGS} < 2", fixable="always")
def tags_in_several_turns(record: RecordView) -> Iterator[Hit]:
    """The tag of the picture or video stands in several turns.

    Upstream: each turn's tag takes the next picture of the batch: another sample's, or an IndexError.
    Fix: Keep the tag of the first turn.
    Source: `videorefer/model/videorefer_arch.py`, one feature a tag.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}, {"from": "human", "value": "<image>\\nAnd here?"}, {"from": "gpt", "value": "A cat."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}, {"from": "human", "value": "And here?"}, {"from": "gpt", "value": "A cat."}]}
    """
    turns = list({turn.index: turn for turn in media_tags(record)}.values())
    tag = own_tag(record)
    if tag is not None and len(turns) > 1:
        edits = tuple(Edit("set", turn.text_pointer, without_tag(turn.text or "", tag)) for turn in turns[1:])
        yield Hit(f"media tags in {len(turns)} turns", turns[1].text_pointer, edits=edits)


@check(
    "V03",
    severity="error",
    formats=VIDEOREFER,
    guard=f"regular and {REGIONS} == {OBJECTS} and ({OBJECTS} == 0 or kind != 'text'"
    " and '<region>' not in answer_marks and user_marks[0] == '<' + kind + '>')",
)
def region_count(record: RecordView) -> Iterator[Hit]:
    """The number of `<region>` is not the number of objects, or one stands before the picture's or video's tag.

    Regions take the objects of `annotation` in order, and the counter runs on over the samples of a batch. They are
    looked for behind the tag of the picture or video.

    Upstream: nothing is checked: from here on every sample of the batch gets another sample's regions.
    Fix: Write one <region> for each object, behind <image> or <video>.
    Source: `videorefer/model/videorefer_arch.py`, `prepare_inputs_labels_for_multimodal`.
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "What is <region>?"}, {"from": "gpt", "value": "Show me."}, {"from": "human", "value": "<image>\\nHere."}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "annotation": [{"0": {"segmentation": null}}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    objects = record.raw.get("annotation", [])
    if not isinstance(objects, list) or (not objects and "annotation" in record.raw):
        return  # V05
    if any(
        mark.text != REGION and mark.text.lower() == REGION for turn in record.turns for mark in turn.marks
    ):
        return  # V04
    if record.kind == "text" and objects:
        return  # V18
    turns = [turn for turn in read_turns(record) if turn.count(REGION)]
    regions = sum(turn.count(REGION) for turn in turns)
    if regions != len(objects):
        place = "/annotation" if objects else turns[0].text_pointer
        upstream = None
        if record.kind == "text":
            upstream = "Nothing takes their place: the model reads a token that it was never taught."
        elif regions == 1:
            upstream = "It takes the features of an empty mask."
        message = f"{regions} <region>, {len(objects)} {'object' if len(objects) == 1 else 'objects'}"
        severity: Severity | None = "warning" if record.kind == "text" else None
        yield Hit(message, place, upstream=upstream, severity=severity)
        return
    tagged = media_tags(record)
    early = [turn for turn in turns if tagged and turn.index < tagged[0].index]
    if early:
        yield Hit(
            f"<region> in turn {early[0].index}, {own_tag(record)} in turn {tagged[0].index}",
            early[0].text_pointer,
        )


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
    if isinstance(video, list) and "image" not in record.raw:
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
    """One turn holds the tag of the picture or video several times.

    Upstream: they are taken for one, at the start of the turn: where they stood is lost.
    Fix: Keep one, at the start.
    Source: `videorefer/mm_utils.py`, `preprocess_multimodal`.
    Bad (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for turn in {turn.index: turn for turn in media_tags(record)}.values():
        tag = own_tag(record)
        if tag is not None and turn.count(tag) > 1:
            edits = (Edit("set", turn.text_pointer, f"{tag}\n{without_tag(turn.text or '', tag)}"),)
            yield Hit(f"turn {turn.index} holds {turn.count(tag)} {tag}", turn.text_pointer, edits=edits)


def region_beyond(record: RecordView) -> Iterator[Hit]:
    """The last `<region>`, as a hit, if it lies beyond the token limit."""
    from mmdata.tokens import sample_tokens

    limit = record.assume("max_length")
    marked = list(record.marked(REGION))
    if not limit or not marked or not isinstance(record.raw.get("conversations"), list):
        return
    turn, mark = marked[-1]
    kept = [
        *record.raw["conversations"][: turn.index],
        {**turn.raw, "value": (turn.text or "")[: mark.start]},
    ]
    count = sample_tokens(replace(record, raw={**record.raw, "conversations": kept}))
    if count.n >= limit:
        yield Hit(
            f"the last <region> comes after {'' if count.exact else 'about '}{count.n} tokens; the trainer keeps {limit}",
            turn.text_pointer,
        )


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
    yield from region_beyond(record)
