"""Read, validate, convert and look at vision-language fine-tuning data exactly as the trainers read it.

Everything public is reachable from here and imported on first use::

    import mmdata

    ds = mmdata.open("train.jsonl")          # lazily read data set of typed records
    report = mmdata.validate("train.jsonl")  # the same content as `mmdata validate --output-format json`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmdata.converting.conversion import Conversion as Conversion
    from mmdata.converting.conversion import convert as convert
    from mmdata.dataset import Dataset as Dataset
    from mmdata.dataset import open as open  # noqa: A004 - the public name is meant to read mmdata.open
    from mmdata.detection import Detection as Detection
    from mmdata.detection import detect as detect
    from mmdata.errors import MMDataError as MMDataError
    from mmdata.errors import UsageError as UsageError
    from mmdata.finding import Finding as Finding
    from mmdata.mixing.mixture import Mixture as Mixture
    from mmdata.options import Options as Options
    from mmdata.report import Report as Report
    from mmdata.validating.validation import validate as validate

__version__ = "0.1.0"

_HOMES = {
    "Conversion": "mmdata.converting.conversion",
    "Dataset": "mmdata.dataset",
    "Detection": "mmdata.detection",
    "Finding": "mmdata.finding",
    "MMDataError": "mmdata.errors",
    "Mixture": "mmdata.mixing.mixture",
    "Options": "mmdata.options",
    "Report": "mmdata.report",
    "UsageError": "mmdata.errors",
    "convert": "mmdata.converting.conversion",
    "detect": "mmdata.detection",
    "open": "mmdata.dataset",
    "validate": "mmdata.validating.validation",
}

__all__ = [
    "Conversion",
    "Dataset",
    "Detection",
    "Finding",
    "MMDataError",
    "Mixture",
    "Options",
    "Report",
    "UsageError",
    "__version__",
    "convert",
    "detect",
    "masks",
    "open",
    "schemas",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name == "schemas":
        value = import_module("schemas")
    elif name == "masks":
        value = import_module("mmdata.masks")
    else:
        raise AttributeError(f"module 'mmdata' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
