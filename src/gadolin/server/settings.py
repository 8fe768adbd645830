"""Settings of a service: address, access and limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from gadolin.errors import RequestError
from gadolin.server.addresses import host_name, is_loopback, named_host, root_path

__all__ = ["EVERYWHERE", "Limits", "Settings"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that stand for every address of this computer."""
_SHORTEST_TOKEN = 16


def _about(description: str) -> dict[str, object]:
    """Return what the API says about a limit: pydantic reads it from the field."""
    return {"description": description, "gt": 0}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request and of all waiting requests; each is above 0."""

    max_request_bytes: int = field(default=256 * 2**20, metadata=_about("Bytes of one request."))
    max_files: int = field(default=1000, metadata=_about("Files of one request, also within archives."))
    max_slices: int = field(default=2000, metadata=_about("Slices of one request."))
    max_pixels: int = field(
        default=16_000_000, metadata=_about("Pixels of a slice; checked in its header, before decoding.")
    )
    max_unpacked_bytes: int = field(default=512 * 2**20, metadata=_about("Unpacked bytes of a file or an archive."))
    max_seconds: float = field(default=20.0, metadata=_about("Seconds for decoding one file."))
    max_memory_bytes: int = field(default=2 * 2**30, metadata=_about("Bytes of memory for decoding one file."))
    max_queue: int = field(default=64, metadata=_about("Requests that run or wait."))
    max_waiting_bytes: int = field(default=2**30, metadata=_about("Total bytes of the requests that run or wait."))
    max_jobs: int = field(default=16, metadata=_about("Jobs that are kept."))

    def __post_init__(self) -> None:
        """Refuse limits that are not above 0."""
        for name, value in asdict(self).items():
            if not value > 0:
                raise RequestError(
                    code="setting_out_of_range",
                    rule=f"{name} must be above 0",
                    got=f"got {value}",
                    remedy="omit it for the default",
                )


@dataclass(frozen=True, slots=True)
class Settings:
    """Address and access of a service.

    Without a ``token`` it listens only on a loopback address. ``hosts`` are additional host names that requests may
    use, also from browsers behind a reverse proxy. ``root_path`` is its path there, whether or not the proxy removes
    it. ``workers`` is the number of decoding processes. ``access_log``: log a line for each request.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    access_log: bool = False

    def __post_init__(self) -> None:
        """Refuse a missing or short token, and invalid names and paths."""
        object.__setattr__(self, "host", self.host.strip("[]"))
        object.__setattr__(self, "hosts", tuple(named_host(name) for name in self.hosts))
        object.__setattr__(self, "root_path", root_path(self.root_path))
        if not self.local and not self.token:
            raise RequestError(
                code="token_needed",
                rule="a service that other computers can reach needs a token",
                got=f"{self.host} is reachable and has none",
                remedy="pass --token",
            )
        if self.token and (len(self.token) < _SHORTEST_TOKEN or not self.token.isascii()):
            raise RequestError(
                code="token_too_short",
                rule=f"a token must have {_SHORTEST_TOKEN} ASCII characters or more",
                got=f"got {len(self.token)}",
                remedy="use a longer one",
            )
        if not 0 <= self.port < 65536 or not 1 <= self.workers <= 64:
            raise RequestError(
                code="setting_out_of_range",
                rule="port must lie in 0 to 65535 and workers in 1 to 64",
                got=f"got {self.port} and {self.workers}",
                remedy="try 8000 and 2",
            )

    @property
    def local(self) -> bool:
        """Whether only this computer can reach the service."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Host names that requests may use, without port."""
        own = () if self.host in ("", *EVERYWHERE) else (host_name(self.host),)
        return frozenset((*_LOOPBACK, *own, *self.hosts))
