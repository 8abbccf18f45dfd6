"""One GET of JSON with a deadline, by the standard library."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError, ServemixError
from servemix._text import shown

__all__ = ["DemandServerError", "checked_url", "get"]

_MAX_BYTES = 128 * 2**20
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
    sockets: list[socket.socket] = []
    outcome: list[tuple[int, bytes]] = []
    failure: list[BaseException] = []

    def exchange() -> None:
        try:
            outcome.append(_exchange(url, headers, timeout_s, sockets))
        except BaseException as error:
            failure.append(error)

    # A timeout of a socket begins anew with every byte. The deadline is of the whole, name lookup
    # and headers included, so another thread waits and then cuts the connection.
    worker = threading.Thread(target=exchange, daemon=True)
    worker.start()
    worker.join(timeout_s)
    if worker.is_alive():
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        raise _too_slow(url, timeout_s)
    if failure:
        raise failure[0]
    return outcome[0]


def _exchange(
    url: str, headers: Mapping[str, str], timeout_s: float, sockets: list[socket.socket]
) -> tuple[int, bytes]:
    """Send the request and read the whole answer; open sockets go to the list."""
    opener = urllib.request.build_opener(_NoRedirect, _Http(sockets), _Https(sockets))
    try:
        request = urllib.request.Request(url, headers=dict(headers))
        try:
            response = opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400:
                goal = shown(error.headers.get("Location", "?"))
                raise DemandServerError(
                    f"{_host(url)} redirects to {goal}: give that address"
                ) from None
            response = error
        with response:
            return int(response.status), _read(response, url)
    except TimeoutError:
        raise _too_slow(url, timeout_s) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _too_slow(url, timeout_s) from None
        raise DemandServerError(f"{_host(url)} cannot be reached: {error.reason}") from None
    except DemandServerError:
        raise
    except (http.client.HTTPException, OSError, ValueError, OverflowError) as error:
        raise DemandServerError(f"{_host(url)} cannot be read: {error!r}") from None


def _kept(kind: type[Any], sockets: list[socket.socket]) -> Any:
    """Make connections of a kind whose sockets go to the list."""

    class Connection(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    return Connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_kept(http.client.HTTPConnection, self._sockets), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_kept(http.client.HTTPSConnection, self._sockets), req)


def _read(response: Any, url: str) -> bytes:
    pieces = []
    size = 0
    while piece := response.read1(_CHUNK_BYTES):
        size += len(piece)
        if size > _MAX_BYTES:
            raise DemandServerError(f"{_host(url)} answers with more than {_MAX_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _too_slow(url: str, timeout_s: float) -> DemandServerError:
    return DemandServerError(f"{_host(url)} does not answer within {timeout_s:g} s")


def _host(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
