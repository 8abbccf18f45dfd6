"""All replicas of a plan as servers on loopback, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import uvicorn

from servemix.controller.emulator import EmulatedReplica
from servemix.export.manifests import ExportOptions
from servemix.export.named import NamedPlan
from servemix.export.plan_file import PlanFile
from servemix.export.targets.addresses import addresses

__all__ = ["Emulation", "emulate"]


@dataclass
class _Served:
    replica: EmulatedReplica
    server: uvicorn.Server
    task: asyncio.Task[None]


class Emulation:
    """Emulated replicas by their port, which can be started and stopped one by one."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._served: dict[int, _Served] = {}

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports that are served."""
        return tuple(sorted(self._served))

    def replica(self, port: int) -> EmulatedReplica:
        """Return the replica at a port."""
        return self._served[port].replica

    async def start(self, port: int, replica: EmulatedReplica) -> None:
        """Serve a replica at a port; returns once it listens."""
        config = uvicorn.Config(
            replica.app,
            host=self._host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        # Signals belong to whoever runs all of them.
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
        replica.start()
        task = asyncio.ensure_future(server.serve())
        self._served[port] = _Served(replica, server, task)
        while not server.started:
            if task.done():
                del self._served[port]
                replica.stop()
                raise OSError(f"{self._host}:{port} cannot be listened on")
            await asyncio.sleep(0.005)

    async def stop(self, port: int) -> None:
        """Stop a replica; what runs on it is given up, as where a machine is lost."""
        served = self._served.pop(port)
        served.replica.stop()
        served.server.should_exit = True
        served.server.force_exit = True
        with contextlib.suppress(SystemExit, asyncio.CancelledError):
            await served.task

    async def stop_all(self) -> None:
        """Stop every replica."""
        await asyncio.gather(*(self.stop(port) for port in self.ports))


async def emulate(
    plan: PlanFile, *, speed: float = 1.0, start_s: float = 0.0, host: str = "127.0.0.1"
) -> None:
    """Serve every replica of a plan until SIGTERM or SIGINT.

    Parameters
    ----------
    plan
        The plan; ports are those of ``servemix export --to vllm``.
    speed
        How many emulated seconds pass in a second.
    start_s
        Seconds until a replica is ready.
    host
        Address to listen on.

    Raises
    ------
    InvalidInputError
        The plan has no service curves.
    OSError
        A port is taken.
    """
    named, emulation = NamedPlan(plan), Emulation(host)
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, end.set)
    try:
        for engine in named.engines:
            for port in _ports(named, engine.name):
                await emulation.start(port, EmulatedReplica(engine, speed=speed, start_s=start_s))
                print(f"http://{host}:{port} {engine.name}", flush=True)
        await end.wait()
    finally:
        await emulation.stop_all()


def _ports(plan: NamedPlan, name: str) -> Sequence[int]:
    return [int(place) for place in addresses(plan, ExportOptions(engine_address="{port}"))[name]]
