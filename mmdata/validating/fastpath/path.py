"""The fast path of one format under one selection of checks: what is generated is put together here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import UNSET
from pydantic import BaseModel

from mmdata.checks import markers
from mmdata.checks.registry import Check
from mmdata.checks.sidecars import file_name
from mmdata.format import Format
from mmdata.options import Options
from mmdata.validating.fastpath.accept import accept_source
from mmdata.validating.fastpath.helpers import Roles, tally
from mmdata.validating.fastpath.layouts import Layout, Layouts, shape
from mmdata.validating.fastpath.structs import struct_of

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

MAX_LEARNED_KEYS = 64

_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `(.*)`( - at `\$(.*)`)?$", re.DOTALL)


_UNNAMEABLE = re.compile(r'[\x00-\x1f"\\]')
"""What msgspec takes in no field name; a record with such a key takes the slow way."""


def _declined(_: Any) -> Any:
    raise msgspec.DecodeError("the format keeps its turns elsewhere")


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
        self.decode: Callable[[bytes], Any]
        self.accept: Callable[[Any], tuple[int, Layout] | None]
        self._build()

    def _build(self) -> None:
        if self.format.turn_keys is not None or "conversations" not in self.format.record.model_fields:
            # The generated code reads `conversations` of `from` and `value`; other records all meet the check bodies.
            self.decode = self.accept = _declined
            self.source = ""
            return
        struct = self.struct = struct_of(self.format.record, self.extra)
        self.decode = msgspec.json.Decoder(struct).decode
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
            "ROLES": Roles(self.format),
            "TAG": self.format.image_tag or "<image>",
            "STRIP": str.strip,
            "SHAPE": shape,
            "USER": self.format.user_markers,
            "ANSWER": self.format.answer_markers,
            "TALLY": tally,
            "template": self.options.template,
            "assume": self.options.assume,
            "LOAD": self.load_sidecar,
            "FILE_NAME": _file_name,
        }
        exec(compile(self.source, f"<fast path of {self.format.name}>", "exec"), namespace)  # noqa: S102 - own source
        self.accept = namespace["accept"]

    def learn(self, error: Exception) -> bool:
        """Let an unknown key through that no check looks at. True if the decoder was rebuilt and is worth another try."""
        if not isinstance(error, msgspec.ValidationError):
            return False
        unknown = _UNKNOWN_FIELD.match(str(error))
        if unknown is None:
            return self._widen(str(error))
        key, model = unknown[1], _model_at(self.format.record, unknown[3] or "")
        if model is None or key in self.watched or _UNNAMEABLE.search(key):
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


def _file_name(path: Any) -> str | None:
    return file_name(path) if isinstance(path, str) else None


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
