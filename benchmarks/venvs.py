"""Environments of their own for peers whose requirements exclude one another, below ``benchmarks/.data/venvs``."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import DATA, label

RIVALS = Path(__file__).parent / "rivals"


class NotInstalled(RuntimeError):
    """A peer cannot be installed here; says why."""


def constant(name: str, key: str) -> object:
    """A constant of a rival's module, read without importing its libraries."""
    for node in ast.parse((RIVALS / f"{name}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == key:
            return ast.literal_eval(node.value)
    raise KeyError(key)


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, installed on first use from the machine's package index.

    Raises:
        NotInstalled: pip failed, or the peer cannot be imported.
    """
    requires = constant(name, "REQUIRES")
    assert isinstance(requires, tuple)
    home = DATA / "venvs" / name
    python, stamp = home / "bin" / "python", home / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(requires):
        print(f"installing {', '.join(requires)} into {home}", file=sys.stderr)
        if not python.exists():
            _run(sys.executable, "-m", "venv", "--clear", home)
        _run(python, "-m", "pip", "install", "-q", *requires)
        stamp.write_text("\n".join(requires))
    _run(python, "-c", f"import benchmarks.rivals.{name}")
    return python


def pythons_of(names: Sequence[str]) -> dict[str, Path]:
    """The interpreters of several peers; one that cannot be installed is left out, and why is printed."""
    found = {}
    for name in names:
        try:
            found[name] = python_of(name)
        except NotInstalled as error:
            print(f"{label(name)} cannot be installed here: {error}")
    return found


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotInstalled(lines[-1] if lines else f"{command[1:]} failed")
