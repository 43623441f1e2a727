"""What this machine has of what training needs: libraries with their versions, devices; nothing is imported twice."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

DISTRIBUTION = "mmdata-mmtrain"


@dataclass(frozen=True, slots=True)
class Library:
    """One library of the extra ``train``.

    Attributes:
        name: the distribution's name.
        wanted: the range that mmtrain asks for.
        installed: the version found, or None.
        fits: whether the version lies in the range.
    """

    name: str
    wanted: str
    installed: str | None
    fits: bool


@dataclass(slots=True)
class Environment:
    """The machine: Python, libraries, accelerators (empty where torch is missing or sees none)."""

    python: str
    libraries: list[Library]
    devices: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether every library is there in a version that fits."""
        return all(library.fits for library in self.libraries)


def look() -> Environment:
    """Look at this machine. Imports torch if it is installed, to ask for its devices."""
    wanted = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    libraries = [
        _library(r)
        for r in wanted
        if r.marker is not None
        and r.marker.evaluate({"extra": "train"})
        and not r.marker.evaluate({"extra": ""})
    ]
    installed = {library.name for library in libraries if library.installed}
    return Environment(platform.python_version(), libraries, _devices() if "torch" in installed else [])


def _library(requirement: Requirement) -> Library:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Library(requirement.name, str(requirement.specifier), None, False)
    return Library(
        requirement.name,
        str(requirement.specifier),
        found,
        requirement.specifier.contains(found, prereleases=True),
    )


def _devices() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
