"""From a pydantic record type to the msgspec struct that decodes and type-checks a record in one pass."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import typing_extensions
from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen
from msgspec import UNSET, Struct, UnsetType
from pydantic import BaseModel
from pydantic.fields import FieldInfo

SMALLEST_INT, LARGEST_INT = -(1 << 63), (1 << 63) - 1
"""Integers that every JSON reader takes; larger ones may be a finding (R03), so the fast path declines them."""

_SCALAR = Annotated[int, msgspec.Meta(ge=SMALLEST_INT, le=LARGEST_INT)] | str | float | bool | None


class UnsupportedType(TypeError):
    """A record type uses something of which no msgspec decoder can be generated."""


def struct_of(model: type[BaseModel], extra: Mapping[str, Mapping[str, bool]] | None = None) -> type[Struct]:
    """The msgspec struct that accepts a subset of what a pydantic model accepts, in strict JSON mode.

    Args:
        model: the pydantic type; only declarative constraints are understood.
        extra: unknown keys to let through: model name -> key -> whether its values are scalars (else any JSON value).

    Raises:
        UnsupportedType: a field's type cannot be expressed.
    """
    return _Converter(extra or {}).struct(model)


class _Converter:
    def __init__(self, extra: Mapping[str, Mapping[str, bool]]) -> None:
        self.extra = extra
        self.done: dict[type[BaseModel], type[Struct]] = {}

    def struct(self, model: type[BaseModel]) -> type[Struct]:
        if model in self.done:
            return self.done[model]
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for name, info in model.model_fields.items():
            rename[name] = info.alias or name
            kind = self.field(info)
            fields.append((name, kind) if info.is_required() else (name, kind | UnsetType, UNSET))
        for number, (key, simple) in enumerate(self.extra.get(model.__name__, {}).items()):
            rename[f"extra_{number}"] = key
            fields.append((f"extra_{number}", _SCALAR if simple else Any, UNSET))
        fields.sort(key=len)
        struct = msgspec.defstruct(
            model.__name__, fields, rename=rename, forbid_unknown_fields=True, gc=False
        )
        self.done[model] = struct
        return struct

    def field(self, info: FieldInfo) -> Any:
        return self.annotated(info.annotation, info.metadata)

    def annotated(self, kind: Any, metadata: Iterable[Any]) -> Any:
        limits: dict[str, Any] = {}
        absent = False
        for item in metadata:
            if getattr(item, "absent_not_null", False):
                absent = True
            else:
                limits.update(_limits(item))
        if absent:
            members = [m for m in _members(kind) if m is not type(None)]
            result = self.union(members)
        elif kind is int:
            result, limits = int, {"ge": SMALLEST_INT, "le": LARGEST_INT, **limits}
        else:
            result = self.convert(kind)
        return Annotated[result, msgspec.Meta(**limits)] if limits else result

    def convert(self, kind: Any) -> Any:
        if isinstance(kind, typing_extensions.TypeAliasType):
            return self.convert(kind.__value__)
        origin, args = get_origin(kind), get_args(kind)
        if isinstance(origin, typing_extensions.TypeAliasType):
            parameters = dict(zip(origin.__type_params__, args, strict=True))
            return self.convert(_substitute(origin.__value__, parameters))
        if kind is int:
            return Annotated[int, msgspec.Meta(ge=SMALLEST_INT, le=LARGEST_INT)]
        if kind is Any or kind in (str, float, bool, type(None)):
            return None if kind is type(None) else kind
        if origin is Annotated:
            return self.annotated(args[0], args[1:])
        if origin in (Union, types.UnionType):
            return self.union(args)
        if origin is Literal:
            return kind
        if origin is list:
            return list[self.convert(args[0])]  # type: ignore[misc]
        if origin is dict and args[0] is str:
            return dict[str, self.convert(args[1])]  # type: ignore[misc]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self.struct(kind)
        raise UnsupportedType(f"no msgspec type for {kind!r}")

    def union(self, members: Iterable[Any]) -> Any:
        converted = [self.convert(member) for member in members]
        return converted[0] if len(converted) == 1 else Union[tuple(converted)]  # noqa: UP007 - built at run time


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _substitute(kind: Any, parameters: Mapping[Any, Any]) -> Any:
    if kind in parameters:
        return parameters[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated[(_substitute(args[0], parameters), *args[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(_substitute(a, parameters) for a in args)]  # noqa: UP007
    return kind


def _limits(item: Any) -> dict[str, Any]:
    """A pydantic constraint in msgspec's words."""
    if isinstance(item, Len):
        return {
            "min_length": item.min_length,
            **({} if item.max_length is None else {"max_length": item.max_length}),
        }
    for kind, word in (
        (MinLen, "min_length"),
        (MaxLen, "max_length"),
        (Ge, "ge"),
        (Gt, "gt"),
        (Le, "le"),
        (Lt, "lt"),
    ):
        if isinstance(item, kind):
            return {word: getattr(item, word)}
    if isinstance(item, FieldInfo):
        return {key: value for part in item.metadata for key, value in _limits(part).items()}
    if item.__class__.__module__.startswith("pydantic") and getattr(item, "__dict__", None) in (
        {},
        {"strict": True},
    ):
        return {}
    raise UnsupportedType(f"no msgspec constraint for {item!r}")
