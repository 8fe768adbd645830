"""TLS certificates for tests: an authority, and certificates of it, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["NEEDS_OPENSSL", "Pair", "authority", "certificate"]

_OPENSSL = shutil.which("openssl")
NEEDS_OPENSSL = pytest.mark.skipif(_OPENSSL is None, reason="openssl is not installed")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Pair(NamedTuple):
    """The PEM files of a certificate and its key."""

    certificate: Path
    key: Path


def authority(folder: Path, name: str = "authority") -> Pair:
    """Make a certificate authority."""
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.certificate)
    return made


def certificate(folder: Path, name: str, signer: Pair) -> Pair:
    """Make a certificate for 127.0.0.1 and localhost that an authority signs."""
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    signed = ("-CA", signer.certificate, "-CAkey", signer.key)
    _openssl(
        "req", "-x509", *_KEY, "-subj", f"/CN={name}", *names, *signed, "-keyout", made.key, "-out", made.certificate
    )
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run([str(_OPENSSL), *map(str, arguments)], check=True, capture_output=True)
