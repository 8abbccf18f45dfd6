"""One GET of JSON with a deadline, by the standard library."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError, ServemixError

__all__ = ["DemandServerError", "checked_url", "get"]

_MAX_BYTES = 512 * 2**20
_CHUNK_BYTES = 2**16


class DemandServerError(ServemixError, OSError):
    """A server that demand is read from does not answer, refuses, or lacks what is asked for."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: they would hand the caller's credentials to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, *rest: Any) -> None:
        return None


def checked_url(url: str) -> str:
    """Return the URL without a slash at its end.

    Raises
    ------
    InvalidInputError
        It is no http or https URL with a host, or it has a user name or a query.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        if "@" in parts.netloc:
            # Said without the address, which holds a password.
            raise InvalidInputError("url: has a user name in it; credentials are sent as a header")
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except InvalidInputError:
        raise
    except ValueError as error:
        raise InvalidInputError(f"url: {url!r}: {error}") from None
    if not named or parts.query or parts.fragment:
        raise InvalidInputError(f"url: {url!r} is no address such as http://host:9090")
    return url.rstrip("/")


def get(url: str, *, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
    """Get what a URL names.

    Parameters
    ----------
    url
        The URL.
    headers
        Header fields to send, such as ``Authorization``.
    timeout_s
        Most seconds that the whole answer may take.

    Returns
    -------
    tuple of int and bytes
        HTTP status and body; errors of the server's own too, since their bodies say what is wrong.

    Raises
    ------
    DemandServerError
        The server cannot be reached, does not answer in time, or answers with a redirect.
    """
    deadline = time.monotonic() + timeout_s
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        request = urllib.request.Request(url, headers=dict(headers))
        try:
            response = opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400:
                goal = error.headers.get("Location", "?")
                raise DemandServerError(
                    f"{_host(url)} redirects to {goal}: give that address"
                ) from None
            response = error
        with response:
            return int(response.status), _read(response, deadline, url, timeout_s)
    except TimeoutError:
        raise _too_slow(url, timeout_s) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _too_slow(url, timeout_s) from None
        raise DemandServerError(f"{_host(url)} cannot be reached: {error.reason}") from None
    except (http.client.HTTPException, ConnectionError, socket.gaierror, ValueError) as error:
        raise DemandServerError(f"{_host(url)} cannot be read: {error!r}") from None


def _read(response: Any, deadline: float, url: str, timeout_s: float) -> bytes:
    """Read a body in pieces, so that a server that dribbles meets the deadline as well."""
    pieces = []
    size = 0
    while piece := response.read1(_CHUNK_BYTES):
        size += len(piece)
        if time.monotonic() > deadline:
            raise _too_slow(url, timeout_s)
        if size > _MAX_BYTES:
            raise DemandServerError(f"{_host(url)} answers with more than {_MAX_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _too_slow(url: str, timeout_s: float) -> DemandServerError:
    return DemandServerError(f"{_host(url)} does not answer within {timeout_s:g} s")


def _host(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
