"""The replicas that the loop wants: where they are, and which of them take traffic."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from servemix._errors import InvalidInputError

__all__ = ["Engines", "Replica", "healthy"]

_PROBE_S = 2.0
_PROBES = 32
_TRIES = 2


class Replica(msgspec.Struct, forbid_unknown_fields=True):
    """One replica.

    Attributes
    ----------
    deployment
        Name of its deployment in the plan.
    number
        Its number within the deployment, from 0.
    address
        Host and port where it is, or is to be.
    state
        ``starting`` until it is healthy, ``ready`` while it takes traffic, ``draining`` once it
        takes none and is to end when it has answered what it has.
    """

    deployment: str
    number: int
    address: str
    state: Literal["starting", "ready", "draining"] = "starting"


class Engines:
    """Replicas by name and address, which keep both from plan to plan.

    Parameters
    ----------
    pattern
        Address of a replica, with ``{name}``, ``{replica}`` and ``{port}``.
    first_port
        The first ``{port}``; each replica gets the lowest that is free.
    replicas
        Those of before a restart.

    Raises
    ------
    InvalidInputError
        The pattern has another placeholder, or gives all replicas one address.
    """

    def __init__(
        self, pattern: str, first_port: int = 8000, replicas: Iterable[Replica] = ()
    ) -> None:
        self._pattern = pattern
        self._first_port = first_port
        self.replicas = list(replicas)
        if self._address("a", 0, 1) == self._address("a", 1, 2):
            raise InvalidInputError(
                f"engine address {pattern!r}: has neither {{port}} nor {{replica}}, so replicas "
                "cannot be asked for their health; give --ready-query"
            )

    def observe(self, is_healthy: Callable[[Iterable[str]], set[str]]) -> list[str]:
        """Look which replicas are healthy.

        Parameters
        ----------
        is_healthy
            Of addresses, those that are.

        Returns
        -------
        list of str
            What has changed, in words.
        """
        up = is_healthy([replica.address for replica in self.replicas])
        said = []
        for replica in list(self.replicas):
            where = f"{replica.deployment} #{replica.number} at {replica.address}"
            if replica.state == "draining" and replica.address not in up:
                self.replicas.remove(replica)
                said.append(f"{where} has ended")
            elif replica.state == "starting" and replica.address in up:
                replica.state = "ready"
                said.append(f"{where} is ready")
            elif replica.state == "ready" and replica.address not in up:
                replica.state = "starting"
                said.append(f"{where} is lost")
        return said

    def ready(self) -> dict[str, int]:
        """Replicas that take traffic, by deployment."""
        found: dict[str, int] = {}
        for replica in self.replicas:
            if replica.state == "ready":
                found[replica.deployment] = found.get(replica.deployment, 0) + 1
        return found

    def follow(self, wanted: Mapping[str, int]) -> None:
        """Order or drain replicas until there are as many as wanted.

        A replica that drains is not taken back, since it may end at any moment.
        """
        kept: dict[str, list[Replica]] = {name: [] for name in wanted}
        for replica in self.replicas:
            if replica.state != "draining":
                kept.setdefault(replica.deployment, []).append(replica)
        for name, rows in kept.items():
            # Those that do not serve yet go first, then those begun last.
            rows.sort(key=lambda row: (row.state != "ready", row.number))
            for extra in rows[wanted.get(name, 0) :]:
                if extra.state == "ready":
                    extra.state = "draining"
                else:
                    self.replicas.remove(extra)
            for _ in range(wanted.get(name, 0) - len(rows)):
                self.replicas.append(self._new(name))
        self.replicas.sort(key=lambda row: (row.deployment, row.number))

    def addresses(self) -> dict[str, list[str]]:
        """Addresses that take traffic, by deployment."""
        found: dict[str, list[str]] = {}
        for replica in self.replicas:
            if replica.state == "ready":
                found.setdefault(replica.deployment, []).append(replica.address)
        return found

    def _new(self, name: str) -> Replica:
        numbers = {row.number for row in self.replicas if row.deployment == name}
        number = next(n for n in range(len(numbers) + 1) if n not in numbers)
        taken = {row.address for row in self.replicas}
        for port in range(self._first_port, 65536):
            address = self._address(name, number, port)
            if address not in taken:
                return Replica(name, number, address)
        raise InvalidInputError(f"engine address {self._pattern!r}: no port is left")

    def _address(self, name: str, number: int, port: int) -> str:
        try:
            return self._pattern.format(name=name, replica=number, port=port)
        except (KeyError, IndexError, ValueError):
            raise InvalidInputError(
                f"engine address {self._pattern!r}: has placeholders other than {{name}}, "
                "{replica} and {port}"
            ) from None


def healthy(addresses: Iterable[str]) -> set[str]:
    """Ask addresses for ``/health``, many at once; returns those that answer with 200."""
    asked = list(addresses)
    if not asked:
        return set()
    with ThreadPoolExecutor(min(_PROBES, len(asked))) as pool:
        return {address for address, up in zip(asked, pool.map(_probe, asked), strict=True) if up}


def _probe(address: str) -> bool:
    """Ask once more where no answer comes in time, as from an engine that is busy."""
    for _ in range(_TRIES):
        connection = http.client.HTTPConnection(address, timeout=_PROBE_S)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except TimeoutError:
            continue
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
    return False
