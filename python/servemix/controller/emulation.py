"""All replicas of a plan as servers on loopback, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix.controller.emulated_replica import EmulatedReplica
from servemix.controller.engines import Replica
from servemix.controller.outputs import read_replicas
from servemix.export.named import Engine, NamedPlan
from servemix.export.plan_file import PlanFile, read_plan_file
from servemix.export.targets.vllm import FIRST_PORT

__all__ = ["Emulation", "emulate", "follow"]

#: How often a server that starts is looked at, s.
_LOOK_S = 0.005
#: How often the loop's files are looked at, s.
_FOLLOW_S = 0.2


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
            The replica; its time until it is ready resumes from when it was made.

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
                raise InvalidInputError(
                    f"{self._host}:{port} is not available; is another program using it?"
                )
            await asyncio.sleep(_LOOK_S)
        self._served[port] = _Served(replica, server, task)

    async def drain(self, port: int) -> None:
        """Stop a replica once it has answered what it has."""
        served = self._served[port]
        while served.replica.outstanding:
            await asyncio.sleep(_LOOK_S)
        if self._served.get(port) is not served:
            return
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
        # Whoever answers on a connection learns that its caller has gone, and ends.
        for connection in list(served.server.server_state.connections):
            connection.transport.abort()
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


async def follow(
    folder: Path, *, speed: float = 1.0, start_s: float = 0.0, host: str = "127.0.0.1"
) -> None:
    """Serve the replicas that ``servemix run`` wants, as they change, until SIGTERM or SIGINT.

    What a cluster does, on loopback: replicas start, drain and end as the files of the loop say,
    and one that is lost (``POST /emulate/lose`` to it) is restarted.

    Parameters
    ----------
    folder
        Folder that the loop writes to.
    speed, start_s, host
        As for :func:`emulate`.

    Raises
    ------
    InvalidInputError
        A port cannot be listened on, or a plan has no service curves.
    MissingExtraError
        The extra ``emulate`` is not installed.
    """
    emulation, end = Emulation(host), end_signal()
    draining: dict[int, asyncio.Task[None]] = {}
    try:
        while not end.is_set():
            wanted, engines = _wanted(folder)
            for port, replica in emulation.replicas.items():
                if replica.lost:
                    await emulation.lose(port)
                    print(f"lost {host}:{port}", flush=True)
            for row in wanted:
                port = int(row.address.rpartition(":")[2])
                up = port in emulation.replicas
                if row.state == "draining" and up and port not in draining:
                    draining[port] = asyncio.ensure_future(emulation.drain(port))
                    print(f"drains {host}:{port} {row.deployment}", flush=True)
                elif row.state != "draining" and not up and row.deployment in engines:
                    draining.pop(port, None)
                    engine = engines[row.deployment]
                    replica = EmulatedReplica(engine, speed=speed, start_s=start_s)
                    await emulation.start(port, replica)
                    print(f"starts {host}:{port} {row.deployment}", flush=True)
            kept = {int(row.address.rpartition(":")[2]) for row in wanted}
            for port in emulation.replicas.keys() - kept - draining.keys():
                await emulation.lose(port)
                print(f"cancelled {host}:{port}", flush=True)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(end.wait(), _FOLLOW_S)
    finally:
        for task in draining.values():
            task.cancel()
        await emulation.lose_all()


def _wanted(folder: Path) -> tuple[list[Replica], dict[str, Engine]]:
    """Replicas and deployments that the loop wants; none before its first step."""
    try:
        replicas = read_replicas(folder)
        plan = read_plan_file(folder / "plan.json")
    except FileNotFoundError:
        return [], {}
    return replicas, {engine.name: engine for engine in NamedPlan(plan).engines}
