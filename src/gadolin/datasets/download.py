"""Resumable HTTP downloads; a file gets its final name only after its checksum is verified."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from gadolin.errors import DownloadError, OutputError
from gadolin.progress import Progress

__all__ = ["Remote", "download", "fetch_json", "partial"]


Result = TypeVar("Result")

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 30.0
_TRIES = 5
_MAX_LISTING_BYTES = 1 << 20
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LATER = "run the same command again later to resume"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as listed by its publisher: ``size`` in bytes, ``md5`` in lower-case hex."""

    name: str
    url: str
    size: int
    md5: str


class _BrokenOffError(Exception):
    """A try failed, but another may succeed."""


def partial(target: Path) -> Path:
    """Return the temporary name of a file until it is complete and verified."""
    return target.with_name(f"{target.name}.part")


def download(
    remote: Remote, target: Path, *, progress: Progress | None = None, tries: int = _TRIES, pause_seconds: float = 1.0
) -> None:
    """Fetch ``remote`` to ``target``, which appears only once size and checksum are verified.

    Until then the bytes are in ``partial(target)``, where another call resumes. ``progress`` is called with
    (bytes so far, total bytes, name). A failing connection is tried ``tries`` times, with growing pauses.
    Raises DownloadError if the server fails, or sends another size or other bytes; OutputError if they cannot be
    written.
    """
    if target.is_file():
        return
    part = partial(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.is_file() and part.stat().st_size > remote.size:
            part.unlink()
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        _with_retries(lambda: _resume(remote, part, progress), tries, pause_seconds)
    except _BrokenOffError as error:
        raise DownloadError(
            code="download_incomplete",
            rule=f"{remote.name} must be downloaded completely",
            got=f"{_size(part):,} of {remote.size:,} bytes arrived in {tries} tries ({error})",
            remedy=_LATER,
        ) from error
    _check(remote, part)
    try:
        part.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def fetch_json(url: str, *, tries: int = 3, pause_seconds: float = 1.0) -> object:
    """Return the JSON document at ``url``, at most 1 MiB; raises DownloadError on failure."""
    try:
        content = _with_retries(lambda: _read_listing(url), tries, pause_seconds)
    except _BrokenOffError as error:
        raise DownloadError(
            code="download_no_answer",
            rule=f"{url} must answer",
            got=f"it did not in {tries} tries ({error})",
            remedy=_LATER,
        ) from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DownloadError(
            code="listing_not_json",
            rule="a listing must be JSON",
            got=f"{url} sends something else",
            remedy="try again later or check the page",
        ) from error


def _with_retries(attempt: Callable[[], Result], tries: int, pause_seconds: float) -> Result:
    """Return the result of ``attempt``, called up to ``tries`` times with growing pauses; raises its last error."""
    for number in range(tries - 1):
        try:
            return attempt()
        except _BrokenOffError:
            time.sleep(pause_seconds * 2**number)
    return attempt()


def _read_listing(url: str) -> bytes:
    with _open(url, 0) as response:
        try:
            content = response.read(_MAX_LISTING_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(_reason(error)) from error
        length = response.headers.get("Content-Length", "")
    if len(content) > _MAX_LISTING_BYTES:
        raise DownloadError(
            code="listing_too_large",
            rule=f"a listing may hold at most {_MAX_LISTING_BYTES:,} bytes",
            got=f"{url} sends more",
            remedy="report it",
        )
    if length.isdecimal() and len(content) < int(length):
        msg = f"the connection ended after {len(content):,} bytes"
        raise _BrokenOffError(msg)
    return content


def _resume(remote: Remote, part: Path, progress: Progress | None) -> None:
    """Append to ``part`` until it has the listed size; raises _BrokenOffError if the connection ends earlier."""
    have = _size(part)
    if have == remote.size:
        return
    with _open(remote.url, have) as response:
        if have and not _continues(response, have):
            have = 0
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != remote.size - have:
            raise DownloadError(
                code="download_size_differs",
                rule=f"{remote.name} must have the {remote.size:,} bytes of its listing",
                got=f"the server announces {have + int(length):,}",
                remedy="try again later, and report it if that persists",
            )
        try:
            file = part.open("ab" if have else "wb")
        except OSError as error:
            raise _unwritable(part, error) from error
        with file:
            have = _copy(response, file, have, remote, progress)
    if have < remote.size:
        msg = f"the connection ended after {have:,} bytes"
        raise _BrokenOffError(msg)


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], have: int, remote: Remote, progress: Progress | None
) -> int:
    """Copy the response up to the listed size; return the new size of the file."""
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(_reason(error)) from error
        if not chunk:
            return have
        if have + len(chunk) > remote.size:
            raise DownloadError(
                code="download_size_differs",
                rule=f"{remote.name} must have the {remote.size:,} bytes of its listing",
                got="the server sends more",
                remedy="try again later, and report it if that persists",
            )
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise _unwritable(Path(file.name), error) from error
        have += len(chunk)
        if progress is not None:
            progress(have, remote.size, remote.name)


def _open(url: str, start: int) -> http.client.HTTPResponse:
    """Request ``url`` from byte ``start``; raises _BrokenOffError if another try may succeed, else DownloadError."""
    address = urllib.parse.urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost")):
        raise DownloadError(
            code="download_not_https",
            rule="a file must be fetched over https",
            got=f"its listing has {url!r}",
            remedy="report it",
        )
    headers = {"User-Agent": "gadolin", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _AGAIN:
            raise _BrokenOffError(_reason(error)) from error
        raise DownloadError(
            code="download_refused",
            rule=f"{url} must exist",
            got=f"the server answers {error.code} {error.reason}",
            remedy="check the page of the data set",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(_reason(error)) from error
    if response.status not in (200, 206):
        status = response.status
        response.close()
        msg = f"HTTP {status}"
        raise _BrokenOffError(msg)
    return response


def _continues(response: http.client.HTTPResponse, start: int) -> bool:
    """Return whether the response is partial from byte ``start``; raises _BrokenOffError for another range."""
    if response.status != 206:
        return False
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {start}-"):
        msg = f"requested bytes from {start:,}, the server sends {content_range!r}"
        raise _BrokenOffError(msg)
    return True


def _check(remote: Remote, part: Path) -> None:
    with part.open("rb") as file:
        got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if got != remote.md5.lower():
        part.unlink()
        raise DownloadError(
            code="download_checksum_differs",
            rule=f"{remote.name} must have the published checksum {remote.md5}",
            got=f"the download has {got} and was deleted",
            remedy="run the same command again",
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _unwritable(path: Path, error: OSError) -> OutputError:
    why = error.strerror or str(error)
    return OutputError(code="unwritable", rule=f"cannot write {path}: {why}", remedy=f"free space, then {_LATER}")
