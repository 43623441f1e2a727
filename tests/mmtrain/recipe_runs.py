"""What the tests of the recipes beside chat share: how a model is built of settings, one batch, and what a run told."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

ZERO: dict[int, dict[str, Any]] = {stage: {"zero_optimization": {"stage": stage}} for stage in (0, 1, 2, 3)}
ZERO[3]["zero_optimization"]["stage3_param_persistence_threshold"] = 0  # every weight is cut and gathered

LORA = {"language": {"tuning": "lora"}, "vision": {"tuning": "frozen"}, "lora": {"dropout": 0.0, "r": 4}}
FROZEN = {"tuning": "frozen"}

RUN = {
    "max_length": 256,
    "max_steps": 3,
    "learning_rate": 1e-3,
    "dtype": "fp32",
    "dataloader_num_workers": 0,
    "report_to": [],
    "save_steps": 0,
}
"""Of every short run: float32, no workers, no boards."""


def built(settings: dict[str, Any]) -> tuple[Any, Any]:
    """The model and the encoder of settings."""
    from mmtrain.settings import from_plain

    made = from_plain(settings)
    recipe = import_module(f"mmtrain.recipes.{made.recipe}")
    encoder = recipe.make_encoder(made)
    return recipe.make_model(made, encoder.tokenizer), encoder


def batch_of(
    encoder: Any, settings: dict[str, Any], places: list[tuple[int, int]], packing: bool = True
) -> Any:
    """A batch of (source, record) pairs of the settings' training files."""
    from mmtrain.data.loader import Batches
    from mmtrain.data.sources import Reader
    from mmtrain.settings import from_plain

    reader = Reader(from_plain(settings).train, encoder, max_length=settings["max_length"])
    make = Batches(reader, packing=packing, filler=True, reduction="token", stop=True)
    return make.collate([reader.encode(*place) for place in places])


def learned(model: Any, batch: Any, recipe: Any) -> set[str]:
    """Names of the weights that get a gradient from a batch."""
    terms = recipe.loss(model.train(), batch)
    sum(term.total * term.weight for term in terms.values()).backward()
    return {
        name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)
    }


def losses(result: dict[str, Any], *names: str) -> list[tuple[float, ...]]:
    """Of every logged step of a run what stands under these names."""
    assert "error" not in result, result
    return [tuple(entry[name] for name in names) for entry in result["log"] if "loss" in entry]


def goes_on_after_a_kill(launch: Any, whole: dict[str, Any], cut: dict[str, Any], folder: Path) -> None:
    """Two ranks killed after step 5 and started again end as a run that nobody killed; both save every second step."""
    start, finish = launch
    killed = start([{**cut, "kill_after": 5}], folder / "killed", 2)
    killed.communicate(timeout=900)
    assert killed.returncode != 0
    expected, resumed = finish(start([whole, cut], folder / "resumed", 2), folder / "resumed", 900)
    assert resumed["first_step"] == 4
    assert len([one for one in resumed["log"] if "loss" in one]) == cut["max_steps"]
    for told in (expected, resumed):
        assert "error" not in told, told
    names = [name for name in expected["log"][0] if name.startswith("loss")]
    assert losses(resumed, *names) == losses(expected, *names)
    assert resumed["order_hash"] == expected["order_hash"]
