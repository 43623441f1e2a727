"""From a pydantic record type to the msgspec struct that decodes and type-checks a record in one pass."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import typing_extensions
from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen
from msgspec import UNSET, Struct, UnsetType
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mmdata.format import TurnKeys

SMALLEST_INT, LARGEST_INT = -(1 << 63), (1 << 63) - 1
"""Integers that every JSON reader takes; larger ones may be a finding (R03), so the fast path declines them."""

_SCALAR = Annotated[int, msgspec.Meta(ge=SMALLEST_INT, le=LARGEST_INT)] | str | float | bool | None


class UnsupportedType(TypeError):
    """A record type uses something of which no msgspec decoder can be generated."""


def struct_of(
    model: type[BaseModel],
    extra: Mapping[str, Mapping[str, bool]] | None = None,
    spelling: Spelling | None = None,
) -> type[Struct]:
    """The msgspec struct that accepts a subset of what a pydantic model accepts, in strict JSON mode.

    Args:
        model: the pydantic type; only declarative constraints are understood.
        extra: unknown keys to let through: model name -> key -> whether its values are scalars (else any JSON value).
        spelling: where the turns lie, if not in `conversations` of the model; they become `conversations` of `from_` and
            `value` all the same.

    Raises:
        UnsupportedType: a field's type cannot be expressed.
        ValueError: two fields have one key, or a key is none that msgspec takes.
    """
    converter = _Converter(extra or {})
    return converter.struct(model) if spelling is None else converter.spelt(model, spelling)


@dataclass(frozen=True)
class Spelling:
    """Under which keys the records of one file keep what their type names.

    Attributes:
        keys: where the turns lie.
        lists: fields of the record type that are lists of turns; but the one of `keys` a record must have none of them.
        columns: field -> its key in the file, None where it is not read; empty: the names of the type.
        content: what a turn holds under the key of its text: a msgspec type.
    """

    keys: TurnKeys
    lists: frozenset[str]
    columns: Mapping[str, str | None]
    content: Any = str

    def key_of(self, field: str) -> str | None:
        """The key of a field that is no list of turns."""
        return self.columns.get(field) if self.columns else field


def turn_model(model: type[BaseModel], lists: Iterable[str]) -> type[BaseModel]:
    """The type of the turns of a record type.

    Raises:
        UnsupportedType: it has no such list.
    """
    for name in lists:
        kinds = [model.model_fields[name].annotation] if name in model.model_fields else []
        while kinds:
            kind = kinds.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return kind
            kinds += get_args(kind)
    raise UnsupportedType(f"{model.__name__} has no list of turns")


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
        fields.sort(key=len)
        struct = self.done[model] = self._define(model.__name__, fields, rename)
        return struct

    def spelt(self, model: type[BaseModel], spelling: Spelling) -> type[Struct]:
        """The struct of a record whose turns lie elsewhere than in `conversations`."""
        turn = turn_model(model, spelling.lists)
        keys = spelling.keys
        turns = self._define(
            turn.__name__,
            [("from_", str), ("value", spelling.content)],
            {"from_": keys.role, "value": keys.text},
        )
        some = Annotated[list[turns], msgspec.Meta(min_length=1)]  # type: ignore[valid-type]
        fields: list[Any] = [("conversations", some)]
        rename = {"conversations": keys.turns}
        for name, info in model.model_fields.items():
            key = spelling.key_of(name)
            if name in spelling.lists:
                continue
            rename[name] = info.alias or name if key is None else key
            # A key that is not read is still looked at by the record type: nobody may have it.
            kind = UnsetType if key is None else self.field(info) | UnsetType
            fields.append((name, kind, UNSET))
        if "id" not in model.model_fields:
            fields.append(("id", Any, UNSET))
        return self._define(model.__name__, fields, rename)

    def _define(self, name: str, fields: list[Any], rename: dict[str, str]) -> type[Struct]:
        """A struct, with the unknown keys that are let through."""
        for number, (key, simple) in enumerate(self.extra.get(name, {}).items()):
            rename[f"extra_{number}"] = key
            fields.append((f"extra_{number}", _SCALAR if simple else Any, UNSET))
        names = [rename.get(field[0], field[0]) for field in fields]
        if len(set(names)) != len(names):
            raise ValueError(f"two fields have one key: {names}")
        return msgspec.defstruct(name, fields, rename=rename, forbid_unknown_fields=True, gc=False)

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
