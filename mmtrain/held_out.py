"""The loss over held-out files, during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmtrain.data.encode import Encoded
from mmtrain.data.loader import Batches
from mmtrain.data.mixing import mixture
from mmtrain.data.sources import BadSample, Reader
from mmtrain.ranks import summed

if TYPE_CHECKING:
    from mmtrain.data.encode import Encoder
    from mmtrain.losses import Term
    from mmtrain.settings import Settings


def evaluate(settings: Settings, recipe: Any, encoder: Encoder, engine: Any) -> dict[str, float]:
    """``loss`` over the held-out files, each term a mean over its units; every rank takes its part.

    A recipe of several terms gets each of them by name; what has no weight in the loss goes to its ``summary``.

    Args:
        settings: its `eval` files.
        recipe: module that knows the loss.
        encoder: makes tensors of samples.
        engine: DeepSpeed's; it trains again afterwards.

    Raises:
        DataError: a held-out sample cannot be used.
    """
    import torch
    import torch.distributed as dist

    s, rank, world = settings, dist.get_rank(), dist.get_world_size()
    device, dtype = engine.device, next(engine.module.parameters()).dtype
    reader = Reader(s.eval, encoder, max_length=s.max_length)
    make = Batches(reader, packing=s.packing, filler=True, reduction="token", stop=True)
    places = mixture(s.eval).plan(shuffle=False)
    each = s.per_device_eval_batch_size
    a_round = each * world
    totals: dict[str, Any] = {}
    terms: dict[str, Term] = {}
    counts = {unit: torch.zeros((), dtype=torch.float64) for unit in recipe.UNITS}
    engine.eval()
    with torch.no_grad():
        for start in range(0, len(places), a_round):
            own = places[start + rank * each : start + (rank + 1) * each]
            batch = make.collate([_usable(reader.encode(*draw)) for draw in own])
            batch = batch.to(device, dtype)
            terms = recipe.loss(engine, batch)
            for name, term in terms.items():
                totals[name] = totals.get(name, 0.0) + term.total.double()
            for unit in counts:
                counts[unit] += batch.counts.get(unit, 0.0)
    engine.train()
    count = summed({unit: one.to(device) for unit, one in counts.items()})
    means = {name: total / max(count[terms[name].unit], 1e-12) for name, total in summed(totals).items()}
    loss = sum(mean * terms[name].weight for name, mean in means.items())
    if len(means) == 1:
        return {"loss": loss}
    summary = recipe.summary(means) if hasattr(recipe, "summary") else {}
    told = {f"loss_{name}": mean for name, mean in means.items() if terms[name].weight}
    return {"loss": loss, **told, **summary}


def _usable(one: Encoded | BadSample) -> Encoded:
    if isinstance(one, BadSample):
        raise DataError(str(one))
    return one
