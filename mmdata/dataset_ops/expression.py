"""The language of `mmdata filter`: Python's expressions over a record's fields, by a white list; nothing is executed.

    turns >= 4 and not has("masks") and "G05" not in codes

Python's `ast` parses the text; every node must be on the list below, and becomes a closure. There are no attributes, no
loops, no powers, no calls but the functions listed, so an expression can neither reach outside nor run away.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

from mmdata.dataset_ops.fields import ABSENT, lookup
from mmdata.errors import UsageError

MAX_LENGTH = 4096
"""Characters of an expression."""


class Undecided(Exception):
    """The expression has no value for this record; the message says why."""


class Values(Protocol):
    """Where an expression finds the values of a record."""

    value: Any
    """The record itself."""

    def get(self, name: str) -> Any:
        """The value of a field, or None where the record has none."""


Evaluate = Callable[[Values], Any]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_ALIKE = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
FUNCTIONS = ("field", "has", "len", "lower", "startswith", "endswith", "min", "max")


class Expression:
    """A compiled expression.

    Args:
        text: what the person wrote.
        names: the fields there are.
        fields: functions that find some of them out faster than `Values.get`.

    Attributes:
        names: the fields that it uses.
        keys: the keys of the record that it looks up by itself, the first of each JSON pointer.

    Raises:
        UsageError: it is no expression of the language; the message shows the place and names the nearest field.
    """

    def __init__(
        self, text: str, names: Iterable[str], fields: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> None:
        self.text = text
        self.names: set[str] = set()
        self.keys: set[str] = set()
        self._known = sorted(names)
        self._fields: Mapping[str, Callable[[Any], Any]] = fields or {}
        if len(text) > MAX_LENGTH:
            raise UsageError(f"the expression is longer than {MAX_LENGTH} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval")
            self._run = self._compile(tree.body)
        except SyntaxError as error:
            place = max(0, (error.offset or 1) - 1)
            raise UsageError(f"{text!r}: {error.msg} at character {place + 1}") from None
        except (RecursionError, MemoryError, ValueError):
            raise UsageError(f"{text[:60]!r}: nested too deeply, or not text") from None

    def __call__(self, values: Values) -> bool:
        """Whether the record fits.

        Raises:
            Undecided: a value is missing or of a type that the comparison cannot use.
        """
        try:
            return bool(self._run(values))
        except (TypeError, ZeroDivisionError, OverflowError, ValueError, RecursionError) as error:
            raise Undecided(str(error)) from None

    def _fail(self, node: ast.AST, what: str) -> UsageError:
        place = getattr(node, "col_offset", 0) + 1
        return UsageError(f"{self.text!r}: {what} at character {place}")

    def _compile(self, node: ast.expr) -> Evaluate:
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BoolOp):
            return self._bool(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            items = [self._compile(item) for item in node.elts]
            return lambda values: [item(values) for item in items]
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            raise self._fail(node, f"no attributes here (.{node.attr}); fields are {', '.join(self._known)}")
        raise self._fail(node, f"{type(node).__name__} is not part of the language")

    def _constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if value is not None and type(value) not in (bool, int, float, str):
            raise self._fail(node, f"{type(value).__name__} is not part of the language")
        return lambda _values: value

    def _name(self, node: ast.Name) -> Evaluate:
        name = node.id
        if name not in self._known:
            if name in FUNCTIONS:
                raise self._fail(node, f"{name} is a function: {name}(…)")
            near = get_close_matches(name, self._known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"fields are {', '.join(self._known)}"
            raise self._fail(node, f'no field {name!r}; {hint} Other keys of a record: field("{name}")')
        self.names.add(name)
        return self._fields.get(name) or (lambda values: values.get(name))

    def _bool(self, node: ast.BoolOp) -> Evaluate:
        parts = [self._compile(part) for part in node.values]
        if len(parts) == 2:
            one, other = parts
            if isinstance(node.op, ast.And):
                return lambda values: bool(one(values) and other(values))
            return lambda values: bool(one(values) or other(values))
        if isinstance(node.op, ast.And):
            return lambda values: all(part(values) for part in parts)
        return lambda values: any(part(values) for part in parts)

    def _unary(self, node: ast.UnaryOp) -> Evaluate:
        inner = self._compile(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda values: not inner(values)
        if isinstance(node.op, ast.USub):
            return lambda values: -inner(values)
        raise self._fail(node, f"{type(node.op).__name__} is not part of the language")

    def _arithmetic(self, node: ast.BinOp) -> Evaluate:
        function = _ARITHMETIC.get(type(node.op))
        if function is None:
            raise self._fail(node, f"{type(node.op).__name__} is not part of the language")
        left, right = self._compile(node.left), self._compile(node.right)

        def run(values: Values) -> Any:
            a, b = left(values), right(values)
            # Numbers alone: text times a number could fill the memory.
            if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
                raise TypeError(
                    f"no number to calculate with: {_kind(a if not isinstance(a, (int, float)) else b)}"
                )
            return function(a, b)

        return run

    def _compare(self, node: ast.Compare) -> Evaluate:
        operands = [self._compile(part) for part in (node.left, *node.comparators)]
        tests = [
            (_COMPARE[type(op)], isinstance(op, _ALIKE), isinstance(op, (ast.In, ast.NotIn)))
            for op in node.ops
        ]

        last = node.comparators[-1]
        if len(tests) == 1 and isinstance(last, ast.Constant) and last.value is not None and not tests[0][1]:
            return _limit(operands[0], self._constant(last)(_NO_VALUES), tests[0][0], tests[0][2])
        if len(tests) == 1:
            return _one_comparison(operands[0], operands[1], *tests[0])

        def run(values: Values) -> bool:
            left = operands[0](values)
            for (test, alike, member), operand in zip(tests, operands[1:], strict=True):
                right = operand(values)
                if not alike and (right is None or (left is None and not member)):
                    raise TypeError("a value is missing")
                if not test(left, right):
                    return False
                left = right
            return True

        return run

    def _call(self, node: ast.Call) -> Evaluate:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            name = node.func.id if isinstance(node.func, ast.Name) else "this"
            near = get_close_matches(name, FUNCTIONS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"functions are {', '.join(FUNCTIONS)}"
            raise self._fail(node, f"no function {name!r}; {hint}")
        name = node.func.id
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self._fail(node, f"{name} takes plain arguments alone")
        if name in ("field", "has"):
            return self._field(node, name)
        arguments = [self._compile(a) for a in node.args]
        wanted = {"len": 1, "lower": 1, "startswith": 2, "endswith": 2}.get(name)
        if (wanted is not None and len(arguments) != wanted) or (wanted is None and len(arguments) < 2):
            raise self._fail(node, f"{name} takes {wanted or 'two or more'} arguments, got {len(arguments)}")
        return _function(name, arguments)

    def _field(self, node: ast.Call, name: str) -> Evaluate:
        if (
            len(node.args) != 1
            or not isinstance(node.args[0], ast.Constant)
            or not isinstance(node.args[0].value, str)
        ):
            raise self._fail(
                node, f'{name} takes a key or a JSON pointer in quotes: {name}("/conversations/0/from")'
            )
        pointer = node.args[0].value
        top = pointer[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")
        self.keys.add(top if pointer.startswith("/") else pointer)
        if name == "has":
            return lambda values: lookup(values.value, pointer) is not ABSENT

        def run(values: Values) -> Any:
            found = lookup(values.value, pointer)
            return None if found is ABSENT else found

        return run


_NO_VALUES: Any = None


def _limit(left: Evaluate, limit: Any, test: Callable[[Any, Any], Any], member: bool) -> Evaluate:
    """A comparison with a constant by order or membership."""

    def run(values: Values) -> Any:
        value = left(values)
        if value is None and not member:
            raise TypeError("a value is missing")
        return test(value, limit)

    return run


def _one_comparison(
    left: Evaluate, right: Evaluate, test: Callable[[Any, Any], Any], alike: bool, member: bool
) -> Evaluate:
    """A comparison of two values, which almost all are."""

    def run(values: Values) -> Any:
        a, b = left(values), right(values)
        if not alike and (b is None or (a is None and not member)):
            raise TypeError("a value is missing")
        return test(a, b)

    return run


def _function(name: str, arguments: list[Evaluate]) -> Evaluate:
    def text(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{name} takes text, got {_kind(value)}")
        return value

    if name == "len":
        return lambda values: len(arguments[0](values))
    if name == "lower":
        return lambda values: text(arguments[0](values)).lower()
    if name == "startswith":
        return lambda values: text(arguments[0](values)).startswith(text(arguments[1](values)))
    if name == "endswith":
        return lambda values: text(arguments[0](values)).endswith(text(arguments[1](values)))
    choose = min if name == "min" else max
    return lambda values: choose([a(values) for a in arguments])


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


__all__ = ["FUNCTIONS", "Expression", "Undecided", "Values"]
