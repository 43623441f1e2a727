"""Where in a model of transformers the features lie that regions are pooled from, family by family.

One `View` a model type: adding a family is adding one here, and ``canvases`` to its media encoder
(`mmtrain.data.regions_canvas`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class View:
    """How to look at a family's vision encoder while the model runs.

    Attributes:
        module: of the vision-language model (its ``.model``), which is watched.
        enters: whether what enters the module is taken; else what leaves it.
        flat: (tensor or output that was taken, the model's inputs, its config) -> features (N, C), in the order of the inputs.
        width: of its features, C, from the model's config.
    """

    module: Callable[[Any], Any]
    enters: bool
    flat: Callable[[Any, Mapping[str, Any], Any], torch.Tensor]
    width: Callable[[Any], int]


def _internvl(output: Any, inputs: Mapping[str, Any], config: Any) -> torch.Tensor:
    del inputs, config
    tokens: torch.Tensor = output.last_hidden_state
    return tokens[:, 1:].flatten(0, 1)  # the first position is the class token's


def _qwen2(output: Any, inputs: Mapping[str, Any], config: Any) -> torch.Tensor:
    del inputs, config
    found: torch.Tensor = output.last_hidden_state
    return found


def _qwen2_5(output: Any, inputs: Mapping[str, Any], config: Any) -> torch.Tensor:
    """The encoder hands its patches out window by window; the order of the inputs is that of its merged tokens."""
    import torch
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as model

    vision = config.vision_config
    order, _ = model.get_vision_window_index(  # type: ignore[attr-defined]
        inputs["image_grid_thw"],
        spatial_merge_size=vision.spatial_merge_size,
        window_size=vision.window_size,
        patch_size=vision.patch_size,
        kwargs={},
    )
    tokens: torch.Tensor = output.last_hidden_state
    merged = vision.spatial_merge_size**2
    squares = tokens.reshape(len(tokens) // merged, merged, -1)
    return squares[torch.argsort(order.to(tokens.device))].flatten(0, 1)


def _llava(entered: Any, inputs: Mapping[str, Any], config: Any) -> torch.Tensor:
    """What the projector takes: of the layer that the config names, every patch of every tile."""
    del inputs, config
    tokens: torch.Tensor = entered
    return tokens.flatten(0, 1)


def _llava_width(config: Any) -> int:
    layers = config.vision_feature_layer
    return int(config.vision_config.hidden_size) * (1 if isinstance(layers, int) else len(layers))


VIEWS: dict[str, View] = {
    "internvl": View(lambda m: m.vision_tower, False, _internvl, lambda c: int(c.vision_config.hidden_size)),
    "qwen2_vl": View(lambda m: m.visual, False, _qwen2, lambda c: int(c.vision_config.embed_dim)),
    "qwen2_5_vl": View(lambda m: m.visual, False, _qwen2_5, lambda c: int(c.vision_config.hidden_size)),
    "llava_onevision": View(lambda m: m.multi_modal_projector, True, _llava, _llava_width),
}
"""By ``model_type``."""


@contextmanager
def watched(view: View, model: Any) -> Iterator[list[Any]]:
    """A list that fills with what `View.module` takes in or gives out while the model runs."""
    found: list[Any] = []
    module = view.module(model)
    if view.enters:
        handle = module.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    else:
        handle = module.register_forward_hook(lambda *seen: found.append(seen[-1]))
    try:
        yield found
    finally:
        handle.remove()


@contextmanager
def changed(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """The first ``inputs_embeds`` that enter a module, changed on their way."""
    left = [change]

    def hook(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if left:
            kwargs = {**kwargs, "inputs_embeds": left.pop()(kwargs["inputs_embeds"])}
        return args, kwargs

    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
