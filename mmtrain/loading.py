"""An exported directory as something to ask: ``mmtrain.load(DIR).answer(image, question)``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmdata.errors import DataError, UsageError
from mmtrain.data.encode import media_path
from mmtrain.data.pictures import header_size, load_rgb
from schemas.sample import (
    Media,
    MediaPart,
    Part,
    RegionPart,
    RLEMask,
    Sample,
    SampleObject,
    SampleTurn,
    TextPart,
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
        parts, objects = _pointed(question, regions)
        if objects and self.recipe != "regions":
            raise DataError(f"a model of the recipe {self.recipe} takes no regions; expected one of regions")
        turn = SampleTurn("user", [MediaPart(0), *parts])
        sample = Sample([turn], media=[Media("image", [image])], objects=objects)
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
        import torch

        prompt, _ = self._prompt(sample, root, None)
        tokenizer = self.encoder.tokenizer
        vlm = self.network.vlm if self.draws else self.network
        with torch.inference_mode():
            made = vlm.generate(
                **prompt,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=self._end(),
                pad_token_id=tokenizer.pad_token_id,
            )
        return self._answered(sample, root, prompt, made[:, prompt["input_ids"].shape[1] :])

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
        import torch

        tokenizer, end = self.encoder.tokenizer, self._end()
        vlm = self.network.vlm if self.draws else self.network
        prompts = [self._prompt(sample, root, None)[0] for sample in samples]
        length = max(prompt["input_ids"].shape[1] for prompt in prompts)
        padded: dict[str, list[Any]] = {}
        for prompt in prompts:
            missing = length - prompt["input_ids"].shape[1]
            for key, value in prompt.items():
                if key in ("input_ids", "attention_mask"):
                    fill = tokenizer.pad_token_id if key == "input_ids" else 0
                    value = torch.nn.functional.pad(value, (missing, 0), value=fill)
                padded.setdefault(key, []).append(value)
        with torch.inference_mode():
            made = vlm.generate(
                **{key: torch.cat(values) for key, values in padded.items()},
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=tokenizer.pad_token_id,
            )
        found = []
        for row in made[:, length:].tolist():
            said = row[: row.index(end)] if end in row else row
            found.append(
                tokenizer.decode(said, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            )
        return found

    def follow(self, sample: Sample, number: int, *, root: str | None = None) -> Answer:
        """The model's masks for an answer that is given: its text is taken as said.

        Args:
            sample: with the answer; masks are drawn on its one picture.
            number: of the turn with the answer; what follows it is left out.
            root: directory that relative media paths start from.

        Raises:
            DataError: it cannot be encoded, or there is not one picture.
        """
        before = replace(sample, turns=sample.turns[:number])
        prompt, said = self._prompt(before, root, sample.turns[number])
        return self._answered(sample, root, prompt, said)

    def _end(self) -> int:
        """The token that ends an answer."""
        text = self.encoder.template.end
        return int(self.encoder.tokenizer.encode(text, add_special_tokens=False)[0])

    def _prompt(
        self, sample: Sample, root: str | None, answer: SampleTurn | None
    ) -> tuple[dict[str, Any], Any]:
        """Inputs up to where the answer begins, and the ids of the answer, (1, A)."""
        ids, said, media = self.encoder.prompt(sample, root, answer)
        first = next(self.network.parameters())
        inputs = {"input_ids": ids[None], "attention_mask": (ids >= 0).astype("int64")[None], **media}
        return {key: _moved(value, first) for key, value in inputs.items()}, _moved(said[None], first)

    def _answered(self, sample: Sample, root: str | None, prompt: dict[str, Any], said: Any) -> Answer:
        """The text up to its end, and the masks for its ``[SEG]``: the conversation runs through the model once more."""
        import numpy as np
        import torch

        stop = torch.nonzero(said[0] == self._end())[:, 0]
        if len(stop):
            said = said[:, : int(stop[0])]
        text = self.encoder.tokenizer.decode(
            said[0], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        count = int((said == self.network.seg_id).sum()) if self.draws else 0
        if not count:
            size = _size(sample, root) if self.draws else (0, 0)
            return Answer(text, np.zeros((0, *size), np.uint8), np.zeros(0, np.float32))
        from mmtrain.heads.mask_losses import resized

        if len(sample.media) != 1 or sample.media[0].kind != "image":
            raise DataError(f"masks are drawn on one picture, the conversation has {len(sample.media)} media")
        first = next(self.network.parameters())
        picture = load_rgb(media_path(sample.media[0].paths[0], root))
        pixels = _moved(self.encoder.pictures.pixels(picture)[None], first)
        ids = torch.cat([prompt["input_ids"], said], dim=1)
        earlier = int((prompt["input_ids"] == self.network.seg_id).sum())
        with torch.inference_mode():
            output = self.network(
                **{**prompt, "input_ids": ids, "attention_mask": torch.ones_like(ids)},
                mask_pixels=pixels,
                mask_counts=torch.tensor([earlier + count], device=ids.device),
                logits_to_keep=torch.zeros(1, dtype=torch.long, device=ids.device),
            )
            logits = resized(output.masks[earlier:], (picture.height, picture.width))
            masks = logits > 0
            sums = (logits.sigmoid() * masks).sum((1, 2)) / masks.sum((1, 2)).clamp_min(1)
        return Answer(text, masks.cpu().numpy().astype(np.uint8), sums.cpu().numpy().astype(np.float32))


def _pointed(
    question: str, regions: Sequence[npt.NDArray[np.uint8]]
) -> tuple[list[Part], list[SampleObject]]:
    """A question in parts, the k-th ``<region>`` being the k-th mask; without masks it is text as it stands."""
    from mmdata import masks

    if not regions:
        return [TextPart(question)], []
    first, *rest = question.split("<region>")
    if len(rest) != len(regions):
        raise DataError(f"{len(rest)} <region> in the question for {len(regions)} masks")
    parts: list[Part] = [TextPart(first)]
    objects = []
    for number, (mask, text) in enumerate(zip(regions, rest, strict=True)):
        rle = masks.encode(mask)
        objects.append(SampleObject({"": RLEMask((int(mask.shape[0]), int(mask.shape[1])), rle["counts"])}))
        parts += [RegionPart(number), TextPart(text)]
    return parts, objects


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
