"""An exported directory as something to ask: ``mmtrain.load(DIR).answer(image, question)``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mmdata.errors import DataError, UsageError
from mmtrain.data.encode import ROTARY, media_path
from mmtrain.data.pictures import header_size, load_rgb
from mmtrain.pointing import asked
from schemas.sample import (
    Media,
    Sample,
    SampleTurn,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model said.

    Attributes:
        text: the answer, special tokens of masks and phrases included, the end of the turn not.
        masks: uint8 (N, H, W), 0 and 1, at the picture's size: one for each ``[SEG]`` of `text`.
        scores: (N,) float32: mean probability of the pixels of each mask; 0 for an empty one.
    """

    text: str
    masks: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]


class _Prompt(NamedTuple):
    """A conversation up to where the answer begins: its ids (P,), those of the answer (A,), the pictures' inputs, and rotary
    positions (3, P) where the family has them.
    """

    ids: npt.NDArray[np.int64]
    answer: npt.NDArray[np.int64]
    media: dict[str, npt.NDArray[Any]]
    rotary: npt.NDArray[np.int64] | None = None


class Model:
    """A trained model with what makes its inputs.

    Attributes:
        recipe: what it was trained for.
        network: the torch module.
        encoder: makes tensors of samples.
    """

    def __init__(self, recipe: str, network: Any, encoder: Any) -> None:
        self.recipe, self.network, self.encoder = recipe, network, encoder

    @property
    def draws(self) -> bool:
        """Whether it answers with masks."""
        return hasattr(self.network, "draw")

    def answer(
        self,
        image: str,
        question: str,
        *,
        regions: Sequence[npt.NDArray[np.uint8]] = (),
        max_new_tokens: int = 512,
    ) -> Answer:
        """Ask about a picture; the likeliest token each time.

        Args:
            image: its path.
            question: what to ask.
            regions: for a model of the recipe regions: of each ``<region>`` of the question the mask, (H, W) of 0 and 1 at
                the picture's size.
            max_new_tokens: the answer ends there at the latest.

        Raises:
            DataError: the picture cannot be read, or the masks do not fit the question, the picture or the model.
        """
        sample = asked(Media("image", [image]), question, [{"": mask} for mask in regions])
        if sample.objects and self.recipe != "regions":
            raise DataError(f"a model of the recipe {self.recipe} takes no regions; expected one of regions")
        return self.reply(sample, max_new_tokens=max_new_tokens)

    def reply(self, sample: Sample, *, root: str | None = None, max_new_tokens: int = 512) -> Answer:
        """The answer that follows a conversation; its last turn is the user's.

        Args:
            sample: masks are drawn on its one picture.
            root: directory that relative media paths start from.
            max_new_tokens: the answer ends there at the latest.

        Raises:
            DataError: it cannot be encoded, or masks are drawn and there is not one picture.
        """
        return self.replies([sample], root=root, max_new_tokens=max_new_tokens)[0]

    def replies(
        self, samples: Sequence[Sample], *, root: str | None = None, max_new_tokens: int = 512
    ) -> list[Answer]:
        """The answers that follow several conversations, as `reply`, generated and drawn together.

        Where two tokens, or a pixel's being inside or outside, are as likely but for rounding, a batch may decide otherwise
        than `reply` does.

        Args:
            samples: each one's last turn is the user's; masks are drawn on its one picture.
            root: directory that relative media paths start from.
            max_new_tokens: an answer ends there at the latest.

        Raises:
            DataError: one cannot be encoded, or masks are drawn and there is not one picture.
        """
        prompts = [self._prompt(sample, root, None) for sample in samples]
        said = self._generated(prompts, max_new_tokens)
        return self._answered(samples, root, prompts, said)

    def answers(
        self, samples: Sequence[Sample], *, root: str | None = None, max_new_tokens: int = 512
    ) -> list[str]:
        """The texts that follow several conversations, generated together: shorter ones are padded on the left.

        The likeliest token each time, as `reply`; where two are as likely but for rounding, a batch may choose another
        one than `reply` does.

        Args:
            samples: each one's last turn is the user's.
            root: directory that relative media paths start from.
            max_new_tokens: an answer ends there at the latest.

        Raises:
            DataError: one cannot be encoded.
        """
        prompts = [self._prompt(sample, root, None) for sample in samples]
        return [self._text(said) for said in self._generated(prompts, max_new_tokens)]

    def follow(self, sample: Sample, number: int, *, root: str | None = None) -> Answer:
        """The model's masks for an answer that is given: its text is taken as said.

        Args:
            sample: with the answer; masks are drawn on its one picture.
            number: of the turn with the answer; what follows it is left out.
            root: directory that relative media paths start from.

        Raises:
            DataError: it cannot be encoded, or there is not one picture.
        """
        return self.follows([(sample, number)], root=root)[0]

    def follows(self, given: Sequence[tuple[Sample, int]], *, root: str | None = None) -> list[Answer]:
        """`follow` for several answers, drawn together.

        Args:
            given: each a sample with its answer, and the number of the turn with it.
            root: directory that relative media paths start from.

        Raises:
            DataError: one cannot be encoded, or there is not one picture.
        """
        samples = [sample for sample, _ in given]
        prompts = [
            self._prompt(replace(sample, turns=sample.turns[:number]), root, sample.turns[number])
            for sample, number in given
        ]
        return self._answered(samples, root, prompts, [prompt.answer for prompt in prompts])

    def _end(self) -> int:
        """The token that ends an answer."""
        text = self.encoder.template.end
        return int(self.encoder.tokenizer.encode(text, add_special_tokens=False)[0])

    def _prompt(self, sample: Sample, root: str | None, answer: SampleTurn | None) -> _Prompt:
        """Inputs up to where the answer begins, and the ids of the answer."""
        ids, said, media = self.encoder.prompt(sample, root, answer)
        return _Prompt(ids, said, media, media.pop(ROTARY, None))

    def _generated(self, prompts: Sequence[_Prompt], most: int) -> list[npt.NDArray[np.int64]]:
        """Ids that follow each prompt, the likeliest each time; shorter prompts are padded on the left."""
        import numpy as np
        import torch

        tokenizer, end = self.encoder.tokenizer, self._end()
        vlm = self.network.vlm if self.draws else self.network
        first = next(self.network.parameters())
        length = max(len(prompt.ids) for prompt in prompts)
        ids = np.full((len(prompts), length), tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            start = length - len(prompt.ids)
            ids[row, start:], mask[row, start:] = prompt.ids, 1
        media: dict[str, list[npt.NDArray[Any]]] = {}
        for prompt in prompts:
            for key, value in prompt.media.items():
                media.setdefault(key, []).append(value)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if prompts[0].rotary is not None:
            # As in training; answers count on from the last of each. transformers would count a picture's tokens as text.
            positions = np.repeat((mask.cumsum(1) - 1).clip(0)[None], 4, 0)
            for row, prompt in enumerate(prompts):
                assert prompt.rotary is not None
                positions[1:, row, length - len(prompt.ids) :] = prompt.rotary
            inputs["position_ids"] = positions
        inputs |= {key: np.concatenate(values) for key, values in media.items()}
        with torch.inference_mode():
            made = vlm.generate(
                **{key: _moved(value, first) for key, value in inputs.items()},
                max_new_tokens=most,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=tokenizer.pad_token_id,
            )
        return [row.astype(np.int64) for row in made[:, length:].cpu().numpy()]

    def _text(self, said: npt.NDArray[np.int64]) -> str:
        """An answer up to its end."""
        found: str = self.encoder.tokenizer.decode(
            self._said(said), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return found

    def _said(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        stop = (ids == self._end()).nonzero()[0]
        return ids[: stop[0]] if len(stop) else ids

    def _answered(
        self,
        samples: Sequence[Sample],
        root: str | None,
        prompts: Sequence[_Prompt],
        said: Sequence[npt.NDArray[np.int64]],
    ) -> list[Answer]:
        """The texts up to their end, and the masks for their ``[SEG]``: these conversations run through the model once more."""
        import numpy as np

        said = [self._said(one) for one in said]
        counts = [int((one == self.network.seg_id).sum()) if self.draws else 0 for one in said]
        with_masks = [k for k, count in enumerate(counts) if count]
        drawn = dict(
            zip(
                with_masks,
                self._drawn([(samples[k], prompts[k], said[k]) for k in with_masks], root),
                strict=True,
            )
        )
        found = []
        for k, (sample, one) in enumerate(zip(samples, said, strict=True)):
            size = _size(sample, root) if self.draws and k not in drawn else (0, 0)
            none = np.zeros((0, *size), np.uint8), np.zeros(0, np.float32)
            found.append(Answer(self._text(one), *drawn.get(k, none)))
        return found

    def _drawn(
        self, said: Sequence[tuple[Sample, _Prompt, npt.NDArray[np.int64]]], root: str | None
    ) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
        """The masks (N, H, W) of every answer, and their scores (N,)."""
        import numpy as np
        import torch

        if not said:
            return []
        from mmtrain.data.collate import padded
        from mmtrain.heads.mask_losses import resized

        rows, pictures = [], []
        for sample, prompt, ids in said:
            if len(sample.media) != 1 or sample.media[0].kind != "image":
                raise DataError(
                    f"masks are drawn on one picture, the conversation has {len(sample.media)} media"
                )
            pictures.append(load_rgb(media_path(sample.media[0].paths[0], root)))
            rows.append(self.encoder.row(np.concatenate([prompt.ids, ids]), prompt.media))
        first = next(self.network.parameters())
        batch = padded(rows, None, "token", self.encoder.tokenizer.pad_token_id or 0)
        inputs = batch.to(first.device, first.dtype).inputs
        pixels = np.stack([self.encoder.pictures.pixels(picture) for picture in pictures])
        counts = (inputs["input_ids"] == self.network.seg_id).sum(1)
        found = []
        with torch.inference_mode():
            output = self.network(
                **inputs,
                mask_pixels=_moved(pixels, first),
                mask_counts=counts,
                logits_to_keep=torch.zeros(1, dtype=torch.long, device=first.device),
            )
            every = output.masks.split(counts.tolist())
            for masks, picture, (_, _, ids) in zip(every, pictures, said, strict=True):
                own = masks[len(masks) - int((ids == self.network.seg_id).sum()) :]
                logits = resized(own, (picture.height, picture.width))
                inside = logits > 0
                sums = (logits.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp_min(1)
                found.append((inside.cpu().numpy().astype(np.uint8), sums.cpu().numpy().astype(np.float32)))
        return found


def _moved(array: Any, like: Any) -> Any:
    import torch

    tensor = torch.from_numpy(array)
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype)


def _size(sample: Sample, root: str | None) -> tuple[int, int]:
    if len(sample.media) != 1 or sample.media[0].kind != "image":
        return 0, 0
    width, height = header_size(media_path(sample.media[0].paths[0], root))
    return height, width


def load(directory: str | Path, *, dtype: Precision | None = None, device: str | None = None) -> Model:
    """Load a directory that `mmtrain export` wrote.

    Args:
        directory: of the model.
        dtype: of weights and activations; None: fp32 on a CPU, bf16 elsewhere.
        device: as torch names it; None: the first GPU if there is one.

    Raises:
        UsageError: it is no such directory, or something in it is missing.
    """
    import torch

    from mmtrain.export import DESCRIPTION
    from mmtrain.settings import from_plain

    path = Path(directory)
    try:
        told = json.loads((path / DESCRIPTION).read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"{path}: {DESCRIPTION} is missing; expected a directory that `mmtrain export` wrote"
        ) from None
    except ValueError as error:
        raise UsageError(f"{path / DESCRIPTION}: not JSON: {error}") from None
    try:
        settings = from_plain({"model": str(path), "output_dir": "", "train": (), **told})
        recipe: Any = import_module(f"mmtrain.recipes.{settings.recipe}")
    except (TypeError, ModuleNotFoundError) as error:
        raise UsageError(f"{path / DESCRIPTION}: {error}") from None
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    name = dtype or ("fp32" if where.type == "cpu" else "bf16")
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    encoder = recipe.make_encoder(settings)
    return Model(settings.recipe, recipe.load(path, kind).to(where), encoder)
