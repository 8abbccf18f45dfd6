"""All replicas of a plan as servers on loopback, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix.controller.emulated_replica import EmulatedReplica
from servemix.export.named import NamedPlan
from servemix.export.plan_file import PlanFile
from servemix.export.targets.vllm import FIRST_PORT

__all__ = ["Emulation", "emulate"]

#: How often a server that starts is looked at, s.
_LOOK_S = 0.005


@dataclass
class _Served:
    replica: EmulatedReplica
    server: Any
    task: asyncio.Task[None]


class Emulation:
    """Emulated replicas by their port, which can be started and stopped one by one.

    Parameters
    ----------
    host
        Address to listen on.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._served: dict[int, _Served] = {}

    @property
    def replicas(self) -> Mapping[int, EmulatedReplica]:
        """The replicas by their port."""
        return {port: served.replica for port, served in sorted(self._served.items())}

    async def start(self, port: int, replica: EmulatedReplica) -> None:
        """Serve a replica; returns once it listens.

        Parameters
        ----------
        port
            Where to listen.
        replica
            The replica; its time until it is ready goes on from when it was made.

        Raises
        ------
        InvalidInputError
            The port cannot be listened on.
        """
        uvicorn = require("uvicorn", extra="emulate")
        config = uvicorn.Config(
            replica.app, host=self._host, port=port, log_config=None, lifespan="off"
        )
        server = uvicorn.Server(config)
        # Signals belong to whoever runs all of them.
        server.capture_signals = contextlib.nullcontext
        replica.start()
        task = asyncio.ensure_future(_until_ended(server))
        while not server.started:
            if task.done():
                replica.stop()
                raise InvalidInputError(f"{self._host}:{port} cannot be listened on; is it taken?")
            await asyncio.sleep(_LOOK_S)
        self._served[port] = _Served(replica, server, task)

    async def drain(self, port: int) -> None:
        """Stop a replica once it has answered what it has."""
        served = self._served[port]
        while served.replica.outstanding:
            await asyncio.sleep(_LOOK_S)
        served.server.should_exit = True
        await served.task
        served.replica.stop()
        self._served.pop(port, None)

    async def lose(self, port: int) -> None:
        """End a replica at once: its connections break, as where a machine is lost."""
        served = self._served.pop(port)
        served.replica.stop()
        for listener in served.server.servers:
            listener.close()
        for connection in list(served.server.server_state.connections):
            connection.transport.abort()
        for task in list(served.server.server_state.tasks):
            task.cancel()
        served.server.should_exit = served.server.force_exit = True
        await served.task

    async def lose_all(self) -> None:
        """End every replica."""
        await asyncio.gather(*(self.lose(port) for port in list(self._served)))


async def _until_ended(server: Any) -> None:
    # Where the port is taken, uvicorn ends the process.
    with contextlib.suppress(SystemExit, asyncio.CancelledError):
        await server.serve()


async def emulate(
    plan: PlanFile,
    *,
    speed: float = 1.0,
    start_s: float = 0.0,
    host: str = "127.0.0.1",
    first_port: int = FIRST_PORT,
) -> None:
    """Serve every replica of a plan until SIGTERM or SIGINT.

    Parameters
    ----------
    plan
        The plan.
    speed
        How many emulated seconds pass in a second.
    start_s
        Seconds until a replica is ready.
    host
        Address to listen on.
    first_port
        Port of the first replica; the others follow, as in ``servemix export --to vllm``.

    Raises
    ------
    InvalidInputError
        The plan has no service curves, or a port cannot be listened on.
    MissingExtraError
        The extra ``emulate`` is not installed.
    """
    named, emulation = NamedPlan(plan), Emulation(host)
    end = end_signal()
    try:
        rows = [engine for engine in named.engines for _ in range(engine.row.replicas)]
        for port, engine in enumerate(rows, start=first_port):
            replica = EmulatedReplica(engine, speed=speed, start_s=start_s)
            await emulation.start(port, replica)
            print(f"http://{host}:{port} {engine.name}", flush=True)
        await end.wait()
    finally:
        await emulation.lose_all()


def end_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no handlers in the event loop; there the interpreter's own end it.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, end.set)
    return end
