"""Registries: the six parts of Gadolin that other packages can extend, by name.

A package adds one through an entry point, such as ``[project.entry-points."gadolin.readers"]`` in its pyproject.toml.
Entry points are looked up when a name is requested that Gadolin does not provide itself, or when names are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gadolin._version import __version__
from gadolin.errors import GadolinError, PluginError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Entry", "Registry", "installed", "installed_entries"]

T = TypeVar("T")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a registry: the distribution that provides it, and the error if it cannot be used."""

    name: str
    distribution: str
    version: str
    error: GadolinError | None = None

    @property
    def origin(self) -> str:
        """Distribution and version, such as "gadolin 0.1.0"."""
        return f"{self.distribution} {self.version}".rstrip()


@dataclass(eq=False)
class Registry(Generic[T]):
    """Values by name: built-in ones, then those of installed packages.

    ``group`` is the entry-point group. ``wanted`` describes a valid value, ``accepts`` checks it. ``unknown`` makes the
    error for an unknown name, from that name and all usable names. ``built_in`` maps a name to its value, or to its
    address "module:attribute", which is imported on first request. ``reserved`` returns whether Gadolin reserves a name
    that is not in ``built_in``.

    A plug-in cannot replace a built-in value. If two packages provide one name, neither is used, so that the meaning of
    a name does not depend on the order of installation. Methods raise PluginError for a plug-in that is refused, does
    not import, or is not ``wanted``.
    """

    group: str
    wanted: str
    accepts: Callable[[object], bool]
    unknown: Callable[[str, tuple[str, ...]], GadolinError]
    built_in: dict[str, T | str] = field(default_factory=dict)
    reserved: Callable[[str], bool] = lambda _name: False
    _loaded: dict[str, T | PluginError] = field(default_factory=dict, init=False, repr=False)

    def register(self, name: str) -> Callable[[Value], Value]:
        """Return a decorator that adds a built-in value under ``name``."""

        def add(value: Value) -> Value:
            assert name not in self.built_in, f"{name} is built in already"
            self.built_in[name] = value  # type: ignore[assignment]  # the decorator keeps the type of what it gets
            return value

        return add

    def get(self, name: str) -> T:
        """Return the value with this name; raises the error of ``unknown`` if there is none."""
        if name in self.built_in:
            return self._built_in(name)
        value = self._plugin(name)
        if value is None:
            raise self.unknown(name, self.names())
        if isinstance(value, PluginError):
            raise value
        return value

    __getitem__ = get

    def __contains__(self, name: str) -> bool:
        """Return whether a name can be used."""
        if name in self.built_in:
            return True
        return name in self._installed() and not isinstance(self._plugin(name), PluginError)

    def __iter__(self) -> Iterator[str]:
        """Iterate over ``names()``."""
        return iter(self.names())

    def __len__(self) -> int:
        """Return how many names can be used."""
        return len(self.names())

    def names(self) -> tuple[str, ...]:
        """Return the usable names: the built-in ones in their order, then those of plug-ins, sorted."""
        return (*self.built_in, *self.plugins())

    def items(self) -> tuple[tuple[str, T], ...]:
        """Return the usable names with their values."""
        return tuple((name, self.get(name)) for name in self.names())

    def plugins(self) -> dict[str, T]:
        """Return the values of usable plug-ins, by name."""
        found = {name: self._plugin(name) for name in sorted(self._installed())}
        return {name: one for name, one in found.items() if one is not None and not isinstance(one, PluginError)}

    def entries(self) -> tuple[Entry, ...]:
        """Return every name with its origin, plug-ins after built-in ones; unusable entries have an error."""
        built_in = [Entry(name, "gadolin", __version__) for name in self.built_in]
        others = []
        for name, points in sorted(self._installed().items()):
            for point in points:
                value = self._refused(name, points) if name in self.built_in else self._plugin(name)
                others.append(Entry(name, *_distribution(point), value if isinstance(value, PluginError) else None))
        return (*built_in, *others)

    def provider(self, name: str) -> str:
        """Return the distribution and version that provide a name, such as "gadolin 0.1.0", or ""."""
        if name in self.built_in:
            return f"gadolin {__version__}"
        points = self._installed().get(name, ())
        return " and ".join(" ".join(_distribution(point)).rstrip() for point in points)

    def _installed(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        return installed(self.group)

    def _built_in(self, name: str) -> T:
        value = self.built_in[name]
        if isinstance(value, str):
            module, _, attribute = value.partition(":")
            made: T = getattr(import_module(module), attribute)
            self.built_in[name] = made
            return made
        return value

    def _plugin(self, name: str) -> T | PluginError | None:
        """Return the value of a plug-in, the error if it is unusable, or None if no plug-in has this name."""
        points = self._installed().get(name)
        if points is None:
            return None
        if name not in self._loaded:
            self._loaded[name] = self._refused(name, points) or self._load(name, points[0])
        return self._loaded[name]

    def _refused(self, name: str, points: tuple[EntryPoint, ...]) -> PluginError | None:
        """Return why a plug-in of this name is not used, or None."""
        if name in self.built_in or self.reserved(name):
            return PluginError(
                code="plugin_name_taken",
                rule=f"a plug-in must not take a name that Gadolin provides in {self.group}",
                got=f"{self._providers(points)} provides {name!r}",
                remedy="rename its entry point",
            )
        if len(points) > 1:
            return PluginError(
                code="plugin_name_twice",
                rule=f"a name must have one plug-in in {self.group}",
                got=f"{name!r} is provided by {self._providers(points)}",
                remedy="uninstall one of them",
            )
        return None

    def _load(self, name: str, point: EntryPoint) -> T | PluginError:
        try:
            value: Any = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- a broken plug-in must not stop the rest
            words = " ".join(str(error).split())[:300]
            return PluginError(
                code="plugin_unloadable",
                rule=f"the plug-in {name!r} of {self._providers((point,))} must import",
                got=f"{point.value} raises {type(error).__name__}{words and f': {words}'}",
                remedy="repair or uninstall it",
            )
        own_name = getattr(value, "name", name)
        if not self.accepts(value) or (isinstance(own_name, str) and own_name != name):
            got = f"{point.value} is of type {type(value).__name__}"
            return PluginError(
                code="plugin_invalid",
                rule=f"the plug-in {name!r} of {self._providers((point,))} must be {self.wanted}",
                got=f"{point.value} has the name {own_name!r}" if self.accepts(value) else got,
                remedy="repair or uninstall it",
            )
        made: T = value
        return made

    def _providers(self, points: tuple[EntryPoint, ...]) -> str:
        return " and ".join(" ".join(_distribution(point)).rstrip() for point in points)


@cache
def installed(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name; those of one name are sorted by distribution."""
    from importlib import metadata  # deferred: a slow import

    found: dict[str, list[EntryPoint]] = {}
    for point in metadata.entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return {name: tuple(sorted(points, key=_distribution)) for name, points in found.items()}


def installed_entries(group: str, error: GadolinError) -> tuple[Entry, ...]:
    """Return the entries of a group whose registry cannot be imported, each with the reason."""
    points = [point for _, points in sorted(installed(group).items()) for point in points]
    return tuple(Entry(point.name, *_distribution(point), error) for point in points)


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return ("an unknown package", "") if point.dist is None else (point.dist.name, point.dist.version)
