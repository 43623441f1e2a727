"""The fast path of one format under one selection of checks: what is generated is put together here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import UNSET
from pydantic import BaseModel

from mmdata.checks import markers
from mmdata.checks.registry import Check
from mmdata.checks.sidecars import file_name
from mmdata.format import FROM_VALUE, Format
from mmdata.options import Options
from mmdata.validating.fastpath.accept import accept_source
from mmdata.validating.fastpath.helpers import HELPERS, Roles, tally
from mmdata.validating.fastpath.layouts import Layout, Layouts, exact_shape, shape
from mmdata.validating.fastpath.structs import Spelling, UnsupportedType, struct_of, turn_model

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

MAX_LEARNED_KEYS = 64

MAX_TURNS_OVER = 8
"""How often the decoder is built anew because turns lie under other keys; a file that mixes them takes the slow way then."""

_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `(.*)`( - at `\$(.*)`)?$", re.DOTALL)


_UNNAMEABLE = re.compile(r'[\x00-\x1f"\\]')
"""What msgspec takes in no field name; a record with such a key takes the slow way."""


def _declined(_: Any) -> Any:
    raise msgspec.DecodeError("no decoder can be generated for the format")


class FastPath:
    """The generated decoder and acceptance function of one format under one selection of checks.

    Attributes:
        decode: bytes of one record -> struct; raises one of `DECODE_ERRORS` when it declines.
        accept: struct -> (number of keys and strings, layout), or None when a guard flags the record.
        always: checks without a guard: their bodies run on every record.
        keys: where the turns of the records lie that `decode` takes.
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
        self.keys = FROM_VALUE if format.turns is None else format.turns.usual[0]
        self.turned = 0
        self.content = _resolved(format.turns.content) if format.turns and format.turns.content else None
        self.decode: Callable[[bytes], Any]
        self.accept: Callable[[Any], tuple[int, Layout] | None]
        self._build()

    def _build(self) -> None:
        self.spelling = self._spelling()
        if self.spelling is None and "conversations" not in self.format.record.model_fields:
            self._decline()
            return
        try:
            struct = self.struct = struct_of(self.format.record, self.extra, self.spelling)
        except (UnsupportedType, ValueError):
            if self.spelling is None:
                raise
            self._decline()  # the names that a file gives its columns fit no struct
            return
        self.reserved = self._reserved()
        self.decode = msgspec.json.Decoder(struct).decode
        fields = [f for f in msgspec.structs.fields(struct) if f.name not in ("conversations", "id")]
        # What has a string or a list in the record type may be a path; `Layouts` asks the format which are.
        names = {f.name: f.encode_name for f in fields if not f.name.startswith("extra_")}
        shape_of = shape if self.spelling is None else exact_shape
        layouts = Layouts(self.format, names, shape_of)
        self.namespace: dict[str, Any]
        self.source = accept_source(struct, self.guards, self.sidecar_guards, parts=self.content is not None)
        angled, square = markers.quick_patterns(self.format.name)
        namespace = self.namespace = {
            "UNSET": UNSET,
            "KNOWN": layouts.known.get,
            "WORK_OUT": layouts.of,
            "ANGLED": angled.findall,
            "SQUARE": square.findall,
            "ROLES": Roles(self.format, self.keys),
            "TAG": self.format.image_tag or "<image>",
            "STRIP": str.strip,
            "SHAPE": shape_of,
            "CONTENTS": None if self.content is None else self.content.look,
            "USER": self.format.user_markers,
            "ANSWER": self.format.answer_markers,
            "TALLY": tally,
            "template": self.options.template,
            "assume": self.options.assume,
            "LOAD": self.load_sidecar,
            "FILE_NAME": _file_name,
            **HELPERS,
        }
        exec(compile(self.source, f"<fast path of {self.format.name}>", "exec"), namespace)  # noqa: S102 - own source
        self.accept = namespace["accept"]

    def _decline(self) -> None:
        """No generated code: all records meet the check bodies."""
        self.decode = self.accept = _declined
        self.source = ""

    def _spelling(self) -> Spelling | None:
        """Where the records keep their turns and columns; None where the record type itself says it."""
        turns = self.format.turns
        if turns is None:
            return None
        return Spelling(
            self.keys,
            frozenset(place.turns for place in turns.usual),
            self.format.columns.names if self.format.columns is not None else {},
            frozenset(key for place in turns.usual for key in (place.role, place.text))
            - {self.keys.role, self.keys.text},
            str if self.content is None else self.content.type,
        )

    def _reserved(self) -> dict[str, frozenset[str]]:
        """Model -> keys that are never let through: where turns might lie too, and what the record type types."""
        if self.spelling is None:
            return {}
        record, turn = self.format.record, self._turn_model(self.spelling)
        return {
            record.__name__: self.spelling.lists | _keys(record),
            turn.__name__: self.spelling.other | _keys(turn),
        }

    def _turn_model(self, spelling: Spelling) -> type[BaseModel]:
        return turn_model(self.format.record, spelling.keys.turns, *sorted(spelling.lists))

    def learn(self, error: Exception, data: bytes | None = None) -> bool:
        """Let an unknown key through that no check looks at, or look for the turns where this record has them.

        Args:
            error: why `decode` declined.
            data: the record.

        Returns:
            Whether the decoder was rebuilt and is worth another try.
        """
        if not isinstance(error, msgspec.ValidationError):
            return False
        if data is not None and self._turn_over(data):
            return True
        unknown = _UNKNOWN_FIELD.match(str(error))
        if unknown is None:
            return self._widen(str(error))
        key, model = unknown[1], self._model_at(unknown[3] or "")
        if model is None or key in self.watched or _UNNAMEABLE.search(key):
            return False
        if key in self.reserved.get(model.__name__, ()):
            return False
        learned = self.extra.setdefault(model.__name__, {})
        if key in learned or len(learned) >= MAX_LEARNED_KEYS:
            return False
        learned[key] = True
        self._build()
        return True

    def _turn_over(self, data: bytes) -> bool:
        """Take the keys of this record's turns for those of the records to come."""
        turns = self.format.turns
        if turns is None or len(turns.usual) < 2 or self.turned >= MAX_TURNS_OVER:
            return False
        try:
            record = msgspec.json.decode(data)
        except DECODE_ERRORS:
            return False
        keys = turns.keys(record) if isinstance(record, dict) else self.keys
        if keys == self.keys or keys not in turns.usual:
            return False
        self.keys = keys
        self.turned += 1
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

    def _model_at(self, place: str) -> type[BaseModel] | None:
        """The model of the object at a msgspec path like ``.conversations[...]``; None where that is not one model."""
        if place == "":
            return self.format.record
        if place != f".{self.keys.turns}[...]":
            return None
        if self.spelling is not None:
            return self._turn_model(self.spelling)
        kind: Any = self.format.record.model_fields["conversations"].annotation
        while get_origin(kind) in (list, Annotated):
            kind = get_args(kind)[0]
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _file_name(path: Any) -> str | None:
    return file_name(path) if isinstance(path, str) else None


def _keys(model: type[BaseModel]) -> frozenset[str]:
    """What a model has a type for: names of fields and their aliases."""
    return frozenset(
        key for name, info in model.model_fields.items() for key in (name, info.alias) if key is not None
    )


def _resolved(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
