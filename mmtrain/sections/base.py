"""What all parts of a config share: strictness, numbers with limits, how a part of a model is tuned."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MOST = 2**32 - 1
"""Largest number of a config: seeds, counts of samples, steps and pixels fit wherever they are carried."""


def _number(value: Any) -> Any:
    """`true` is no number, it would count as 1; and none is larger than what libraries carry."""
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"expected at most {MOST}, got a number of {len(str(value))} digits")
    return value


NUMBER = BeforeValidator(_number)
Positive: TypeAlias = Annotated[int, Field(ge=1), NUMBER]
Count: TypeAlias = Annotated[int, Field(ge=0), NUMBER]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1), NUMBER]
Rate: TypeAlias = Annotated[float, Field(gt=0, lt=1), NUMBER]
Weight: TypeAlias = Annotated[float, Field(ge=0), NUMBER]


class Strict(BaseModel):
    """No unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


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
