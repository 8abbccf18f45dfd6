"""``servemix emulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from servemix._errors import InvalidInputError


def emulate(
    plan: Annotated[
        str | None, typer.Argument(help="Plan file (.json, .json.gz) from `servemix plan -o`.")
    ] = None,
    *,
    follow: Annotated[
        Path | None,
        typer.Option(
            "--follow", metavar="DIR", help="Serve the replicas of this folder of `servemix run`."
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option("--speed", min=0.001, max=1000.0, help="Emulated seconds per real second."),
    ] = 1.0,
    start: Annotated[
        float,
        typer.Option("--start", min=0.0, metavar="SECONDS", help="Time until a replica is ready."),
    ] = 0.0,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", min=1, max=65535, help="Port of the first replica; the others follow."
        ),
    ] = 8000,
) -> None:
    """Emulate the engines of a plan: OpenAI-compatible servers that need no GPU.

    Replicas listen on the ports that `servemix export PLAN --to vllm` assigns, answer at the pace
    of their service curves, and serve vLLM's metrics. With --follow, replicas start, drain and stop
    as `servemix run` directs. Stops on SIGTERM or Ctrl-C.
    """
    import asyncio

    from servemix.controller import emulation
    from servemix.export import read_plan_file

    if (plan is None) == (follow is None):
        raise InvalidInputError("give a plan file or --follow DIR")
    if plan is not None:
        served = emulation.emulate(
            read_plan_file(plan), speed=speed, start_s=start, host=host, first_port=port
        )
    else:
        assert follow is not None
        served = emulation.follow(follow, speed=speed, start_s=start, host=host)
    asyncio.run(served)
