"""HTTP to an archive: who we are, what is trusted, and one error for each way in which it fails."""

from __future__ import annotations

import io
import ipaddress
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ReadTimeoutError

from gadolin.errors import ArchiveError, GadolinError, RequestError

__all__ = ["Access", "archive_address", "archive_errors", "invalid_answer", "open_session", "pieces"]

_MOST_BYTES: Final = 256 * 2**20  # of an answer that is read into memory
_PIECE: Final = 2**16
_LONGEST_SECONDS: Final = 1800.0  # of one answer
_LACKING: Final = (404, 406, 410, 415)  # statuses for an object that is not there, or not in an acceptable form
_STREAMED: Final = "multipart/related"


@dataclass(frozen=True, slots=True)
class Access:
    """How an archive is accessed.

    The token is in ``token_file`` or in the environment variable ``token_variable``: a bearer token, or a whole value
    of the header Authorization, such as "Basic dXNlcjpwYXNz". It is read again for each request. ``certificate`` and
    ``key`` are the PEM files of the client; without ``key``, the certificate file holds both. ``authorities`` is a PEM
    file of the authorities to trust, in place of those that come with certifi. ``timeout`` is the longest silence of
    the archive in seconds. ``plain_http`` allows a token over http to another computer.
    """

    token_file: Path | None = None
    token_variable: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    timeout: float = 30.0
    plain_http: bool = False

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return self.token_file is not None or self.token_variable is not None

    def authorization(self) -> str | None:
        """Return the value of the header Authorization, or None; raises RequestError if there is no valid token."""
        if self.token_file is not None:
            source = f"the file {self.token_file}"
            text = _text_of(self.token_file)
        elif self.token_variable is not None:
            source = f"the variable {self.token_variable}"
            text = os.environ.get(self.token_variable, "")
        else:
            return None
        token = text.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise RequestError(
                code="token_invalid",
                rule="a token must be one line of ASCII characters",
                got=f"{source} holds {'none' if not token else 'something else'}",
                remedy="write the token, and nothing else, there",
            )
        return token if " " in token else f"Bearer {token}"


def archive_address(url: str, access: Access) -> str:
    """Return the address of an archive without a final slash; raises RequestError for one that may not be used."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
        raise RequestError(
            code="archive_address_invalid",
            rule="an archive must be an address such as https://archive.example/dicom-web",
            got="this one is of another form, or holds a user name, a query or a fragment",
            remedy="check the address; a password goes into the token file",
        )
    if access.has_token and parts.scheme == "http" and not access.plain_http and not _is_loopback(host):
        raise RequestError(
            code="token_needs_https",
            rule="a token is sent to another computer over https only",
            got="this address is http",
            remedy="use https, or allow http in a network that no one else listens to",
        )
    return url.rstrip("/")


def open_session(access: Access) -> requests.Session:
    """Return a session that follows no redirect and ignores the environment (proxies, .netrc, certificates).

    Raises RequestError for a file of ``access`` that is missing, and for a token that is not valid.
    """
    access.authorization()
    for path in filter(None, (access.certificate, access.key, access.authorities)):
        _text_of(path)
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.headers["Accept-Encoding"] = "identity"
    session.auth = _Signed(access)
    session.verify = True if access.authorities is None else str(access.authorities)
    if access.certificate is not None:
        names = (str(access.certificate), str(access.key)) if access.key else str(access.certificate)
        session.cert = names
    session.hooks["response"] = [lambda response, **_: _closed_if_wrong(response)]
    return session


class _Signed(requests.auth.AuthBase):
    """Adds the token to a request, and lets http.client set the Host: dicomweb-client leaves out its port."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Host", None)
        try:
            value = self._access.authorization()
        except RequestError as error:  # it was valid when the session was opened
            raise ArchiveError(
                code="token_gone", rule="the token must stay readable", got=error.statement, remedy=error.remedy
            ) from error
        if value is not None:
            request.headers["Authorization"] = value
        return request


def _closed_if_wrong(response: requests.Response) -> requests.Response:
    try:
        return _checked(response)
    except BaseException:
        response.close()
        raise


def _checked(response: requests.Response) -> requests.Response:
    """Return an answer, read and bounded unless it is to be streamed; raises ArchiveError for one that is an error.

    Statuses with which an archive reports on single instances pass.
    """
    status = response.status_code
    if status in (401, 403):
        raise ArchiveError(
            code="archive_refused",
            rule="the archive must accept the token or the certificate",
            got=f"it refuses with status {status}",
            remedy="check them, and what they permit",
        )
    if 300 <= status < 400:
        raise ArchiveError(
            code="archive_redirects",
            rule="an archive must answer at its address",
            got=f"it redirects to {_host_of(response.headers.get('Location', ''))}; redirects are not followed",
            remedy="give the address of its DICOMweb services",
        )
    if status in _LACKING and response.request.method == "GET":
        raise ArchiveError(
            code="archive_lacks_object",
            rule="the archive must have what is requested",
            got=f"it answers with status {status}",
            remedy="check the address and the UIDs",
        )
    if status >= 400 and not (response.request.method == "POST" and status == 409):
        raise ArchiveError(
            code="archive_failed",
            rule="the archive must answer",
            got=f"it fails with status {status}",
            remedy="check the address and the log of the archive",
        )
    if str(response.request.headers.get("Accept", "")).startswith(_STREAMED):
        return response
    answer = requests.Response()
    answer.status_code, answer.request = status, response.request
    answer.headers["Content-Type"] = response.headers.get("Content-Type", "")
    with response:
        answer.raw = io.BytesIO(b"".join(pieces(response, _MOST_BYTES)))
    return answer


def pieces(response: requests.Response, most: int) -> Iterator[bytes]:
    """Yield the body of an answer; raises ArchiveError if it has more than ``most`` bytes or takes too long."""
    size, last = 0, time.monotonic() + _LONGEST_SECONDS
    for piece in response.iter_content(_PIECE):
        size += len(piece)
        if size > most:
            raise ArchiveError(
                code="archive_answer_too_large",
                rule=f"an answer of the archive may hold at most {most:,} bytes",
                got="this one holds more",
                remedy="check the archive",
            )
        if time.monotonic() > last:
            raise _too_slow()
        yield piece


@contextmanager
def archive_errors() -> Iterator[None]:
    """Raise the errors of HTTP and of answers that cannot be understood as ArchiveError, without an address."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise ArchiveError(
            code="archive_tls_failed",
            rule="the TLS connection to the archive must be trusted on both sides",
            got=f"it is not ({_words(error)})",
            remedy="check the authorities file and the client certificate",
        ) from None
    except requests.Timeout:
        raise _too_slow() from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        if error.args and isinstance(error.args[0], ReadTimeoutError):
            raise _too_slow() from None
        raise ArchiveError(
            code="archive_unreachable",
            rule="the archive must be reachable",
            got=f"the connection failed ({_words(error)})",
            remedy="check the address and that the archive runs",
        ) from None
    except (requests.RequestException, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, GadolinError):
            raise
        raise invalid_answer(type(error).__name__) from None


def invalid_answer(what: str) -> ArchiveError:
    """Return the error for an answer that is not what the standard prescribes."""
    return ArchiveError(
        code="archive_answer_invalid",
        rule="the archive must answer in DICOM JSON or DICOM files",
        got=f"it sends something else ({what})",
        remedy="check that the address is that of its DICOMweb services",
    )


def _too_slow() -> ArchiveError:
    return ArchiveError(
        code="archive_too_slow",
        rule="the archive must answer in time",
        got="it does not",
        remedy="check the archive, or allow more time",
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RequestError(
            code="access_file_unreadable",
            rule="the files of token, certificate, key and authorities must be readable text",
            got=f"this one is not ({getattr(error, 'strerror', None) or 'not text'})",
            remedy="check the path and its permissions",
            path=path,
        ) from error


def _words(error: BaseException) -> str:
    """Return the message of the operating system or of TLS behind an error; those of requests quote addresses."""
    found = "no answer"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            found = str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return found


def _host_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
