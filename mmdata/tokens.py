"""How many tokens a text or a record costs: exactly with the model's tokenizer, otherwise by a stated rule of thumb."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from mmdata.errors import MissingExtra, UsageError
from mmdata.templates import get_template
from mmdata.tiling import INTERNVL_MAX_TILES, hd_tokens, internvl_tile_tokens, internvl_tiles

if TYPE_CHECKING:
    from mmdata.checks.view import RecordView

Size = tuple[int, int]
"""(width, height) in pixels as stored."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens, and whether it is exact or an estimate."""

    n: int
    exact: bool


# --- text ---------------------------------------------------------------------------------------------------------

_UNIT = re.compile(
    r"<\|\w+\|>|</?\w+>|\[\w+\]"  # control tokens and markers
    r"|[A-Za-z]{1,6}|[0-9]|[\n\t]+|[^\sA-Za-z0-9]"
)


def text_tokens(text: str, tokenizer: str | None = None) -> TokenCount:
    """Tokens of a text, no beginning-of-text token added.

    Without a tokenizer a rule of thumb counts one for each marker, six Latin letters of a word (or what is left of
    it), digit, run of line breaks, and other character that is no space: about a tenth more than the models'
    tokenizers count on English, up to half as many again on Chinese.

    Args:
        text: any text; lone surrogates count as the replacement character.
        tokenizer: directory with a ``tokenizer.json``, or that file; None estimates.

    Raises:
        MissingExtra: a tokenizer is given and the library is not installed.
        UsageError: there is no usable ``tokenizer.json``.
    """
    if tokenizer is None:
        return TokenCount(sum(1 for _ in _UNIT.finditer(text)), exact=False)
    clean = text.encode("utf-8", "replace").decode()
    return TokenCount(len(_load(tokenizer).encode(clean, add_special_tokens=False).ids), exact=True)


@cache
def _load(path: str) -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise MissingExtra("tokenizers", "tokenizer", "counting tokens exactly") from None
    file = os.path.join(path, "tokenizer.json") if os.path.isdir(path) else path
    if not os.path.isfile(file):
        raise UsageError(f"--tokenizer {path}: no tokenizer.json there")
    try:
        return Tokenizer.from_file(file)
    except Exception as error:  # the library raises bare Exceptions for whatever it cannot read
        raise UsageError(f"--tokenizer {path}: {error}") from None


# --- records ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Prompt:
    """What the trainer makes of a record.

    Attributes:
        texts: pieces that are tokenized each on its own.
        other: tokens besides them, of pictures and control tokens.
        exact: whether `other` and the choice of pieces are known for sure.
    """

    texts: list[str] = field(default_factory=list)
    other: int = 0
    exact: bool = True


def sample_tokens(record: RecordView, image_sizes: Sequence[Size | None] = ()) -> TokenCount:
    """Tokens that the trainer makes of a record before it cuts at its limit.

    Template, text and pictures. Videos, and pictures of unknown size, count with the least they can cost. Of
    VideoRefer v1 only the text counts: its limit cuts before pictures and regions are put in.

    Args:
        record: the record; its options give tokenizer, template, ``hd_num`` and ``max_dynamic_patch``.
        image_sizes: of the record's pictures in order; None for an unknown size, missing ones are unknown too.

    Raises:
        MissingExtra: a tokenizer is given and the library is not installed.
        UsageError: a tokenizer is given and is not usable.
    """
    sizes = [*image_sizes, *[None] * len(record.images)][: len(record.images)]
    prompt = _PROMPTS.get(record.format.name, _chatml)(record, sizes)
    counts = [text_tokens(text, record.options.tokenizer) for text in prompt.texts if text]
    exact = prompt.exact and all(count.exact for count in counts)
    return TokenCount(prompt.other + sum(count.n for count in counts), exact)


def _spoken(record: RecordView) -> Iterator[tuple[str, str]]:
    """(speaker, text) of the turns that have both."""
    for turn in record.turns:
        if turn.speaker is not None and turn.text is not None:
            yield turn.speaker, turn.text


def _xcomposer(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    """GeoPixel and XComposer 2.5: one text, cut at each ``<ImageHere>``; BOS before it."""
    text = "".join(
        f"[UNUSED_TOKEN_146]{speaker}\n{text.strip()}[UNUSED_TOKEN_145]\n"
        for speaker, text in _spoken(record)
    )
    prompt = _Prompt([*f"{text}</s>".split("<ImageHere>")], other=1)
    hd_num = record.assume("hd_num")
    prompt.exact = hd_num is not None or not sizes
    for size in sizes:
        prompt.exact &= size is not None
        width, height = size or (1, 1)
        prompt.other += hd_tokens(width, height, hd_num=hd_num or _HD_NUM.get(record.format.name, 18))
    return prompt


_HD_NUM = {"geopixel": 9, "xcomposer": 18}
"""``--hd_num`` of the published training scripts."""

_XCOMPOSER_20_TOKENS = 35 * 35
"""Tokens of a picture of 490 pixels, the published scripts' fixed size."""


def _xcomposer_20(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    prompt = _xcomposer(record, [])
    prompt.other += _XCOMPOSER_20_TOKENS * len(sizes)
    prompt.exact = not sizes
    return prompt


@dataclass(frozen=True, slots=True)
class _Chat:
    """A chat template: what stands before and after each turn, and the system text where the data give none."""

    before: dict[str, str]
    after: str
    system: str | None

    def turns(self, spoken: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """(speaker, text in the template's words), the system's first."""
        if self.system is not None and (not spoken or spoken[0][0] != "system"):
            spoken = [("system", self.system), *spoken]
        return [(speaker, f"{self.before[speaker]}{text}{self.after}") for speaker, text in spoken]


def _chat(name: str) -> _Chat:
    template = get_template(name)
    before: dict[str, str] = dict(template.before)  # type: ignore[arg-type]
    return _Chat(before, template.end + template.gap, template.system)


_INTERNVL = {name: _chat(name) for name in ("internvl2_5", "Hermes-2", "internlm2-chat", "phi3-chat")}
"""InternVL's conversation templates."""

_QWEN2 = _chat("qwen2-vl")
_CHATML = replace(_QWEN2, system=None)

_INTERNVL_LEAST_FRAMES = 8
"""InternVL's default ``--min_num_frame``."""


def _internvl(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    """Each picture stands where its tag is; a single one without a tag in turn 0 stands before that turn."""
    template = record.options.template
    spoken = list(_spoken(record))
    if record.kind == "image" and spoken and "<image>" not in spoken[0][1]:
        spoken[0] = (spoken[0][0], "<image>\n" + spoken[0][1])
    if template == "internlm2-chat":
        spoken = [(speaker, text.strip()) for speaker, text in spoken]
    prompt = _Prompt(other=int(template == "internlm2-chat"))  # its BOS token
    left = len(sizes)
    for speaker, text in _INTERNVL[template].turns(spoken):
        pieces = (
            text.split("<image>", left)
            if left and (speaker == "user" or template != "internvl2_5")
            else [text]
        )
        left -= len(pieces) - 1
        prompt.texts += pieces
    most = record.assume("max_dynamic_patch")
    tiles = internvl_tiles([size or (1, 1) for size in sizes], max_tiles=most or INTERNVL_MAX_TILES)
    if record.kind == "video":
        tiles = [1] * _INTERNVL_LEAST_FRAMES
    prompt.other += sum(tiles) * internvl_tile_tokens() + 2 * len(tiles)
    prompt.exact = not tiles or (record.kind != "video" and most is not None and None not in sizes)
    return prompt


_TAG = re.compile(r"<(?:image|video|region)>")


def _videorefer(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    """Text alone, each tag one token."""
    del sizes
    texts = [text for _, text in _QWEN2.turns(list(_spoken(record)))]
    pieces = [piece for text in texts for piece in _TAG.split(text)]
    return _Prompt(pieces, other=len(pieces) - len(texts))


def _videorefer_vl3(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    """About one token for each 14-pixel patch of a picture; a region has three at least."""
    texts = [text for _, text in _CHATML.turns(list(_spoken(record)))]
    prompt = _Prompt([piece for text in texts for piece in _TAG.split(text)], exact=False)
    for width, height in (size or (14, 14) for size in sizes):
        prompt.other += max(1, width // 14) * max(1, height // 14)
    prompt.other += 3 * sum(text.count("<region>") for text in texts)
    return prompt


def _chatml(record: RecordView, sizes: Sequence[Size | None]) -> _Prompt:
    """A format that is not known here: ChatML, its pictures not counted."""
    del sizes
    return _Prompt([text for _, text in _CHATML.turns(list(_spoken(record)))], exact=False)


_PROMPTS: dict[str, Callable[[RecordView, Sequence[Size | None]], _Prompt]] = {
    "geopixel": _xcomposer,
    "xcomposer": _xcomposer,
    "xcomposer-2.0": _xcomposer_20,
    "internvl": _internvl,
    "videorefer": _videorefer,
    "videorefer-vl3": _videorefer_vl3,
}

__all__ = ["Size", "TokenCount", "sample_tokens", "text_tokens"]
