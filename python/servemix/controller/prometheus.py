"""What the loop asks a Prometheus server: the rates of query types, and what is ready."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from servemix.traces._http import DemandServerError, checked_url
from servemix.traces._prometheus_server import Server

__all__ = ["Prometheus"]


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(msgspec.Struct):
    resultType: str = ""
    result: list[_Sample] = []


@dataclass(frozen=True)
class Prometheus:
    """Instant queries of a Prometheus server (prometheus.io/docs, "HTTP API").

    Attributes
    ----------
    url
        Address of the server, such as ``http://prometheus:9090``.
    headers
        Header fields to send, such as ``Authorization``.
    timeout_s
        Most seconds that one query may take.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url(self.url))

    def ask(self, query: str, label: str, at_s: float | None = None) -> dict[str, float]:
        """Ask for a value per label.

        Parameters
        ----------
        query
            PromQL of an instant vector.
        label
            The label that tells its samples apart; those without it are left out.
        at_s
            Unix time at which it is evaluated; None for now.

        Returns
        -------
        dict of str to float
            Finite values by the label; samples of the same label are added up.

        Raises
        ------
        DemandServerError
            The server does not answer in time, rejects the query, or answers with something else.
        """
        given = {"query": query, "timeout": f"{self.timeout_s:.3f}"}
        if at_s is not None:
            given["time"] = f"{at_s:.3f}"
        data = Server(self.url, self.headers, self.timeout_s).ask("query", given, what=query)
        try:
            vector = msgspec.json.decode(data, type=_Vector)
            if vector.resultType != "vector":
                raise DemandServerError(f"{query}: is a {vector.resultType}, not an instant vector")
            found: dict[str, float] = {}
            for sample in vector.result:
                name, value = sample.metric.get(label), float(sample.value[1])
                if name is not None and math.isfinite(value):
                    found[name] = found.get(name, 0.0) + value
        except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
            raise DemandServerError(f"{self.url} answers {query} with no vector: {error}") from None
        return found
