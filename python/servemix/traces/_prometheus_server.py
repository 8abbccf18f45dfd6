"""One question to a Prometheus server (prometheus.io/docs, "HTTP API")."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from servemix.traces._http import DemandServerError, get

__all__ = ["Server"]


class _Answer(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


@dataclass(frozen=True)
class Server:
    """A Prometheus server."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float

    def ask(
        self, path: str, parameters: Mapping[str, str], *, what: str | None = None
    ) -> msgspec.Raw:
        """Ask, and return the data of the answer; ``what`` names the question in errors.

        Raises
        ------
        DemandServerError
            The answer is an error, or not one of a Prometheus server.
        """
        named = path if what is None else what
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        status, body = get(address, headers=self.headers, timeout_s=self.timeout_s)
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise DemandServerError(
                f"{self.url} answers {named} with status {status} and no JSON of Prometheus: "
                f"{body[:100].decode(errors='replace')!r}"
            ) from None
        if answer.status != "success":
            raise DemandServerError(f"{self.url} refuses {named}: {answer.error or status}")
        return answer.data
