"""LLaMA-Factory: ShareGPT records or messages, with media in columns that ``dataset_info.json`` names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mmdata.format import Columns, Evidence, Format, Guess, Listing, Speaker, TurnKeys, Turns
from mmdata.formats._shared import dataset_info, messages
from mmdata.formats._shared.dataset_info import MESSAGES, SHAREGPT
from mmdata.formats._shared.evidence import has_turns, weigh
from schemas.sample import MediaPart, Origin, PhrasePart, RegionPart, Sample, SampleTurn

if TYPE_CHECKING:
    from mmdata.encoding import Encoding

_SPEAKERS: dict[str, Speaker] = {
    "human": "user",
    "user": "user",
    "observation": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "system": "system",
}


_LISTS = ("conversations", "messages")


def turn_keys(record: Mapping[str, Any]) -> TurnKeys:
    """`conversations` of `from` and `value`, or `messages` of `role` and `content`; the tags may be mixed."""
    return _strict(messages.keys(record, *_LISTS)) if record else _strict(TurnKeys())


def _strict(place: TurnKeys) -> TurnKeys:
    """With the words of the other form, which a loader that was told no tags does not know."""
    foreign = ("user", "assistant") if place.role == "from" else ("human", "gpt")
    return replace(place, foreign=frozenset(foreign))


def speaker(role: str) -> Speaker | None:
    """The tags of both forms (``data/converter.py``)."""
    return _SPEAKERS.get(role)


def kind(record: Mapping[str, Any]) -> str:
    """The form and the columns: what an entry of ``dataset_info.json`` must say of the record."""
    form = "messages" if turn_keys(record).role == "role" else "sharegpt"
    return "-".join([form, *(key for key in dataset_info.COLUMNS if key in record)])


def sniff(evidence: Evidence) -> Guess:
    """Columns beside `conversations`, or ``dataset_info.json``, speak for it; `messages` alone are anybody's."""
    found = weigh(
        evidence,
        0.5,
        [
            (has_turns, -0.4, "turns of `from` and `value`"),
            (
                lambda r: ("images" in r or "videos" in r) and has_turns(r),
                0.6,
                "`images` or `videos` beside such turns",
            ),
            (lambda r: "images" in r or "videos" in r, 0.1, "`images` or `videos` as columns"),
            (lambda r: "image" in r or "video" in r, -0.5, "`image` or `video`, which it does not read"),
            (
                lambda r: bool({"function_call", "observation"} & messages.roles(r)),
                0.4,
                "its words for tools",
            ),
            (lambda r: "objects" in r, -0.4, "`objects`, as ms-swift has them"),
            (
                lambda r: any(isinstance(c, list) for c in messages.contents(r)),
                -0.5,
                "content in parts",
            ),
        ],
        speaking=(
            lambda r: has_turns(r) or messages.speaks_messages("messages", "conversations")(r),
            "`conversations` or `messages`",
        ),
    )
    if evidence.path and dataset_info.entry_of(evidence.path) is not None:
        return Guess(max(found.confidence, 0.95), (*found.reasons, "dataset_info.json beside it names it"))
    return found


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<image>`` is the k-th of `images`, and so for videos (``data/mm_plugin.py``).

    Raises:
        DataError: turns or placeholders are not as the loader takes them, or the record has sound or calls of tools.
    """
    from mmdata.formats._shared import decode, tagged

    messages.no_audio(record, origin)
    place = turn_keys(record)
    sample = Sample(
        turns=[],
        id=record.get("id"),
        extras=decode.extras(record, place.turns, "images", "videos", "system"),
        origin=origin,
    )
    media = {
        "<image>": messages.of_column(record, "images", origin),
        "<video>": messages.of_column(record, "videos", origin),
    }
    tagged.fill(sample, messages.texts(record, place, speaker, origin), media)
    return sample


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record in the ShareGPT form.

    Raises:
        CannotEncode: placeholders do not name the media in order.
    """
    return _encode(sample, enc, "conversations", SHAREGPT)


def from_sample_messages(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record in the form of messages.

    Raises:
        CannotEncode: placeholders do not name the media in order.
    """
    return _encode(sample, enc, "messages", MESSAGES)


def _encode(sample: Sample, enc: Encoding, key: str, tags: Mapping[str, str]) -> dict[str, Any]:
    from mmdata.formats._shared import encode, tagged

    encode.in_order(sample)

    def write(part: MediaPart | RegionPart | PhrasePart, _turn: SampleTurn) -> str:
        return (
            messages.tag(part, sample) if isinstance(part, MediaPart) else tagged.in_text(part, sample, enc)
        )

    spoken = encode.speeches(sample, enc, pattern=tagged.LITERALS, write=write, system=True)
    body: dict[str, Any] = {
        key: [
            {tags["role_tag"]: tags[f"{who}_tag"], tags["content_tag"]: "".join(pieces)}
            for who, pieces in spoken
        ]
    }
    body |= messages.media_columns(sample, enc)
    encode.declared(sample, enc, target_reads=False)
    messages.only_columns(sample, enc)
    return body


def _as_listed(path: str) -> Format | None:
    """The format under the names that the ``dataset_info.json`` beside a file gives; None where it gives none."""
    names = dataset_info.names_of(path)
    if names is None:
        return None
    return replace(
        FORMAT,
        speaker=names.speaker,
        kind=names.kind,
        media=names.media,
        turns=Turns(names.turn_keys, (names.turn_keys({}), *messages.usual(*_LISTS))),
        to_sample=partial(_renamed, names),
        columns=Columns(names.columns, names.standard),
    )


def _renamed(names: dataset_info.Names, record: Mapping[str, Any], origin: Origin) -> Sample:
    return to_sample(names.standard(record), origin)


_OWN = frozenset({"<image>", "<video>", "<audio>"})

FORMAT = Format(
    name="llamafactory",
    title="LLaMA-Factory (ShareGPT records or messages)",
    trainer="LLaMA-Factory",
    container="array-or-jsonl",
    record_type="schemas.llamafactory:LLaMAFactoryRecord",
    speaker=speaker,
    image_tag="<image>",
    video_tag="<video>",
    user_markers=_OWN,
    answer_markers=_OWN,
    kind=kind,
    media=messages.columns,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    variants={"llamafactory-messages": from_sample_messages},
    turns=Turns(turn_keys, tuple(map(_strict, messages.usual(*_LISTS)))),
    listing=Listing(dataset_info.described, _as_listed),
    paths="below media_dir (dataset_dir by default), else as written",
)
