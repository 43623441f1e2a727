"""The fast path: a msgspec decoder and one flat function, both generated, that accept the ordinary record.

Two speeds, one truth. The pydantic record type says what a record is; from it `struct_of` builds a msgspec struct that
decodes and type-checks in one pass. The guards of the selected checks say when a record cannot have a finding; from
them `FastPath` writes one function that computes the facts they name in a single loop over the turns. A record that
decodes and satisfies every guard is accepted; every other record is *flagged*, and only flagged records see the check
bodies and pydantic. Wrongly flagging costs time; wrongly accepting would hide a finding, so everything here declines
when in doubt.

msgspec keeps the last of duplicate keys in silence. They are caught by counting quotation marks: in the bytes of an
accepted record stand exactly two for each key and each string that was decoded, besides escaped ones.
"""

from __future__ import annotations

import ast
import itertools
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import typing_extensions
from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen
from msgspec import UNSET, Struct, UnsetType
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mmdata.checks import markers
from mmdata.checks.facts import FACTS
from mmdata.checks.registry import Check
from mmdata.format import Format, MediaRef
from mmdata.options import Options

SMALLEST_INT, LARGEST_INT = -(1 << 63), (1 << 63) - 1
"""Integers that every JSON reader takes; larger ones may be a finding (R03), so the fast path declines them."""

_SCALAR = Annotated[int, msgspec.Meta(ge=SMALLEST_INT, le=LARGEST_INT)] | str | float | bool | None

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

MAX_LEARNED_KEYS = 64

_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `(.*)`( - at `\$(.*)`)?$", re.DOTALL)


class UnsupportedType(TypeError):
    """A record type uses something of which no msgspec decoder can be generated."""


# --- pydantic type -> msgspec struct -----------------------------------------------------------------------------------


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


# --- layouts: what follows from which keys a record has ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """What follows from a record's media keys and their types alone: kind, numbers, where the paths are."""

    kind: str
    n_images: int
    n_videos: int
    media: tuple[str, ...]
    empty_media: bool


def _shape(value: Any) -> Any:
    """What a `Layout` may depend on: whether a key is there, and where its strings are; None where that is not told.

    Formats read kinds and paths from keys and strings alone, so every number is like any other, and so is every list
    without a string.
    """
    if value is UNSET:
        return 0
    if type(value) is str:
        return 1 if value else 2
    if type(value) is list:
        strings = [type(v) is str for v in value]
        return 10 + len(value) if all(strings) and all(value) else None if any(strings) else 3 + (not value)
    return 5 if type(value) in (int, float, bool) else 6 if value is None else None


LAYOUT_FACTS = ("kind", "n_images", "n_videos", "empty_media")
"""The facts of `mmdata.checks.facts` that a layout gives."""


class Layouts:
    """`Layout` of a record by the shape of its media fields, worked out once a shape by the format's own functions."""

    def __init__(self, format: Format, fields: tuple[str, ...]) -> None:
        self.format = format
        self.fields = fields
        self.known: dict[Any, Layout] = {}

    def of(self, record: Struct) -> Layout:
        """The layout of a decoded record."""
        key = tuple([_shape(getattr(record, name)) for name in self.fields])
        layout = self.known.get(key)
        if layout is None:
            layout = self._work_out(record)
            if None not in key and len(self.known) < 4096:
                self.known[key] = layout
        return layout

    def _work_out(self, record: Struct) -> Layout:
        raw = msgspec.to_builtins(record)
        refs: list[MediaRef] = self.format.media(raw)
        fields = dict.fromkeys(ref.pointer.split("/")[1] for ref in refs if ref.kind != "sidecar")
        return Layout(
            kind=self.format.kind(raw),
            n_images=sum(ref.kind == "image" for ref in refs),
            n_videos=sum(ref.kind == "video" for ref in refs),
            media=tuple(fields),
            empty_media=any(getattr(record, name) in ("", []) for name in self.fields),
        )


# --- the generated function -----------------------------------------------------------------------------------------------


class FastPath:
    """The generated decoder and acceptance function of one format under one selection of checks.

    Attributes:
        decode: bytes of one record -> struct; raises one of `DECODE_ERRORS` when it declines.
        accept: struct -> (number of keys and strings, layout), or None when a guard flags the record.
        always: checks without a guard: their bodies run on every record.
        source: the Python source of `accept`.
    """

    def __init__(
        self,
        format: Format,
        checks: Iterable[Check],
        options: Options,
        *,
        load_sidecar: Callable[[str], Any] | None = None,
    ) -> None:
        checks = [c for c in checks if c.stage in ("record", "sidecar")]
        self.format = format
        self.options = options
        self.load_sidecar = load_sidecar
        self.always = [c for c in checks if c.guard is None]
        self.guards = list(
            dict.fromkeys(c.guard for c in checks if c.guard not in (None, "True") and c.stage == "record")
        )
        self.sidecar_guards = list(
            dict.fromkeys(c.guard for c in checks if c.guard is not None and c.stage == "sidecar")
        )
        self.watched = frozenset(itertools.chain.from_iterable(c.keys for c in checks))
        self.extra: dict[str, dict[str, bool]] = {}
        self._build()

    def _build(self) -> None:
        struct = self.struct = struct_of(self.format.record, self.extra)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
        fields = [f for f in msgspec.structs.fields(struct) if f.name not in ("conversations", "id")]
        # What has a string or a list in the record type may be a path; `Layouts` asks the format which are.
        layouts = Layouts(self.format, tuple(f.name for f in fields if not f.name.startswith("extra_")))
        self.namespace: dict[str, Any]
        self.source = accept_source(struct, self.guards, self.sidecar_guards)
        angled, square = markers.quick_patterns(self.format.name)
        namespace = self.namespace = {
            "UNSET": UNSET,
            "KNOWN": layouts.known.get,
            "WORK_OUT": layouts.of,
            "ANGLED": angled.findall,
            "SQUARE": square.findall,
            "ROLES": _Roles(self.format),
            "TAG": self.format.image_tag or "<image>",
            "STRIP": str.strip,
            "SHAPE": _shape,
            "USER": self.format.user_markers,
            "ANSWER": self.format.answer_markers,
            "TALLY": tally,
            "template": self.options.template,
            "assume": self.options.assume,
            "LOAD": self.load_sidecar,
        }
        exec(compile(self.source, f"<fast path of {self.format.name}>", "exec"), namespace)  # noqa: S102 - own source
        self.accept: Callable[[Any], tuple[int, Layout] | None] = namespace["accept"]

    def learn(self, error: Exception) -> bool:
        """Let an unknown key through that no check looks at. True if the decoder was rebuilt and is worth another try."""
        if not isinstance(error, msgspec.ValidationError):
            return False
        unknown = _UNKNOWN_FIELD.match(str(error))
        if unknown is None:
            return self._widen(str(error))
        key, model = unknown[1], _model_at(self.format.record, unknown[3] or "")
        if model is None or key in self.watched:
            return False
        learned = self.extra.setdefault(model.__name__, {})
        if key in learned or len(learned) >= MAX_LEARNED_KEYS:
            return False
        learned[key] = True
        self._build()
        return True

    def _widen(self, message: str) -> bool:
        """A learned key turned out to hold more than scalars."""
        place = message.rpartition("`$")[2].rstrip("`")
        for model, learned in self.extra.items():
            for key, simple in learned.items():
                if simple and place.endswith(f".{key}"):
                    self.extra[model][key] = False
                    self._build()
                    return True
        return False


def _model_at(model: type[BaseModel], place: str) -> type[BaseModel] | None:
    """The model of the object at a msgspec path like ``.conversations[...]``; None where that is not one model."""
    if place == "":
        return model
    if place == ".conversations[...]":
        kind: Any = model.model_fields["conversations"].annotation
        while get_origin(kind) in (list, Annotated):
            kind = get_args(kind)[0]
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return None


class Order:
    """What follows from the role words alone.

    Attributes:
        order: the speakers, one letter a turn: ``u``, ``a``, ``s``, or ``x`` for a word the trainer does not know.
        regular: `order` is ``ua`` repeated.
        user_first: the first turn is the user's.
    """

    __slots__ = ("order", "regular", "user_first")

    def __init__(self, order: str) -> None:
        self.order = order
        self.regular = bool(order) and order == "ua" * (len(order) // 2)
        self.user_first = order.startswith("u")


class _Roles(dict[tuple[str, ...], Order]):
    """Role words of a record -> `Order`; filled on first use."""

    def __init__(self, format: Format) -> None:
        super().__init__()
        self.speaker = format.speaker

    def __missing__(self, roles: tuple[str, ...]) -> Order:
        order = Order("".join((self.speaker(role) or "x")[0] for role in roles))
        if len(self) < 1000 and len(roles) < 100:
            self[roles] = order
        return order


def tally(value: Any) -> int:
    """Number of keys and strings in a decoded JSON value; a huge negative number if it holds an integer beyond 64 bits."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is int:
        return 0 if SMALLEST_INT <= value <= LARGEST_INT else -(1 << 40)
    if kind is list:
        return sum(map(tally, value))
    if kind is dict:
        return sum(map(tally, value.values())) + len(value)
    if isinstance(value, Struct):
        return sum(
            1 + tally(item) for name in value.__struct_fields__ if (item := getattr(value, name)) is not UNSET
        )
    return 0


def accept_source(struct: type[Struct], guards: list[str], sidecar_guards: list[str]) -> str:
    """Python source of ``accept(r) -> (strings, layout) | None`` that evaluates these guards.

    Raises:
        ValueError: a guard names something that is neither a fact nor one of `BUILTINS`.
    """
    used = guard_names([*guards, *sidecar_guards])
    if unknown := used - set(FACTS):
        raise ValueError(f"guards name unknown facts: {sorted(unknown)}")
    turn = _turn_struct(struct)
    body = [
        "turns = r.conversations",
        "n = len(turns)",
        "texts = [t.value for t in turns]",
        "o = ROLES[tuple([t.from_ for t in turns])]",
        f"strings = 1 + {2 * sum(f.required for f in msgspec.structs.fields(turn))} * n",
    ]
    for field in msgspec.structs.fields(turn):
        if not field.required:
            body += [
                "for t in turns:",
                f"    if t.{field.name} is not UNSET: strings += 1 + TALLY(t.{field.name})",
            ]
    body += [f"{name} = o.{name}" for name in ("order", "regular") if name in used]
    if "first_marked" in used:
        body += ["first_marked = n > 0 and TAG in texts[0]"]
    if "empty_answer" in used:
        body += [
            "empty_answer = False",
            "if not all(map(STRIP, texts)):",
            "    empty_answer = any(s == 'a' and not text.strip() for s, text in zip(o.order, texts))",
        ]
    if used & {"user_marks", "answer_marks", "other_marks", "own_markers", "marked_answers"}:
        body += _MARKS.splitlines()
    shapes = []
    for field in msgspec.structs.fields(struct):
        if field.name != "conversations":
            body += _field_source(field)
            if field.name != "id" and not field.name.startswith("extra_"):
                shapes.append(f"k_{field.name}")
    body += ["if strings < 0: return None", f"layout = KNOWN(({', '.join(shapes)},)) or WORK_OUT(r)"]
    body += [f"{name} = layout.{name}" for name in LAYOUT_FACTS if name in used]
    body += [f"if not ({' and '.join(f'({g})' for g in guards)}): return None"] if guards else []
    if sidecar_guards:
        body += [
            "if layout.kind == 'polygons' and LOAD is not None:",
            "    sidecar = LOAD(r.polygons)",
            f"    if not ({' and '.join(f'({g})' for g in sidecar_guards)}): return None",
        ]
    return "\n    ".join(["def accept(r):", *body, "return strings, layout"]) + "\n"


def guard_names(guards: Iterable[str]) -> set[str]:
    """The facts that guards name: their free names that are no builtins."""
    nodes = [
        n for guard in guards for n in ast.walk(ast.parse(guard, mode="eval")) if isinstance(n, ast.Name)
    ]
    bound = {n.id for n in nodes if isinstance(n.ctx, ast.Store)}
    return {n.id for n in nodes} - bound - BUILTINS


def _field_source(field: Any) -> list[str]:
    """Count the strings of a field, and take its shape if the layout may depend on it."""
    shaped = field.name != "id" and not field.name.startswith("extra_")
    name = f"k_{field.name}"
    out = [f"v = r.{field.name}"]
    out += [f"if v is UNSET: {name} = 0"] if shaped else ["if v is UNSET: pass"]
    out += ["elif type(v) is str:", "    strings += 2"]
    out += [f"    {name} = 1 if v else 2"] if shaped else []
    simple = field.name.startswith("extra_") and Any not in (field.type, *get_args(field.type))
    out += ["else: strings += 1"] if simple else ["else:", "    strings += 1 + TALLY(v)"]
    out += [f"    {name} = SHAPE(v)"] if shaped else []
    return out


_MARKS = """\
user_marks = answer_marks = other_marks = []
marked_answers = 0
own_markers = True
text = '\\n'.join(texts)
p = text.find('<')
if p >= 0 or '[' in text:
    if p == 0 and o.user_first and text.startswith(TAG) and text.find('<', 1) < 0 and '[' not in text:
        user_marks = [TAG]
        own_markers = TAG in USER
    else:
        for s, text in zip(o.order, texts):
            m = ANGLED(text) if '<' in text else []
            if '[' in text: m += SQUARE(text)
            if m:
                if s == 'u':
                    user_marks = user_marks + m
                    own_markers = own_markers and USER.issuperset(m)
                elif s == 'a':
                    answer_marks = answer_marks + m
                    marked_answers += 1
                    own_markers = own_markers and ANSWER.issuperset(m)
                else:
                    other_marks = other_marks + m
                    own_markers = False"""

BUILTINS = frozenset(
    {
        "len",
        "set",
        "all",
        "any",
        "sum",
        "min",
        "max",
        "isinstance",
        "type",
        "str",
        "list",
        "dict",
        "tuple",
        "bool",
        "int",
        "float",
        "UNSET",
        "zip",
    }
)
"""What a guard may use besides facts."""


def _turn_struct(struct: type[Struct]) -> Any:
    info = next(f for f in msgspec.structs.fields(struct) if f.name == "conversations")
    kind: Any = info.type
    while get_origin(kind) in (Annotated, list):
        kind = get_args(kind)[0]
    return kind
