"""A loop from what a person asks for: the scenario's problem, and the state of before."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._errors import InvalidInputError
from servemix.controller.demand import DemandWindow, RateSource
from servemix.controller.engines import Engines
from servemix.controller.gauges import Gauges, serve
from servemix.controller.loop import Loop
from servemix.controller.outputs import State, Writer, read_state
from servemix.controller.prometheus import Prometheus
from servemix.controller.readiness import AskedByQuery, Probed, Readiness
from servemix.controller.settings import LoopSettings
from servemix.forecast import Forecast, WindowMaximum, make_forecast

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.export.details import PlanFacts

__all__ = ["Request", "log_to_stderr", "make_loop", "run"]


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes
    ----------
    prometheus
        The server that rates are read from.
    writer
        Where to write.
    rates_query, ready_query
        PromQL for rates and for ready replicas; None takes vLLM's counters, and probes replicas.
    behind_gateway
        As of `DemandWindow`.
    first_port
        First port of replicas at addresses of the loop's own.
    settings
        When the loop does what, and what it plans for.
    planner
        Settings of the planner beside those of its preset ``"steady"``.
    """

    prometheus: Prometheus
    writer: Writer
    rates_query: str | None = None
    behind_gateway: bool = True
    ready_query: str | None = None
    first_port: int = 8000
    settings: LoopSettings = field(default_factory=LoopSettings)
    planner: Mapping[str, Any] = field(default_factory=dict)


def make_loop(
    problem: Problem,
    plan: Plan | None,
    facts: PlanFacts | None,
    asked: Request,
    gauges: Gauges | None,
) -> Loop:
    """Make a loop that resumes from the state in the folder, where there is one.

    Parameters
    ----------
    problem
        The problem; its rates hold until others are counted.
    plan
        The plan to begin with where there is no state; None makes one.
    facts
        What the scenario adds to plan files.
    asked
        What a person asks for.
    gauges
        Metrics of the loop; None for none.

    Returns
    -------
    Loop
        Ready for its first step.

    Raises
    ------
    InvalidInputError
        A setting is wrong, or the state is of another problem.
    """
    from servemix import Planner, _core

    folder = asked.writer.folder
    state = None if folder is None else read_state(folder, problem.name)
    if state is not None:
        try:
            plan = _core._plan_from_json(bytes(state.target), problem)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"{folder}/state.json: the scenario has changed since ({error}); delete the file "
                "to begin anew"
            ) from None
    planner = Planner(problem, plan, **{"preset": "steady", **asked.planner})
    if planner.plan.objective_value is None:
        raise InvalidInputError(f"{problem.name}: {planner.plan.message or 'there is no plan'}")
    rates = np.array(problem.query_types["rate_per_h"], dtype=np.float64)
    loop = Loop(
        planner,
        RateSource(asked.prometheus, asked.settings.window_s, asked.rates_query),
        _readiness(asked, state),
        asked.writer,
        DemandWindow(
            rates, asked.settings.window_s, _forecast(asked.settings), asked.behind_gateway
        ),
        facts=facts,
        gauges=gauges,
        settings=asked.settings,
    )
    if state is not None:
        try:
            loop.resume(state)
        except (LookupError, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"{folder}/state.json: {error}; delete it to start afresh"
            ) from None
    return loop


def _forecast(settings: LoopSettings) -> Forecast:
    if settings.forecast == "maximum":
        return WindowMaximum(settings.hold_windows)
    return make_forecast(settings.forecast)


def _readiness(asked: Request, state: State | None) -> Readiness:
    if asked.ready_query is not None:
        return AskedByQuery(asked.prometheus, asked.ready_query)
    before = [] if state is None else state.replicas
    return Probed(Engines(asked.writer.options.engine_address, asked.first_port, before))


def run(loop: Loop, gauges: Gauges | None, listen: tuple[str, int]) -> None:
    """Run a loop until SIGTERM or SIGINT, with its HTTP endpoint where it has metrics.

    Parameters
    ----------
    loop, gauges
        The loop and its metrics.
    listen
        Host and port of ``/metrics`` and ``/health``.

    Raises
    ------
    InvalidInputError
        The port cannot be listened on.
    """
    end = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: end.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    server = None if gauges is None else serve(*listen, gauges.text, loop.health)
    try:
        loop.run(end)
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()
        for number, handler in before.items():
            signal.signal(number, handler)


def log_to_stderr() -> None:
    """Log lines of JSON with the time, UTC."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logger = logging.getLogger("servemix.run")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _JsonLines(logging.Formatter):
    """Puts time and level before the facts of a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        return json.dumps(
            {"time": at, "level": record.levelname.lower(), **json.loads(record.getMessage())},
            ensure_ascii=False,
        )
