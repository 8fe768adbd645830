"""``gadolin plugins``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

from gadolin.cli.options import AsJson
from gadolin.cli.output import print_json, print_message, table

if TYPE_CHECKING:
    from gadolin.registry import Entry

REGISTRIES = {
    "backbone": "gadolin.networks.backbones:BACKBONES",
    "method": "gadolin.explanations.registry:METHODS",
    "reader": "gadolin.readers:READERS",
    "source": "gadolin.datasets.releases.registry:SOURCES",
    "check": "gadolin.checks.registry:CHECKS",
    "runtime": "gadolin.models.runtime:RUNTIMES",
}


def plugins(
    as_json: AsJson = False,
) -> None:
    """List backbones, readers and other extension points.

    These are backbones, explanation methods, readers, data sources, checks and runtimes, each with its package. Every
    plug-in is imported; if one cannot be used, its error is printed and the exit code is 1.
    """
    found = {kind: _entries(kind, home) for kind, home in REGISTRIES.items()}
    broken = [one for entries in found.values() for one in entries if one.error is not None]
    if as_json:
        print_json({"plugins": [_json(kind, one) for kind, entries in found.items() for one in entries]})
    else:
        rows = [[kind, one.name, one.origin, _state(one)] for kind, entries in found.items() for one in entries]
        print(table(["kind", "name", "from", "state"], rows, left=4, wrap=(1, 2)))
    for one in broken:
        print_message(f"gadolin: {one.error}")
    if broken:
        raise typer.Exit(1)


def _entries(kind: str, home: str) -> tuple[Entry, ...]:
    """Return the entries of a registry; if it needs a missing package, its plug-ins with that error."""
    from gadolin.errors import MissingExtraError
    from gadolin.registry import installed_entries

    module, _, name = home.partition(":")
    try:
        registry: Any = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == "gadolin":
            raise
        return installed_entries(f"gadolin.{kind}s", MissingExtraError(error.name))
    entries: tuple[Entry, ...] = registry.entries()
    return entries


def _state(one: Entry) -> str:
    return "ok" if one.error is None else one.error.code


def _json(kind: str, one: Entry) -> dict[str, object]:
    error = None if one.error is None else {**one.error.as_json(), "message": str(one.error)}
    return {
        "kind": kind,
        "name": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "error": error,
    }
