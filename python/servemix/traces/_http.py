"""One GET of JSON with a deadline of the whole exchange, by httpx."""

from __future__ import annotations

import asyncio
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError, ServemixError
from servemix._extras import require
from servemix._text import shown

__all__ = ["DemandServerError", "checked_url", "get"]

_MAX_BYTES = 128 * 2**20


class DemandServerError(ServemixError, OSError):
    """A server that demand is read from does not answer, rejects, or lacks what is requested."""


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
            raise InvalidInputError("url: contains a user name; send credentials as a header")
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except InvalidInputError:
        raise
    except ValueError as error:
        raise InvalidInputError(f"url: {url!r}: {error}") from None
    if not named or parts.query or parts.fragment:
        raise InvalidInputError(f"url: {url!r} is not an address such as http://host:9090")
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
        Most seconds that the whole exchange may take: name lookup, connection, request and answer.

    Returns
    -------
    tuple of int and bytes
        HTTP status and body; errors of the server's own too, since their bodies say what is wrong.

    Raises
    ------
    DemandServerError
        The server cannot be reached, does not answer in time, or answers with a redirect.
    MissingExtraError
        httpx is not installed.
    """
    require("httpx", extra="prometheus")
    outcome: list[tuple[int, bytes]] = []
    failure: list[BaseException] = []
    done = threading.Event()

    async def exchange() -> None:
        try:
            outcome.append(await asyncio.wait_for(_exchange(url, headers), timeout_s))
        except asyncio.TimeoutError:
            failure.append(_too_slow(url, timeout_s))
        except BaseException as error:
            failure.append(error)
        done.set()

    # In a thread of its own, since the caller may be within an event loop, and since a name lookup
    # cannot be cancelled: it is not waited for.
    threading.Thread(target=lambda: asyncio.run(exchange()), daemon=True).start()
    done.wait(timeout_s)
    if outcome:
        return outcome[0]
    raise failure[0] if failure else _too_slow(url, timeout_s)


async def _exchange(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Send the request and read the whole answer."""
    httpx = require("httpx", extra="prometheus")
    try:
        # The system's certificates, and no time limits of single steps beside the one of the whole.
        # Redirects would hand the caller's credentials to another host.
        client = httpx.AsyncClient(
            timeout=None,
            follow_redirects=False,
            verify=ssl.create_default_context() if url.startswith("https") else False,
        )
        async with client, client.stream("GET", url, headers=dict(headers)) as response:
            if 300 <= response.status_code < 400:
                goal = shown(response.headers.get("location", "?"))
                raise DemandServerError(f"{_host(url)} redirects to {goal}: give that address")
            return response.status_code, await _read(response, url)
    except httpx.ConnectError as error:
        raise DemandServerError(f"{_host(url)} cannot be reached: {error}") from None
    except DemandServerError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, OverflowError) as error:
        raise DemandServerError(f"{_host(url)} cannot be read: {error!r}") from None


async def _read(response: Any, url: str) -> bytes:
    pieces = []
    size = 0
    async for piece in response.aiter_bytes():
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
