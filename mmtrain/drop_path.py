"""Drop path (stochastic depth): while training, branches of vision layers are left out at random, picture by picture.

As InternVL's own encoder does it (``--drop_path_rate``): layer k of n leaves each of its two branches, attention and MLP, out
with a probability that grows evenly from 0 to the rate; what stays is scaled up, so that the mean is the same.
transformers' native classes have no such thing: it is put on as forward hooks, which change no weight and no name.
"""

from __future__ import annotations

import re
from typing import Any

from mmdata.errors import UsageError
from mmtrain.families import family_of


def add_drop_path(model: Any, rate: float) -> list[float]:
    """Make the vision layers of a model drop their branches while it trains.

    Args:
        model: a Hugging Face model, before adapters wrap it.
        rate: of the last layer, 0 <= rate < 1.

    Returns:
        The rate of each layer.

    Raises:
        UsageError: the family's encoder has no branches that can be left out picture by picture.
    """
    family = family_of(model.config.model_type)
    if family.branches is None:
        raise UsageError(f"vision.drop_path_rate: {family.name} has none; leave it out")
    found = [
        (int(m[1]), module)
        for name, module in model.named_modules()
        if (m := re.search(family.branches, name))
    ]
    last = max(number for number, _ in found)
    rates = [rate * number / last if last else 0.0 for number in range(last + 1)]
    for number, module in found:
        if rates[number]:
            module.register_forward_hook(_dropping(rates[number]))
    return rates


def _dropping(rate: float) -> Any:
    def hook(module: Any, _: Any, output: Any) -> Any:
        if not module.training:
            return output
        hidden = output[0] if isinstance(output, tuple) else output
        shape = (hidden.shape[0], *[1] * (hidden.ndim - 1))
        kept = hidden.new_empty(shape).bernoulli_(1 - rate).div_(1 - rate)
        dropped = hidden * kept
        return (dropped, *output[1:]) if isinstance(output, tuple) else dropped

    return hook
