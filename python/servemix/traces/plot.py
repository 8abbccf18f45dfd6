"""Picture of a demand (extra ``plot``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._extras import require
from servemix._pictures import draw_to_file

if TYPE_CHECKING:
    from servemix.traces.demand import Demand

__all__ = ["plot_demand"]

# More points than this only make the file larger.
_MAX_POINTS = 20_000


def plot_demand(demand: Demand, path: str | os.PathLike[str]) -> None:
    """Draw the clusters, the rates over time and, if known, over the day.

    Parameters
    ----------
    demand
        What to draw; of a `Calibration` the requests too.
    path
        Picture to write: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OSError
        The file cannot be written.
    InvalidInputError
        The file's suffix is none of the three.
    MissingExtraError
        matplotlib is not installed.
    """
    height = 5 if demand.time_of_day_per_h is None else 7.5
    draw_to_file(path, (10, height), lambda figure: _draw(figure, demand))


def _draw(figure: Any, demand: Demand) -> None:
    colours = require("matplotlib", extra="plot").colormaps["tab10"]
    day = demand.time_of_day_per_h
    grid = figure.add_gridspec(1 if day is None else 2, 2)
    _draw_clusters(figure.add_subplot(grid[:, 0]), demand, colours)
    _draw_series(figure.add_subplot(grid[0, 1]), demand, colours)
    if day is not None:
        _draw_day(figure.add_subplot(grid[1, 1]), demand, colours)
    figure.suptitle(f"{demand.name}: {demand.rate_per_h:,.0f} requests/h")


def _draw_clusters(axes: Any, demand: Demand, colours: Any) -> None:
    for place, found in enumerate(demand.types):
        tokens = demand.tokens_of(place)
        if tokens is not None:
            inputs, outputs = tokens
            stride = -(-len(inputs) * len(demand.types) // _MAX_POINTS) or 1
            axes.scatter(
                inputs[::stride],
                outputs[::stride],
                s=3,
                alpha=0.3,
                linewidths=0,
                color=colours(place % 10),
                rasterized=True,
            )
        axes.scatter(
            found.input_tokens,
            found.output_tokens,
            marker="X",
            s=90,
            color=colours(place % 10),
            edgecolors="black",
            label=f"{found.name}: {found.rate_per_h:,.0f}/h",
        )
    axes.set(xscale="log", yscale="log", xlabel="input tokens", ylabel="output tokens")
    axes.legend(fontsize="small", title="mean tokens")


def _draw_series(axes: Any, demand: Demand, colours: Any) -> None:
    series = demand.series
    edges_h = np.arange(series.num_steps + 1) * series.step_s / 3600.0
    for place, rates in enumerate(series.rate_per_h):
        axes.stairs(rates, edges_h, color=colours(place % 10), baseline=None, linewidth=1.2)
        peak = demand.types[place].peak_rate_per_h
        axes.axhline(peak, color=colours(place % 10), linewidth=0.6, linestyle=":")
    label = f"requests/h per {series.step_s:g} s (dotted: p{demand.peak_percentile:g})"
    axes.set(xlabel="hours from the first request", ylabel=label, ylim=(0, None))


def _draw_day(axes: Any, demand: Demand, colours: Any) -> None:
    day = demand.time_of_day_per_h
    assert day is not None
    for place, rates in enumerate(day):
        axes.stairs(rates, np.arange(25), color=colours(place % 10), baseline=None, linewidth=1.2)
    axes.set(xlabel="hour of the day (UTC)", ylabel="requests/h", xlim=(0, 24), ylim=(0, None))
    axes.set_xticks(range(0, 25, 4))
