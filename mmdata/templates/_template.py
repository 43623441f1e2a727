"""What a chat template is, and how it turns a sample into text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mmdata.errors import DataError
from schemas.sample import MediaPart, Part, PhrasePart, RegionPart, Sample, SampleTurn, TextPart
from schemas.types import Speaker


@dataclass(frozen=True, slots=True)
class Text:
    """Text; `loss` tells whether the model is trained to write it."""

    text: str
    loss: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a picture or video: an index into `Sample.media`."""

    media: int


Piece: TypeAlias = Text | Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    r"""A chat template: what stands around each turn.

    Attributes:
        name: its name, as the trainers spell it.
        source: the upstream code that it follows.
        before: header of a turn by speaker; a speaker without one cannot occur.
        end: ends every turn; carries loss after an answer.
        gap: follows `end`; carries loss only if `gap_loss`.
        last: replaces `gap` after the last turn, and carries loss there; None: there is no such thing.
        gap_loss: whether `gap` after an answer carries loss.
        system: system text where the sample has none; None: no system turn.
        system_turns: whether a sample's own system turn replaces `system`.
        alternate: whether turns must alternate, beginning with the user.
        strip: whether values lose the white space around them.
        bos: whether the tokenizer's beginning-of-text token comes first, where the tokenizer has the habit.
        implied: where a picture without a placeholder goes: ``"value"``: before the value, with a line break;
            ``"header"``: before the header of the turn.
        image: what a picture becomes, ``{}`` being its tokens.
        frame: what stands before frame `i` (1-based) of a video; None: videos are passed on whole.
        image_token: the token that is repeated, once for each feature of a picture.
        video_token: the same for videos where they have a token of their own.
    """

    name: str
    source: str
    before: Mapping[Speaker, str]
    end: str
    gap: str = ""
    last: str | None = None
    gap_loss: bool = False
    system: str | None = None
    system_turns: bool = True
    alternate: bool = False
    strip: bool = False
    bos: bool = False
    implied: Literal["value", "header"] = "value"
    image: str = "<img>{}</img>"
    frame: str | None = None
    image_token: str = "<IMG_CONTEXT>"  # noqa: S105 - a token of text
    video_token: str | None = None

    def render(self, sample: Sample) -> list[Piece]:
        """The sample as text and slots, neighbouring text of one kind joined.

        Raises:
            DataError: the turns are not as the template takes them.
        """
        turns = list(sample.turns)
        where = f"{sample.origin.path}: record {sample.origin.record}: " if sample.origin else ""
        if not turns:
            raise DataError(f"{where}no turns")
        own_system = turns[0].role == "system"
        if own_system and not self.system_turns:
            raise DataError(f"{where}turn 0: {self.name} takes no system turn: upstream fails on it")
        self._check(turns[1:] if own_system else turns, where, int(own_system))
        if not own_system and self.system is not None:
            turns.insert(0, SampleTurn("system", [TextPart(self.system)]))
        return list(_joined(self._pieces(turns)))

    def _check(self, turns: Sequence[SampleTurn], where: str, first: int) -> None:
        for number, turn in enumerate(turns):
            if turn.role not in self.before or turn.role == "system":
                raise DataError(f"{where}turn {number + first}: {self.name} knows no {turn.role} turn here")
            if self.alternate and turn.role != ("user", "assistant")[number % 2]:
                raise DataError(
                    f"{where}turn {number + first}: {self.name} expects user and assistant in turns, "
                    f"beginning with the user; this one is {turn.role}'s"
                )
        if not any(turn.role == "assistant" for turn in turns):
            raise DataError(f"{where}no answer: nothing to train on")

    def _pieces(self, turns: Sequence[SampleTurn]) -> Iterator[Piece]:
        for number, turn in enumerate(turns):
            answer = turn.role == "assistant"
            value = list(self._value(turn))
            if self.implied == "header":
                yield from (Slot(p.media) for p in turn.parts if isinstance(p, MediaPart) and p.implied)
            yield Text(self.before[turn.role])
            yield from (Text(p.text, answer) if isinstance(p, Text) else p for p in value)
            yield Text(self.end, answer)
            if self.last is not None and number == len(turns) - 1:
                yield Text(self.last, loss=True)
            else:
                yield Text(self.gap, answer and self.gap_loss)

    def _value(self, turn: SampleTurn) -> Iterator[Piece]:
        pieces = [piece for part in turn.parts for piece in self._part(part)]
        if self.strip:
            if pieces and isinstance(pieces[0], Text):
                pieces[0] = Text(pieces[0].text.lstrip())
            if pieces and isinstance(pieces[-1], Text):
                pieces[-1] = Text(pieces[-1].text.rstrip())
        yield from pieces

    def _part(self, part: Part) -> Iterator[Piece]:
        if isinstance(part, TextPart):
            yield Text(part.text)
        elif isinstance(part, MediaPart):
            if part.implied and self.implied == "header":
                return
            yield Slot(part.media)
            if part.implied:
                yield Text("\n")
        elif isinstance(part, RegionPart):
            yield Text("<region>")
        elif isinstance(part, PhrasePart):
            yield Text(phrase(part))

    def jinja(self, image: str | None = None) -> str:
        """The template as a Jinja chat template for a Hugging Face tokenizer or processor.

        Messages with ``content`` as text, or as a list of parts of type ``text``, ``image`` and ``video``; answers lie
        in ``{% generation %}``. A default system text and stripping are kept; other rules of `render` (implied
        pictures, alternation) have no place in a chat template.

        Args:
            image: what a picture becomes, where it is not the text of the template: InternVL's processor puts the tags
                around the image token itself.
        """

        def quote(text: str) -> str:
            escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
            return f"'{escaped}'"

        image = quote(self.image.format(self.image_token) if image is None else image)
        video = quote(self.image.format(self.video_token) if self.video_token else "<video>")
        strip = " | trim" if self.strip else ""
        text = (
            "{%- macro value(content) -%}{%- if content is string -%}{{ content" + strip + " }}{%- else -%}"
            "{%- for part in content -%}{%- if part['type'] == 'image' -%}{{ " + image + " }}"
            "{%- elif part['type'] == 'video' -%}{{ " + video + " }}"
            "{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}{%- endmacro -%}"
        )
        if self.bos:
            text += "{{ bos_token or '' }}"
        if self.system is not None:
            default = quote(self.before["system"] + self.system + self.end + self.gap)
            text += "{%- if messages[0]['role'] != 'system' -%}{{ " + default + " }}{%- endif -%}"
        text += "{%- for message in messages -%}"
        for word, (role, header) in zip(
            ["if"] + ["elif"] * len(self.before), self.before.items(), strict=False
        ):
            body = "{{ value(message['content']) }}{{ " + quote(self.end) + " }}"
            gap = "{{ " + quote(self.gap) + " }}"
            if self.last is not None:
                closing = "{{ " + quote(self.last) + " }}"
                gap = "{%- if loop.last -%}" + closing + "{%- else -%}" + gap + "{%- endif -%}"
            if role == "assistant":
                inside = body + (gap if self.gap_loss or self.last is not None else "")
                after = "" if self.gap_loss or self.last is not None else gap
                body = "{%- generation -%}" + inside + "{%- endgeneration -%}" + after
            else:
                body += gap
            text += "{%- " + word + " message['role'] == " + quote(role) + " -%}"
            text += "{{ " + quote(header) + " }}" + body
        text += "{%- endif -%}{%- endfor -%}"
        return (
            text
            + "{%- if add_generation_prompt -%}{{ "
            + quote(self.before["assistant"])
            + " }}{%- endif -%}"
        )


def phrase(part: PhrasePart) -> str:
    """A grounded phrase as GeoPixel writes it: ``<p>phrase</p> [SEG]``, a mask token for each object."""
    masks = "[SEG]" * len(part.objects)
    return masks if part.text is None else f"<p>{part.text}</p>{part.gap}{masks}"


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    held: Text | None = None
    for piece in pieces:
        if isinstance(piece, Text):
            if not piece.text:
                continue
            if held is not None and held.loss == piece.loss:
                held = Text(held.text + piece.text, held.loss)
                continue
        if held is not None:
            yield held
        held = piece if isinstance(piece, Text) else None
        if isinstance(piece, Slot):
            yield piece
    if held is not None:
        yield held


def shown(pieces: Sequence[Piece], slot: str = "<image>") -> str:
    """The text with each slot as `slot`."""
    return "".join(piece.text if isinstance(piece, Text) else slot for piece in pieces)
