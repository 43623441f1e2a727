"""What all parts of a config share: strictness, numbers with limits, how a part of a model is tuned."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Positive: TypeAlias = Annotated[int, Field(ge=1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Rate: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Weight: TypeAlias = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """No unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Part(Strict):
    """How one part of the model is tuned."""

    tuning: Literal["full", "frozen", "lora"] = "full"
    """Every weight, none, or low-rank adapters."""
    learning_rate: Rate | None = None
    """Of this part; the run's if left out."""


class Head(Strict):
    """How a part beside the language model is tuned."""

    tuning: Literal["full", "frozen"] = "full"
    """Every weight, or none."""
    learning_rate: Rate | None = None
    """Of this part; the run's if left out."""
