"""Clinical patient ids become pseudonyms before anything is written; the key never leaves this machine's user."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from functools import cache
from pathlib import Path

from gadolin.errors import OutputError, RequestError

__all__ = ["key_file", "pseudonym"]

_KEY_BYTES = 32


def key_file() -> Path:
    """Return ``$GADOLIN_PATIENT_KEY``, else ``gadolin/patients.key`` in the user's configuration folder."""
    chosen = os.environ.get("GADOLIN_PATIENT_KEY")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "gadolin" / "patients.key"


def pseudonym(patient_id: str) -> str:
    """Return a stable name for a clinical patient id that tells nothing of it: HMAC-SHA-256 with the local key.

    The key is made at the first call, readable by its user alone. Raises RequestError where the file holds no key,
    OutputError where it cannot be made.
    """
    told = hmac.new(_key(key_file()), patient_id.strip().encode(), hashlib.sha256).hexdigest()
    return f"p-{told[:16]}"


@cache
def _key(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _stored(path)
    except OSError as error:
        why = error.strerror or error
        msg = f"patient ids need a local key, {path} cannot be made ({why}); set GADOLIN_PATIENT_KEY to another file"
        raise OutputError(msg) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
    return _stored(path)


def _stored(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        msg = f"a patient key must be a readable file of hex digits, {path} is not; restore or remove it"
        raise RequestError(msg) from error
    if len(key) != _KEY_BYTES:
        msg = f"a patient key must have {_KEY_BYTES} bytes, {path} has {len(key)}; restore or remove it"
        raise RequestError(msg)
    return key
