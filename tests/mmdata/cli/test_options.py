"""One word for one thing, over all verbs of both command lines."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib import import_module
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from typer.main import get_command

from mmdata.cli import app as mmdata_app
from mmtrain.cli import app as mmtrain_app

MODULES = {
    f"{name} {module.NAME}": module
    for name, app_module in (("mmdata", mmdata_app), ("mmtrain", mmtrain_app))
    for module in (import_module(f"{name}.cli.{verb}") for verb in app_module.VERBS)
}
VERBS: dict[str, Any] = {
    f"{name} {verb}": command
    for name, app_module in (("mmdata", mmdata_app), ("mmtrain", mmtrain_app))
    for verb, command in get_command(app_module.app).commands.items()  # type: ignore[attr-defined]
}
OPTIONS: dict[str, dict[str, Any]] = defaultdict(dict)
for _verb, _command in VERBS.items():
    for _parameter in _command.params:
        if _parameter.param_type_name == "option" and _parameter.name != "help":
            OPTIONS[next(word for word in _parameter.opts if word.startswith("--"))][_verb] = _parameter
SHARED = {name: verbs for name, verbs in OPTIONS.items() if len(verbs) > 1}

MEANS = {
    "--output-format": r"\btext(,| or) json\b",
    "--force": r"\breplaces?\b",
    "--media-root": r"\brelative paths start\b",
    "--format": r"\bformat of the data\b",
    "--to": r"\bformat to write\b",
    "--jobs": r"\bone per core\b",
    "--max-findings": r"\blisted\b",
    "--count": r"\bhow many (records|samples)\b",
    "--seed": r"\bat random\b",
    "--dry-run": r"\bwrite and start nothing\b",
    "--dtype": r"\bbf16\b",
    "--max-new-tokens": r"\bat the latest\b",
    "--batch-size": r"\brecords a batch\b",
    "--target-template": r"\binternvl template\b",
    "--test-file": r"\btest file\b",
    "--gpus": r"\bgpus to train on\b",
}
"""Option -> what it is called in the help: wherever the help says so, the option has this name, and the reverse."""

KINDS = {
    r"\b(directory to write|directory that relative)\b": "DIR",
    r"\bfile to write\b": "FILE",
    r"\bto this file\b": "FILE",
}
"""What the help says -> metavar of the option."""

COMMON = frozenset(
    re.findall(r"\w+", "a an and are as at be by from for in is it its of on one or otherwise that the to")
)


def type_of(verb: str, name: str) -> Any:
    """The type of an option's value, where it is given."""
    hint = get_type_hints(MODULES[verb].command)[name]
    return frozenset(get_args(hint)) - {NoneType} or hint if NoneType in get_args(hint) else frozenset({hint})


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - COMMON


@pytest.mark.parametrize("name", SHARED)
def test_an_option_is_the_same_in_every_verb(name: str) -> None:
    verbs = SHARED[name]
    assert len({frozenset(p.opts) for p in verbs.values()}) == 1, "the same short form"
    assert len({type_of(verb, p.name) for verb, p in verbs.items()}) == 1, "the same type"
    assert len({p.metavar for p in verbs.values()} - {None}) <= (2 if name in ("--output", "--data") else 1)
    assert set.intersection(*(words(p.help) for p in verbs.values())), "no word that all help texts share"


def test_a_short_form_is_one_option() -> None:
    short: dict[str, set[str]] = defaultdict(set)
    for name, verbs in OPTIONS.items():
        for parameter in verbs.values():
            for word in parameter.opts:
                if not word.startswith("--"):
                    short[word].add(name)
            assert sum(word.startswith("--") for word in parameter.opts) == 1, f"{name} has a second name"
    assert all(len(names) == 1 for names in short.values()), short


@pytest.mark.parametrize("name", MEANS)
def test_a_meaning_has_one_name(name: str) -> None:
    pattern = re.compile(MEANS[name], re.IGNORECASE)
    for verb, parameter in OPTIONS[name].items():
        assert pattern.search(parameter.help), f"{verb} {name}: {parameter.help}"
    others = {
        f"{verb} {other}": parameter.help
        for other, verbs in OPTIONS.items()
        if other != name
        for verb, parameter in verbs.items()
        if pattern.search(parameter.help or "")
    }
    assert not others, f"this is what {name} is for"


@pytest.mark.parametrize("verb", VERBS)
def test_files_and_directories_are_told_apart(verb: str) -> None:
    for parameter in VERBS[verb].params:
        for pattern, metavar in KINDS.items():
            if re.search(pattern, (getattr(parameter, "help", None) or "").lower()):
                assert parameter.metavar == metavar, f"{parameter.opts}: {parameter.help}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    command = VERBS[verb]
    assert command.help
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help, parameter.opts
            assert parameter.help.endswith(".")
            assert "…" not in (parameter.metavar or "")


def test_a_second_word_is_not_taken_up_again() -> None:
    gone = {"--json", "--overwrite", "--limit", "--samples", "--worst", "--base", "--ranks"}
    assert not gone & OPTIONS.keys()
