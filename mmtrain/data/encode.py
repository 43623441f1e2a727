"""A canonical sample as input ids, labels and pixel tiles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mmdata.errors import DataError, UsageError
from mmdata.media.paths import resolve
from mmdata.templates import Slot, Template, get_template
from schemas.sample import SampleTurn, TextPart

if TYPE_CHECKING:
    from schemas.sample import Media, Sample

IGNORED = -100
"""Label of a token without loss."""


ROTARY = "rotary"
"""Of a prompt: positions (3, P) int64 as in training, which transformers' ``generate`` would not count so."""


class Size(NamedTuple):
    """What a sample costs."""

    tokens: int
    tiles: int


@dataclass(slots=True)
class Encoded:
    """A sample as tensors.

    Attributes:
        input_ids: (L,) int64.
        labels: (L,) int64, `IGNORED` where a token carries no loss; not shifted.
        media: model inputs of the pictures, for example ``pixel_values``: (tiles, 3, S, S) float32.
        tiles: how many tiles (or images, where a family cuts none) lie in `media`.
        positions: (3, L) int64 where a family's rotary positions are not simply counted on; None elsewhere.
        counts: what a recipe's loss terms are divided by, besides labels (see `mmtrain.losses.Term`).
    """

    input_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    media: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    tiles: int = 0
    positions: npt.NDArray[np.int64] | None = None
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def size(self) -> Size:
        """Tokens and tiles."""
        return Size(len(self.input_ids), self.tiles)


class Tiles(NamedTuple):
    """What one picture of a sample becomes.

    Attributes:
        tokens: how often the image token is repeated for it.
        tiles: tiles it costs.
    """

    tokens: int
    tiles: int


class MediaEncoder(Protocol):
    """How a model family turns pictures into inputs (`mmtrain.families`)."""

    def measure(self, media: list[Media], root: str | None, max_tiles: int | None) -> list[list[Tiles]]:
        """For each medium its pictures or frames."""
        ...

    def pixels(
        self, media: list[Media], root: str | None, max_tiles: int | None
    ) -> tuple[list[list[Tiles]], dict[str, npt.NDArray[Any]]]:
        """The same, and the model inputs of all of them in order."""
        ...

    def dummy(self) -> tuple[Tiles, dict[str, npt.NDArray[Any]]]:
        """The smallest picture, of zeros: what a batch without pictures is given so that all ranks do the same."""
        ...

    def positions(
        self, ids: npt.NDArray[np.int64], inputs: dict[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.int64] | None:
        """Rotary positions (3, L) of a sample's ids, or None where tokens are counted on by one."""
        ...


class Encoder:
    """Makes tensors of samples.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        template: chat template, or its name.
        media: the family's way with pictures; None trains on text alone.

    Raises:
        UsageError: the tokenizer is a slow one, or lacks the template's image token.
    """

    def __init__(self, tokenizer: Any, template: Template | str, media: MediaEncoder | None) -> None:
        self.tokenizer = tokenizer
        self.template = get_template(template) if isinstance(template, str) else template
        self.media = media
        if not getattr(tokenizer, "is_fast", False):
            raise UsageError(
                f"{tokenizer.name_or_path}: expected a fast tokenizer (tokenizer.json): labels need offsets"
            )
        self.image_id = self._one(self.template.image_token) if media is not None else None

    def _one(self, token: str) -> int:
        ids = self.tokenizer.encode(token, add_special_tokens=False)
        if len(ids) != 1:
            raise UsageError(
                f"{self.tokenizer.name_or_path}: {token} is {len(ids)} tokens, expected one: the tokenizer does not fit "
                f"the template {self.template.name}"
            )
        return int(ids[0])

    def measure(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Size:
        """What the sample costs; reads the headers of its pictures, no pixels.

        Raises:
            DataError: the sample cannot be encoded.
        """
        tiles = self.media.measure(sample.media, root, max_tiles) if self.media and sample.media else []
        ids, _ = self._tokens(sample, tiles)
        return Size(len(ids), sum(t.tiles for one in tiles for t in one))

    def encode(self, sample: Sample, root: str | None = None, max_tiles: int | None = None) -> Encoded:
        """The sample as tensors.

        Args:
            sample: the sample.
            root: what relative media paths start from.
            max_tiles: most tiles of its pictures; None takes the family's.

        Raises:
            DataError: the sample cannot be encoded: a picture cannot be read, turns do not fit the template, text holds
                the image token, or nothing of it carries loss.
        """
        if sample.media and self.media is None:
            raise DataError("pictures in a sample, but the model takes text alone")
        tiles: list[list[Tiles]] = []
        inputs: dict[str, npt.NDArray[Any]] = {}
        if self.media is not None and sample.media:
            tiles, inputs = self.media.pixels(sample.media, root, max_tiles)
        ids, labels = self._tokens(sample, tiles)
        return self._made(ids, labels, inputs, sum(t.tiles for one in tiles for t in one))

    def prompt(
        self, sample: Sample, root: str | None = None, answer: SampleTurn | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """A conversation up to where the next answer begins, that answer with what ends it, and the pictures' inputs.

        Args:
            sample: its last turn is not the model's.
            root: what relative media paths start from.
            answer: the turn that follows; None: some text.

        Returns:
            Ids (P,), ids (A,) and inputs as in `Encoded.media`; where a family has them, rotary positions (3, P) under
            `ROTARY`.

        Raises:
            DataError: as `encode`.
        """
        answer = answer or SampleTurn(
            "assistant", [TextPart("x")]
        )  # what stands before does not depend on it
        encoded = Encoder.encode(self, replace(sample, turns=[*sample.turns, answer], objects=[]), root)
        last = np.flatnonzero(np.diff((encoded.labels != IGNORED).astype(np.int8), prepend=0) == 1)[-1]
        return prompt_of(encoded, int(last))

    def row(self, ids: npt.NDArray[np.int64], media: dict[str, npt.NDArray[Any]]) -> Encoded:
        """A conversation without labels of ids (L,) and the inputs of its pictures: what `prompt` gives, and an answer."""
        return self._made(ids, np.full_like(ids, IGNORED), dict(media), 0)

    def dummy(self) -> Encoded:
        """A segment that trains nothing: one picture of zeros, no labels."""
        tokens, tiles = [self._filler()], 0
        inputs: dict[str, npt.NDArray[Any]] = {}
        if self.media is not None:
            one, inputs = self.media.dummy()
            text = self.template.image.format(self.template.image_token)
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            tokens = [t for i in ids for t in ([i] * one.tokens if i == self.image_id else [i])]
            tiles = one.tiles
        array = np.array(tokens, np.int64)
        return self._made(array, np.full_like(array, IGNORED), inputs, tiles)

    def _made(
        self,
        ids: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        inputs: dict[str, npt.NDArray[Any]],
        tiles: int,
    ) -> Encoded:
        positions = self.media.positions(ids, inputs) if self.media is not None else None
        return Encoded(ids, labels, inputs, tiles, positions)

    def unexpanded(self, sample: Sample, root: str | None = None) -> tuple[str, list[int]]:
        """Text of a sample with one image token for each picture or frame, and its ids; decodes no pixels.

        Raises:
            DataError: as `encode`.
        """
        tiles = self.media.measure(sample.media, root, None) if self.media and sample.media else []
        single = [[Tiles(1, t.tiles) for t in one] for one in tiles]
        text, _, _ = self._text(sample, single)
        ids, _ = self._tokens(sample, single)
        return text, ids.tolist()

    def _filler(self) -> int:
        for token in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0

    def _tokens(
        self, sample: Sample, tiles: list[list[Tiles]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        text, spans, repeats = self._text(sample, tiles)
        encoded = self.tokenizer(text, add_special_tokens=self.template.bos, return_offsets_mapping=True)
        ids = np.array(encoded["input_ids"], np.int64)
        offsets = np.array(encoded["offset_mapping"], np.int64).reshape(-1, 2)
        # A token carries loss if it begins in a span with loss; BOS and its like cover no text and carry none.
        inside = np.zeros(len(text) + 1, bool)
        for start, end in spans:
            inside[start:end] = True
        labels = np.where(inside[offsets[:, 0]] & (offsets[:, 1] > offsets[:, 0]), ids, IGNORED)
        if not (labels != IGNORED).any():
            raise DataError("nothing of the sample carries loss: every answer is empty")
        if self.image_id is not None:
            at = np.flatnonzero(ids == self.image_id)
            if len(at) != len(repeats):
                raise DataError(f"the text holds {self.template.image_token}, which stands for a picture")
            if len(at):
                count = np.ones(len(ids), np.int64)
                count[at] = repeats
                ids, labels = np.repeat(ids, count), np.repeat(labels, count)
        return ids, labels

    def _text(self, sample: Sample, tiles: list[list[Tiles]]) -> tuple[str, list[tuple[int, int]], list[int]]:
        """Text with one image token a picture, spans with loss in characters, repeats of each image token."""
        image = self.template.image.format(self.template.image_token)
        parts: list[str] = []
        spans: list[tuple[int, int]] = []
        repeats: list[int] = []
        at = 0
        for piece in self.template.render(sample):
            if isinstance(piece, Slot):
                own = tiles[piece.media]
                repeats += [t.tokens for t in own]
                frames = sample.media[piece.media].kind != "image" and self.template.frame is not None
                text = (
                    "\n".join(
                        f"{(self.template.frame or '').format(i=i + 1)}{image}" for i in range(len(own))
                    )
                    if frames
                    else image * len(own)
                )
            else:
                text = piece.text
                if piece.loss:
                    spans.append((at, at + len(text)))
            parts.append(text)
            at += len(text)
        return "".join(parts), spans, repeats


def prompt_of(
    encoded: Encoded, last: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """A sample cut in two, see `Encoder.prompt`; the answer begins with token `last`."""
    media = dict(encoded.media)
    if encoded.positions is not None:
        media[ROTARY] = encoded.positions[:, :last]
    return encoded.input_ids[:last], encoded.input_ids[last:], media


def media_path(path: str, root: str | None) -> str:
    """Where a medium lies."""
    return resolve(path, root=root)
