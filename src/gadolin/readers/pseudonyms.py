"""Pseudonyms for clinical patient ids; ids are hashed before any output, with a key that only this user can read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from functools import cache
from pathlib import Path

from gadolin.errors import OutputError, RequestError

__all__ = ["key_file", "pseudonym"]

_KEY_BYTES = 32


def key_file() -> Path:
    """Return ``$GADOLIN_PATIENT_KEY``, else ``gadolin/patients.key`` in the user's configuration folder.

    Raises OutputError if the user has no such folder.
    """
    chosen = os.environ.get("GADOLIN_PATIENT_KEY")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    try:
        return (Path(base) if base else Path.home() / ".config") / "gadolin" / "patients.key"
    except RuntimeError as error:
        raise _unwritable(None, "this user has no home folder") from error


def pseudonym(patient_id: str) -> str:
    """Return a stable pseudonym for a clinical patient id: HMAC-SHA-256 with the local key.

    The first call creates the key, readable by its user only. Raises RequestError if the file holds no key,
    OutputError if it cannot be created.
    """
    digest = hmac.new(_key(key_file()), patient_id.strip().encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"p-{digest[:16]}"


@cache
def _key(path: Path) -> bytes:
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    return _stored(path)


def _unwritable(path: Path | None, why: str) -> OutputError:
    return OutputError(
        code="patient_key_unwritable",
        rule="patient ids need a local key",
        got=f"{path or 'it'} cannot be created ({why})",
        remedy="set GADOLIN_PATIENT_KEY to a writable file",
    )


def _make(path: Path) -> None:
    """Write a new key atomically; a key that another process created in the meantime stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # readable by its user only
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        _appear(Path(temporary), path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _appear(temporary: Path, path: Path) -> None:
    """Link the file to ``path`` unless that exists."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # some file systems have no links
        if not path.exists():
            temporary.replace(path)


def _stored(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise RequestError(
            code="patient_key_invalid",
            rule="a patient key must be a readable file of hexadecimal digits",
            got=f"{path} is not",
            remedy="restore or remove it",
        ) from error
    if len(key) != _KEY_BYTES:
        raise RequestError(
            code="patient_key_invalid",
            rule=f"a patient key must have {_KEY_BYTES} bytes",
            got=f"{path} has {len(key)}",
            remedy="restore or remove it",
        )
    return key
