"""`Task`: one source and how it is to be converted."""

from __future__ import annotations

from dataclasses import dataclass

from mmdata.containers import Container, all_containers
from mmdata.converting.targets import BY_KIND, target
from mmdata.encoding import EncodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker must know to convert the records of one source.

    Attributes:
        number: of the source, in the order given.
        path: the source.
        source: name of its format.
        root: the directory that its trainer joins before media paths (InternVL's meta).
        listed_in: the mixture file that names it.
        to: the target's name.
        folder: where the output grows.
        base: absolute directory that paths in the output start from.
        output: absolute directory that the output will be.
        carry: add the carry.
        on_loss: ``"warn"`` or ``"error"``: reject a record that would lose something.
        media_files: ``"keep"``, ``"link"`` or ``"copy"``.
        options: for the encoders.
        kernels: use compiled loops, which numba must be there for.
        plan: nothing is written but what checks read, for a moment; no media files are brought along.
    """

    number: int
    path: str
    source: str
    root: str | None
    listed_in: str | None
    to: str
    folder: str
    base: str
    output: str
    carry: bool
    on_loss: str
    media_files: str
    options: EncodeOptions
    kernels: bool = False
    plan: bool = False

    @property
    def between(self) -> bytes:
        """What stands between two records of the target's files."""
        return b",\n" if self.array else b"\n"

    @property
    def array(self) -> bool:
        """The target's files are JSON arrays; else one record a line."""
        format = target(self.to)[0]
        return self.packed is None and format.container != "jsonl" and not format.lines

    @property
    def format(self) -> str:
        """The format of the records written."""
        return target(self.to)[0].name

    @property
    def packed(self) -> Container | None:
        """The container that is no text in which the target's files lie; its records wait as JSON Lines until the end."""
        return all_containers().get(target(self.to)[0].container)

    @property
    def by_kind(self) -> bool:
        """Each kind of record has a file of its own."""
        format = target(self.to)[0]
        return format.name in BY_KIND or format.listing is not None


__all__ = ["Task"]
