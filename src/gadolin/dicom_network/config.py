"""The configuration of a DICOM node: a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gadolin.errors import RequestError, printable
from gadolin.records import SEQUENCES

__all__ = ["Caller", "Destination", "Limits", "Listen", "NodeConfig", "Series", "Tls", "read_config"]

Title = Annotated[str, StringConstraints(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
"""An application entity title: 1 to 16 ASCII characters without backslash, control characters or outer blanks."""
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Table):
    """Certificate and key of this node, and the authorities that the other side's certificate must come from."""

    certificate: Path
    key: Path
    authorities: Path


class Listen(_Table):
    """Where the node listens. Other computers reach it only with ``tls``, or with ``unencrypted`` set to true."""

    ae_title: Title = "GADOLIN"
    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: Port = 11112
    tls: Tls | None = None
    unencrypted: bool = False
    metrics_address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    metrics_port: Port | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.address.is_loopback and self.tls is None and not self.unencrypted:
            msg = "an address that other computers reach needs listen.tls, or unencrypted = true"
            raise ValueError(msg)
        return self


class Caller(_Table):
    """A peer that may send images: its AE title, and the address or network that it calls from."""

    ae_title: Title
    address: IPv4Network | IPv6Network


class Destination(_Table):
    """An archive that gets the results: by C-STORE (``ae_title``, ``address``, ``port``) or STOW-RS (``url``)."""

    name: Name
    ae_title: Title | None = None
    address: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Tls | None = None
    url: str | None = None
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        store = (self.ae_title, self.address, self.port)
        web = (self.token_file, self.certificate, self.key, self.authorities)
        if self.url is None and (None in store or any(web)):
            msg = "a destination needs ae_title, address and port for C-STORE, or url for STOW-RS"
            raise ValueError(msg)
        if self.url is not None and (any(store) or self.tls):
            msg = "a destination with url takes token_file, certificate, key and authorities"
            raise ValueError(msg)
        if self.key is not None and self.certificate is None:
            msg = "a destination with key needs certificate"
            raise ValueError(msg)
        return self


class Series(_Table):
    """Which series are answered, and when.

    A series is answered once no image has come for ``wait_seconds``, and in any case ``longest_seconds`` after the
    first image that is not answered. ``keep_seconds`` after its results are sent, it is deleted; until then, a late
    image makes new results of all its images. ``sequences`` restricts the answers to these MRI sequences; empty for
    all.
    """

    wait_seconds: Seconds = 30.0
    longest_seconds: Seconds = 1800.0
    keep_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3600.0
    sequences: tuple[str, ...] = ()
    overlays: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        for one in self.sequences:
            if one not in SEQUENCES:
                msg = f"sequences may hold {', '.join(SEQUENCES)}"
                raise ValueError(msg)
        return self


class Limits(_Table):
    """Limits of what peers may use."""

    associations: Annotated[int, Field(ge=1, le=200)] = 16
    pdu_bytes: Annotated[int, Field(ge=4096, le=2**20)] = 2**17
    instance_bytes: Positive = 256 * 2**20
    receiving_bytes: Positive = 2**30
    instances_per_study: Positive = 10_000
    bytes_per_study: Positive = 8 * 2**30
    free_bytes: Annotated[int, Field(ge=0)] = 2**30
    silent_seconds: Seconds = 30.0
    message_seconds: Seconds = 300.0
    answer_seconds: Seconds = 900.0
    answer_memory_bytes: Positive = 4 * 2**30


class NodeConfig(_Table):
    """A node: its spool folder, address, callers, destinations, series and limits."""

    spool: Path
    listen: Listen = Listen()
    callers: Annotated[tuple[Caller, ...], Field(min_length=1)]
    destinations: Annotated[tuple[Destination, ...], Field(min_length=1)]
    series: Series = Series()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.destinations]
        if len(set(names)) < len(names):
            msg = "each destination needs a name of its own"
            raise ValueError(msg)
        return self


def read_config(path: Path) -> NodeConfig:
    """Read the configuration of a node; relative paths in it start from its folder.

    Raises RequestError if it cannot be read or a value is missing, unknown or out of range.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
        found = NodeConfig.model_validate(values)
    except OSError as error:
        raise _invalid(path, "the configuration must be a readable file", error.strerror or "") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _invalid(path, _sentence(dict(first))) from error
    except ValueError as error:  # also text that is not UTF-8
        raise _invalid(path, "the configuration must be TOML in UTF-8", str(error)) from error
    return _absolute(found, path.absolute().parent)


def _sentence(found: Mapping[str, Any]) -> str:
    """Return where a value is wrong and why."""
    keys = [str(one) for one in found["loc"] if isinstance(one, int) or one.isidentifier()]  # others name types
    reason = found.get("ctx", {}).get("error", found["msg"])
    return f"{'.'.join(keys)}: {reason}" if keys else str(reason)


def _absolute(config: NodeConfig, folder: Path) -> NodeConfig:
    """Return the configuration with every path absolute, after checking that its files exist."""

    def moved(table: _Table) -> dict[str, object]:
        changed: dict[str, object] = {}
        for name in type(table).model_fields:
            value = getattr(table, name)
            if isinstance(value, Path):
                changed[name] = folder / value
                if name != "spool":
                    _require_file(folder / value, name)
            elif isinstance(value, _Table):
                changed[name] = value.model_copy(update=moved(value))
            elif isinstance(value, tuple) and value and isinstance(value[0], _Table):
                changed[name] = tuple(one.model_copy(update=moved(one)) for one in value)
        return changed

    return config.model_copy(update=moved(config))


def _require_file(path: Path, name: str) -> None:
    if not path.is_file():
        raise _invalid(path, f"{name} must be an existing file", "there is none")


def _invalid(path: Path, rule: str, got: str = "") -> RequestError:
    return RequestError(
        code="node_config_invalid",
        rule=printable(rule),
        got=printable(got),
        remedy="see docs/node.md",
        path=path,
    )
