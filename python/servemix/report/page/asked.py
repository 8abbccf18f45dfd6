"""What a plan was asked for: query types, SLOs, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servemix.report.figures import NOTHING, count, number, percent, usd
from servemix.report.page.blocks import Block, Lines, TableBlock
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Problem
    from servemix.scenario import Scenario

__all__ = ["asked_blocks"]


def asked_blocks(problem: Problem, scenario: Scenario | None) -> list[Block]:
    """Lay out demand, SLOs and limits.

    Parameters
    ----------
    problem
        The problem.
    scenario
        What it was built from; None if the problem itself was given.
    """
    blocks: list[Block] = []
    if scenario is not None and scenario.description:
        blocks.append(Lines([" ".join(scenario.description.split())]))
    blocks += [TableBlock(_query_types(problem, scenario)), Lines(_limits(problem), bullets=True)]
    return blocks


def _query_types(problem: Problem, scenario: Scenario | None) -> Table:
    q = problem.query_types
    entries = [None] * problem.num_query_types if scenario is None else scenario.query_types
    rows = []
    for i, entry in enumerate(entries):
        cells = [str(q["name"][i]), number(float(q["rate_per_h"][i]), 1)]
        if entry is not None:
            cells += [number(entry.input_tokens), number(entry.output_tokens)]
            cells += [_limit(entry.ttft_slo_s, "s"), _limit(entry.tpot_slo_s, "ms", 1e3)]
        cells.append(_limit(float(q["latency_slo_s"][i]), "s"))
        cells.append(percent(float(q["error_slo"][i])))
        cells.append(percent(1.0 - float(q["max_unmet"][i])))
        rows.append(cells)
    columns = ["query type", ">queries/h"]
    if scenario is not None:
        columns += [">input tokens", ">output tokens", ">TTFT", ">TPOT"]
    columns += [">latency", ">error", ">served at least"]
    return Table("Query types and the limits they set", columns, rows)


def _limit(value: float | None, unit: str, scale: float = 1.0) -> str:
    if value is None or not np.isfinite(value):
        return NOTHING
    return f"{number(value * scale)} {unit}"


def _limits(problem: Problem) -> list[str]:
    hours = number(problem.horizon_h)
    lines = [f"Planned for {hours} h."]
    if np.isfinite(problem.budget_usd):
        lines.append(f"Rental and storage cost at most {usd(problem.budget_usd)} USD in that time.")
    else:
        lines.append("There is no budget.")
    if np.isfinite(problem.storage_gb):
        lines.append(f"Models and data take at most {number(problem.storage_gb)} GB of storage.")
    stock = [
        f"{count(int(most))} of {name}"
        for name, most in zip(problem.pools["name"], problem.pools["max_gpus"], strict=True)
        if np.isfinite(most)
    ]
    if stock:
        lines.append(f"GPUs that can be rented at most: {', '.join(stock)}.")
    lines.append(f"Up to {percent(problem.max_utilization)} of a replica's time may be planned.")
    if problem.latency_scope == "average":
        lines.append("The latency SLO is on the mean over the routes of a query type.")
    else:
        lines.append("The latency SLO is on every route of a query type.")
    return lines
