"""The source of the function that accepts a record: it computes the facts that the guards name, in one loop."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct

from mmdata.checks.facts import FACTS
from mmdata.validating.fastpath.helpers import HELPERS
from mmdata.validating.fastpath.layouts import LAYOUT_FACTS


def accept_source(
    struct: type[Struct], guards: list[str], sidecar_guards: list[str], *, parts: bool = False
) -> str:
    """Python source of ``accept(r) -> (strings, layout) | None`` that evaluates these guards.

    Args:
        struct: the decoded record.
        guards: of checks on records.
        sidecar_guards: of checks on polygon files.
        parts: a turn may hold a list of parts instead of a text; ``CONTENTS`` looks at them.

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
        "o = ROLES[tuple([t.from_ for t in turns])]",
    ]
    required = 4  # role and text, each a key and a string
    if parts:
        body += [
            "texts, shown, plain_parts, inside = CONTENTS(turns, o.order)",
            f"strings = 1 + {required - 1} * n + inside",
        ]
    else:
        body += ["texts = [t.value for t in turns]", f"strings = 1 + {required} * n"]
        body += ["plain_parts = True"] if "plain_parts" in used else []
    for field in msgspec.structs.fields(turn):
        if field.name not in ("from_", "value"):
            body += [
                "for t in turns:",
                f"    if t.{field.name} is not UNSET: strings += 1 + TALLY(t.{field.name})",
            ]
    body += [f"{name} = o.{name}" for name in ("order", "regular", "alternating") if name in used]
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
    shapes = ["shown", *shapes] if parts else shapes
    found = "WORK_OUT(r, shown)" if parts else "WORK_OUT(r)"
    body += [
        "if strings < 0: return None",
        f"layout = KNOWN(({''.join(f'{s}, ' for s in shapes)})) or {found}",
    ]
    body += [f"{name} = layout.{name}" for name in LAYOUT_FACTS if name in used]
    body += [f"if not ({' and '.join(f'({g})' for g in guards)}): return None"] if guards else []
    if sidecar_guards:
        body += [
            "if layout.kind == 'polygons' and LOAD is not None:",
            "    sidecar = LOAD(r.polygons)",
            *(["    picture = FILE_NAME(r.image)"] if "picture" in used else []),
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
        *HELPERS,
    }
)
"""What a guard may use besides facts."""


def _turn_struct(struct: type[Struct]) -> Any:
    info = next(f for f in msgspec.structs.fields(struct) if f.name == "conversations")
    kind: Any = info.type
    while get_origin(kind) in (Annotated, list):
        kind = get_args(kind)[0]
    return kind
