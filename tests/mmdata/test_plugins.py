from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmdata.errors import UnknownName, UsageError
from mmdata.plugins import PluginError, PluginWarning, Registry

Folder = Callable[..., Registry[Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """``folder({"a": source, …}, points={"name": "module"}, modules={…})``: a registry over a package made of these."""

    def build(
        own: dict[str, str],
        points: dict[str, str] | None = None,
        modules: dict[str, str] | None = None,
        attribute: str | None = None,
    ) -> Registry[Any]:
        package = tmp_path / "shelf"
        package.mkdir()
        for name, source in {"__init__": "", **own}.items():
            (package / f"{name}.py").write_text(source)
        for name, source in (modules or {}).items():
            (tmp_path / f"{name}.py").write_text(source)
        if points:
            info = tmp_path / "outsider-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
            lines = "".join(f"{name} = {value}\n" for name, value in points.items())
            (info / "entry_points.txt").write_text(f"[shelf.plugins]\n{lines}")
        monkeypatch.syspath_prepend(tmp_path)
        for name in [n for n in sys.modules if n.startswith(("shelf", "outside"))]:
            monkeypatch.delitem(sys.modules, name)
        return Registry("shelf", "shelf.plugins", attribute=attribute, kind="plugin")

    return build


def test_modules_of_the_folder_are_the_plugins(folder: Folder) -> None:
    shelf = folder(
        {"plain": "NAME = 'plain'", "two_words": "NAME = 'two-words'", "_shared": "raise RuntimeError"}
    )
    assert list(shelf) == ["plain", "two-words"]
    assert len(shelf) == 2
    assert shelf["two-words"].__name__ == "shelf.two_words"


def test_the_plugins_own_name_counts_where_it_has_dots(folder: Folder) -> None:
    shelf = folder({"xcomposer_2_0": "NAME = 'xcomposer-2.0'"})
    assert list(shelf) == ["xcomposer-2.0"]
    assert "xcomposer-2.0" in shelf
    with pytest.raises(UnknownName, match=r"did you mean 'xcomposer-2\.0'"):
        shelf["xcomposer-2-0"]


def test_only_the_plugin_asked_for_is_imported(folder: Folder) -> None:
    shelf = folder({"wanted": "", "other": "raise RuntimeError('must not be imported')"})
    shelf["wanted"]
    assert "shelf.wanted" in sys.modules
    assert "shelf.other" not in sys.modules


def test_an_unknown_name_gets_the_nearest(folder: Folder) -> None:
    shelf = folder({"geopixel": "", "internvl": ""})
    with pytest.raises(UnknownName, match="unknown plugin 'geopixle'; did you mean 'geopixel'"):
        shelf["geopixle"]
    assert "geopixle" not in shelf
    assert shelf.get("geopixle") is None


def test_an_attribute_of_the_module_can_be_the_plugin(folder: Folder) -> None:
    shelf = folder(
        {"a": "PLUGIN = 41"},
        {"b": "outside_b", "c": "outside_c:OTHER"},
        {"outside_b": "PLUGIN = 42", "outside_c": "OTHER = 43"},
        "PLUGIN",
    )
    assert dict(shelf) == {"a": 41, "b": 42, "c": 43}


def test_a_missing_library_is_not_a_missing_plugin(folder: Folder) -> None:
    shelf = folder({"fancy": "import no_such_library.sub", "plain": ""})
    with pytest.raises(
        PluginError, match="plugin 'fancy' needs the Python module 'no_such_library', which is not installed"
    ):
        shelf["fancy"]
    with pytest.raises(UnknownName):
        shelf["no_such_library"]
    with pytest.warns(PluginWarning, match="fancy"):
        assert list(shelf) == ["plain"]


@pytest.mark.parametrize(
    "source, message",
    [
        ("import no_such_library", "needs the Python module 'no_such_library', which is not installed"),
        ("1 / 0", "cannot be used: ZeroDivisionError: division by zero"),
        ("NAME = 'another'", "calls itself 'another'"),
        (None, "is gone: there is no module 'outside'"),
    ],
)
def test_a_broken_plugin_of_others_breaks_only_itself(
    folder: Folder, source: str | None, message: str
) -> None:
    shelf = folder(
        {"own": ""},
        {"bad": "outside", "good": "outside_good"},
        {"outside_good": "", **({} if source is None else {"outside": source})},
    )
    assert shelf["own"].__name__ == "shelf.own"
    assert shelf["good"].__name__ == "outside_good"
    with pytest.raises(UsageError, match=f"plugin 'bad' of outsider {message}"):
        shelf["bad"]
    assert "bad" not in shelf
    with pytest.warns(PluginWarning, match="bad"):
        assert dict(shelf).keys() == {"own", "good"}


def test_a_bug_of_our_own_is_not_taken_for_a_missing_library(folder: Folder) -> None:
    shelf = folder({"broken": "1 / 0"})
    with pytest.raises(ZeroDivisionError):
        shelf["broken"]


def test_our_own_plugin_hides_one_of_the_same_name_and_says_so(folder: Folder) -> None:
    with pytest.warns(PluginWarning, match="'own' of outsider is hidden"):
        shelf = folder({"own": ""}, {"own": "outside"}, {"outside": ""})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shelf["own"].__name__ == "shelf.own"


def test_a_plugin_is_loaded_once(folder: Folder) -> None:
    shelf = folder({"a": "PLUGIN = object()"}, attribute="PLUGIN")
    assert shelf["a"] is shelf["a"]
    assert "a" in repr(shelf)
