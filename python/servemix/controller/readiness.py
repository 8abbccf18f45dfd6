"""How the loop knows what is ready: it asks the replicas, or Prometheus knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from servemix.controller.engines import Engines, healthy
from servemix.controller.prometheus import Prometheus

__all__ = ["AskedByQuery", "Probed", "Readiness"]


class Readiness(Protocol):
    """What is ready, and what is needed."""

    def observe(self) -> list[str]:
        """Look again; returns what has changed, in words."""

    def ready(self) -> dict[str, int]:
        """Replicas that take traffic, by deployment."""

    def follow(self, wanted: Mapping[str, int]) -> None:
        """Take note of the replicas that should run, by deployment."""

    def addresses(self) -> dict[str, list[str]] | None:
        """Addresses that take traffic, by deployment; None if others know them."""


class Probed:
    """Replicas at addresses that the loop gives out and probes; as of `Engines`."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines

    def observe(self) -> list[str]:
        """Probe every replica."""
        return self.engines.observe(healthy)

    def ready(self) -> dict[str, int]:
        """As of `Engines`."""
        return self.engines.ready()

    def follow(self, wanted: Mapping[str, int]) -> None:
        """As of `Engines`."""
        self.engines.follow(wanted)

    def addresses(self) -> dict[str, list[str]]:
        """As of `Engines`."""
        return self.engines.addresses()


class AskedByQuery:
    """Counts from Prometheus, such as those of kube-state-metrics.

    Parameters
    ----------
    server
        The server.
    query
        PromQL of ready replicas by the label ``deployment``.
    """

    def __init__(self, server: Prometheus, query: str) -> None:
        self._server = server
        self._query = query
        self._ready: dict[str, int] = {}
        self._wanted: dict[str, int] = {}

    def observe(self) -> list[str]:
        """Ask; raises DemandServerError, and what was known stays."""
        before, counts = self._ready, self._server.ask(self._query, "deployment")
        self._ready = {name: int(value) for name, value in counts.items() if value >= 1.0}
        names = sorted({*before, *self._ready})
        return [
            f"{name} has {self._ready.get(name, 0)} ready replicas instead of {before.get(name, 0)}"
            for name in names
            if before.get(name, 0) != self._ready.get(name, 0)
        ]

    def ready(self) -> dict[str, int]:
        """As counted last; where fewer were wanted, the others drain and do not count."""
        return {name: min(n, self._wanted.get(name, n)) for name, n in self._ready.items()}

    def follow(self, wanted: Mapping[str, int]) -> None:
        """Remember what is needed."""
        self._wanted = {name: wanted.get(name, 0) for name in {*wanted, *self._ready}}

    def addresses(self) -> None:
        """Return None: Services know them."""
        return
