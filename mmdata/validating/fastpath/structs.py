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
        other: keys of a turn that another spelling reads; a turn must have none of them.
        content: what a turn holds under the key of its text: a msgspec type.
    """

    keys: TurnKeys
    lists: frozenset[str]
    columns: Mapping[str, str | None]
    other: frozenset[str] = frozenset()
    content: Any = str

    def key_of(self, field: str) -> str | None:
        """The key of a field that is no list of turns."""
        return self.columns.get(field) if self.columns else field


def turn_model(model: type[BaseModel], *lists: str) -> type[BaseModel]:
    """The type of the turns of a record type: of the first of these fields that it has.

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
        turns = self._turns(turn_model(model, spelling.keys.turns, *sorted(spelling.lists)), spelling)
        limits = {"min_length": 1}
        if spelling.keys.turns in model.model_fields:
            listing = model.model_fields[spelling.keys.turns]
            for item in (*listing.metadata, *_metadata(listing.annotation)):
                if not getattr(item, "absent_not_null", False):
                    limits |= _limits(item)
        listed = Annotated[list[turns], msgspec.Meta(**limits)]  # type: ignore[valid-type]
        fields: list[Any] = [("conversations", listed)]
        rename = {"conversations": spelling.keys.turns}
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

    def _turns(self, model: type[BaseModel], spelling: Spelling) -> type[Struct]:
        """The struct of a turn: its role and text as `from_` and `value`, and what else the type has."""
        keys = spelling.keys
        fields: dict[str, Any] = {"from_": str, "value": spelling.content}
        rename = {"from_": keys.role, "value": keys.text}
        more: list[Any] = []
        for name, info in model.model_fields.items():
            key = info.alias or name
            if key in (keys.role, keys.text):
                own = "from_" if key == keys.role else "value"
                if own == "from_" or spelling.content is str:
                    fields[own] = self._said(info)
            elif key not in spelling.other:
                kind = self.field(info)
                more.append(
                    (f"more_{name}", kind)
                    if info.is_required()
                    else (f"more_{name}", kind | UnsetType, UNSET)
                )
                rename[f"more_{name}"] = key
        return self._define(model.__name__, sorted([*fields.items(), *more], key=len), rename)

    def _said(self, info: FieldInfo) -> Any:
        """The type of a field that holds a string, without null.

        Raises:
            UnsupportedType: it holds something else.
        """
        kinds = [kind for kind in _members(info.annotation) if kind is not type(None)]
        kept = [item for item in info.metadata if not getattr(item, "absent_not_null", False)]
        plain = [kind for kind in kinds if kind is str or get_origin(kind) in (Annotated, Literal)]
        if len(kinds) != 1 or not plain:
            raise UnsupportedType(f"no string: {info.annotation!r}")
        return self.annotated(kinds[0], kept)

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


def _metadata(kind: Any) -> tuple[Any, ...]:
    """The constraints inside a type that may be null."""
    return tuple(
        item for member in _members(kind) if get_origin(member) is Annotated for item in get_args(member)[1:]
    )


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
