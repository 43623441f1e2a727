"""A folder is a registry: the modules of a package, plus the entry points of a group, imported on first use.

``discover("mmdata.reporters", "mmdata.reporters")["json"]`` imports `mmdata.reporters.json` and no other reporter. A
module is named by the plugin's own name with every other character than letters and digits turned into ``_``
(``xcomposer-2.0`` lies in ``xcomposer_2_0.py``); modules that start with ``_`` are no plugins. Packages of others add
theirs with an entry point::

    [project.entry-points."mmdata.formats"]
    my-format = "my_package.my_format"
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions, entry_points
from multiprocessing import parent_process
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Generic, TypeVar

from mmdata.errors import UnknownName, UsageError

T = TypeVar("T")


class PluginError(UsageError):
    """A plugin exists and cannot be used; the message says why."""


class PluginWarning(UserWarning):
    """A plugin was left out of a listing, or hidden by another of the same name."""


class Registry(Mapping[str, T], Generic[T]):
    """The plugins of a package and of an entry-point group by name, each imported when it is first asked for.

    ``registry[name]`` imports that plugin alone. Iterating imports all, in order of name; one that cannot be used is
    left out with a `PluginWarning`, so that it does not take the others with it.

    Args:
        package: the package whose modules are plugins, for example ``"mmdata.formats"``.
        group: the entry-point group of plugins in other distributions.
        attribute: the attribute of the module that is the plugin; None: the module itself.
        kind: the word for error messages, for example ``"format"``.
        instance: ``"module:Class"`` of which a plugin must be an instance; None: anything goes.
    """

    def __init__(
        self, package: str, group: str, *, attribute: str | None, kind: str, instance: str | None = None
    ) -> None:
        self._package = package
        self._attribute = attribute
        self._kind = kind
        self._instance = instance
        self._loaded: dict[str, T] = {}
        self._modules = {
            stem(m.name): m.name for m in iter_modules(import_module(package).__path__) if m.name[0] != "_"
        }
        self._points: dict[str, list[EntryPoint]] = {}
        for point in sorted(points_of(group), key=lambda p: (p.name, p.value)):
            if stem(point.name) in self._modules:
                tell(f"{kind} {point.name!r} of {owner_of(point)} is hidden by mmdata's own of that name")
            elif point.value not in [p.value for p in self._points.get(point.name, ())]:
                self._points.setdefault(point.name, []).append(point)

    def __getitem__(self, name: str) -> T:
        """The plugin of that name.

        Raises:
            UnknownName: there is none; the message names the nearest.
            PluginError: there is one and it cannot be used.
        """
        if name not in self._loaded:
            module = self._modules.get(stem(name))
            if module is not None:
                plugin = self._own(module)
                if _own_name(plugin, module) != name:
                    raise UnknownName(self._kind, name, self._names())
            elif name in self._points:
                plugin = self._foreign(name)
            else:
                raise UnknownName(self._kind, name, self._names())
            self._loaded[name] = plugin
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a usable plugin of that name."""
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The plugin of that name, `default` if there is none or it cannot be used."""
        try:
            return self[name]
        except (UnknownName, PluginError):
            return default

    def __iter__(self) -> Iterator[str]:
        for name in self._names():
            try:
                self[name]
            except PluginError as error:
                tell(str(error))
            else:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{self._kind}s: {', '.join(self._names())}>"

    def is_foreign(self, name: str) -> bool:
        """Whether the plugin of that name is another distribution's."""
        return name in self._points

    def _names(self) -> list[str]:
        """Every name in order, of unusable plugins too."""
        names = list(self._points)
        for module in self._modules.values():
            try:
                names.append(_own_name(self._own(module), module))
            except PluginError:
                names.append(module.replace("_", "-"))
        return sorted(names)

    def _own(self, module: str) -> T:
        full = f"{self._package}.{module}"
        name = module.replace("_", "-")
        try:
            return self._picked(import_module(full))
        except ModuleNotFoundError as error:
            # The folder says that the module is there, so what is missing is something that it imports.
            raise PluginError(
                f"{self._kind} {name!r} needs the Python module {error.name!r}, which is not installed"
            ) from error

    def _foreign(self, name: str) -> T:
        point, *others = self._points[name]
        owner = owner_of(point)
        if others:
            raise PluginError(
                f"{self._kind} {name!r} is provided twice: by {owner} and by {owner_of(others[0])}"
            )
        try:
            plugin = self._picked(point.load())
        except ModuleNotFoundError as error:
            if error.name and f"{point.module}.".startswith(f"{error.name}."):
                raise PluginError(
                    f"{self._kind} {name!r} of {owner} is gone: there is no module {error.name!r}"
                ) from error
            raise PluginError(
                f"{self._kind} {name!r} of {owner} needs the Python module {error.name!r}, which is not installed"
            ) from error
        except (Exception, SystemExit) as error:
            # Code of others may fail in any way; it is told when, and only when, this plugin is asked for.
            raise PluginError(
                f"{self._kind} {name!r} of {owner} cannot be used: {type(error).__name__}: {error}"
            ) from error
        if self._instance is not None:
            module, _, wanted = self._instance.partition(":")
            if not isinstance(plugin, getattr(import_module(module), wanted)):
                raise PluginError(
                    f"{self._kind} {name!r} of {owner} is {type(plugin).__name__!r}, not {module}.{wanted}"
                )
        if _own_name(plugin, name) != name:
            raise PluginError(f"{self._kind} {name!r} of {owner} calls itself {_own_name(plugin, name)!r}")
        return plugin

    def _picked(self, loaded: Any) -> T:
        picked: T = (
            getattr(loaded, self._attribute) if self._attribute and isinstance(loaded, ModuleType) else loaded
        )
        return picked


def stem(name: str) -> str:
    """The module name of a plugin: ``xcomposer-2.0`` -> ``xcomposer_2_0``."""
    return re.sub(r"[^0-9A-Za-z]", "_", name)


def _own_name(plugin: object, module: str) -> str:
    own = getattr(plugin, "NAME", None) or getattr(plugin, "name", None)
    return own if isinstance(own, str) else module.replace("_", "-")


def owner_of(point: EntryPoint) -> str:
    """The distribution that declares an entry point, for messages."""
    return point.dist.name if point.dist is not None else point.value


def tell(message: str) -> None:
    """Warn of a plugin; worker processes keep quiet, as the process that started them has said it."""
    if parent_process() is None:
        # One place for all, so that Python shows each message once.
        warnings.warn(message, PluginWarning, stacklevel=1)


def points_of(group: str) -> list[EntryPoint]:
    """The entry points of a group; a distribution whose declarations cannot be read is left out with a warning."""
    try:
        return list(entry_points(group=group))
    except Exception:
        # One unreadable entry_points.txt spoils the listing of all: read them one by one.
        return _readable(group)


def _readable(group: str) -> list[EntryPoint]:
    found: list[EntryPoint] = []
    for one in distributions():
        try:
            found += one.entry_points.select(group=group)
        except Exception as error:
            _tell_once(f"the entry points of {one.name} cannot be read: {type(error).__name__}: {error}")
    return found


@cache
def _tell_once(message: str) -> None:
    tell(message)


@cache
def _registry(
    package: str, group: str, attribute: str | None, kind: str, instance: str | None
) -> Registry[Any]:
    return Registry(package, group, attribute=attribute, kind=kind, instance=instance)


def discover(
    package: str,
    group: str,
    *,
    attribute: str | None = None,
    kind: str | None = None,
    instance: str | None = None,
) -> Registry[Any]:
    """The plugins of a package and of an entry-point group; see `Registry`.

    Args:
        package: the package whose modules are plugins.
        group: the entry-point group of plugins in other distributions.
        attribute: the attribute of a module that is the plugin; None: the module itself.
        kind: the word for error messages; by default the last word of `group` without its ``s``.
        instance: ``"module:Class"`` of which a plugin must be an instance; None: anything goes.
    """
    return _registry(package, group, attribute, kind or group.rpartition(".")[2].removesuffix("s"), instance)


__all__ = ["PluginError", "PluginWarning", "Registry", "discover", "owner_of", "points_of", "stem", "tell"]
