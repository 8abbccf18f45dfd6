"""When the loop does what, and what it plans for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LoopSettings"]


@dataclass(frozen=True)
class LoopSettings:
    """When the loop does what, and what it plans for; the defaults of ``servemix run``.

    Attributes
    ----------
    every_s
        Seconds between two steps: what is ready is looked at, and traffic routed.
    replan_every_s
        Seconds after which deployments are chosen again; sooner where they do not suffice.
    window_s
        Seconds over which requests are counted.
    forecast
        What to make of the windows: a key of `servemix.forecast.FORECASTS`.
    hold_windows
        Windows of the forecast ``"maximum"``.
    least_move
        A routing that differs less than this in every fraction is not published.
    """

    every_s: float = 15.0
    replan_every_s: float = 1200.0
    window_s: float = 300.0
    forecast: str = "trend"
    hold_windows: int = 3
    least_move: float = 0.005
