"""Check and normalise the host names and the root path of a service."""

from __future__ import annotations

import ipaddress
import re

from gadolin.errors import RequestError

__all__ = ["host_name", "is_address", "is_loopback", "named_host", "root_path"]

_ROOT = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_RESERVED = ("v1", "static", "health", "ready", "metrics", "docs")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def host_name(netloc: str) -> str:
    """Return the host in a Host header or netloc, without port or final dot; an IP address in its short form."""
    text = netloc.strip().lower()
    if text.startswith("["):
        name = text[1:].partition("]")[0]
    else:
        name = text if text.count(":") > 1 else text.partition(":")[0]
        name = name.removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def is_address(name: str) -> bool:
    """Return whether a host is an IP address. DNS rebinding cannot fake one, only a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a host is localhost or a loopback address, which only this computer can reach."""
    name = host_name(host)
    return ipaddress.ip_address(name).is_loopback if is_address(name) else name == "localhost"


def named_host(text: str) -> str:
    """Return a host as browsers send it, in lower case and ASCII; raises RequestError if ``text`` is not a host."""
    try:
        name = "" if "/" in text else host_name(text.strip().encode("idna").decode("ascii"))
    except UnicodeError:
        name = ""
    if not is_address(name) and not _NAME.fullmatch(name):
        raise RequestError(
            code="host_invalid",
            rule="a host must be a name or an IP address, without a scheme or path",
            got=f"got {text!r}",
            remedy="use the form scans.example.org",
        )
    return name


def root_path(text: str) -> str:
    """Return the root path without a final slash, "" for none; raises RequestError if it is not valid."""
    path = text.rstrip("/")
    if path and (not _ROOT.fullmatch(path) or path.split("/")[1] in _RESERVED):
        raise RequestError(
            code="root_path_invalid",
            rule="a root path must be one /name or more, each of letters, digits and -._~; "
            f"the first name must not be {' or '.join(_RESERVED)}",
            got=f"got {text!r}",
            remedy="use the form /gadolin",
        )
    return path
