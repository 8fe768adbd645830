"""Clinical patient ids become pseudonyms before anything is written; the key never leaves this machine's user."""

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

    Raises OutputError where the user has no such folder.
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
    """Return a stable name for a clinical patient id that tells nothing of it: HMAC-SHA-256 with the local key.

    The key is made at the first call, readable by its user alone. Raises RequestError where the file holds no key,
    OutputError where it cannot be made.
    """
    told = hmac.new(_key(key_file()), patient_id.strip().encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"p-{told[:16]}"


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
        got=f"{path or 'it'} cannot be made ({why})",
        remedy="set GADOLIN_PATIENT_KEY to a file that may be written",
    )


def _make(path: Path) -> None:
    """Write a new key; it appears whole, and one that another process made in the meantime stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # readable by its user alone
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        _appear(Path(temporary), path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _appear(temporary: Path, path: Path) -> None:
    """Link the file to ``path``, unless that exists."""
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
            rule="a patient key must be a readable file of hex digits",
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
