"""Cost against budget, and GPUs against stock, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servemix.report.figures import count, number, percent, usd
from servemix.report.page.blocks import Bar, Bars, Block, Part

if TYPE_CHECKING:
    from servemix import Plan, Problem

__all__ = ["cost_blocks", "num_gpus"]

_PARTS = (("rental", "1"), ("storage", "3"), ("latency", "7"), ("unmet", "2"))
_NAMES = {"latency": "latency penalty", "unmet": "unserved queries"}


def num_gpus(problem: Problem, plan: Plan) -> int:
    """GPUs that a plan rents.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    """
    return int(_gpus(problem, plan).sum())


def cost_blocks(problem: Problem, plan: Plan) -> list[Block]:
    """Show what a plan costs and rents as against what it may.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    """
    blocks: list[Block] = []
    if plan.cost is None:
        return blocks
    cost = {name: max(float(plan.cost[name]), 0.0) for name, _ in _PARTS}  # type: ignore[literal-required]
    total = sum(cost.values())
    budget, spent = problem.budget_usd, cost["rental"] + cost["storage"]
    hours = number(problem.horizon_h)
    limited = bool(np.isfinite(budget))
    width = max(total, budget if limited else 0.0) or 1.0
    parts = [Part(cost[name] / width, colour) for name, colour in _PARTS]
    bars = [Bar("All costs", f"{usd(total)} USD", parts)]
    note = ""
    if limited:
        value = f"{usd(spent)} of {usd(budget)} USD ({percent(spent / budget if budget else 1.0)})"
        bars.append(Bar("Within the budget", value, parts[:2], budget / width))
        note = "The budget (line) limits rental and storage."
    legend = [
        Part(0.0, colour, f"{_NAMES.get(name, name)} {usd(cost[name])} USD")
        for name, colour in _PARTS
        if cost[name] > 0.0
    ]
    blocks.append(Bars(f"Cost over {hours} h", bars, legend, note))
    stock = _stock(problem, plan)
    if stock:
        blocks.append(Bars("GPUs rented", stock, note="The line is what the stock holds."))
    return blocks


def _stock(problem: Problem, plan: Plan) -> list[Bar]:
    used = _gpus(problem, plan)
    pool = np.asarray(problem.tiers["pool"], dtype=np.int64)
    rows: list[tuple[str, float, float]] = []
    for p, name in enumerate(problem.pools["name"]):
        own = float(used[pool == p].sum())
        most = float(problem.pools["max_gpus"][p])
        rows.append((str(name), own, most))
    for k in np.flatnonzero((pool < 0) & (used > 0)).tolist():
        rows.append((str(problem.tiers["name"][k]), float(used[k]), np.inf))
    shown = [row for row in rows if row[1] > 0.0 or np.isfinite(row[2])]
    # One scale where stocks are alike; a stock far beyond all use would hide the others.
    most_used = max((own for _, own, _ in shown), default=1.0) or 1.0
    bars = []
    for name, own, most in shown:
        limited = bool(np.isfinite(most))
        width = max(own, most) if limited else most_used
        value = (
            f"{count(int(own))} of {count(int(most))}"
            if limited
            else f"{count(int(own))}, no limit"
        )
        full = limited and own >= most
        share = own / width if width else 0.0
        bars.append(
            Bar(name, value, [Part(share, "warn" if full else "1")], 1.0 if limited else None)
        )
    return bars


def _gpus(problem: Problem, plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """GPUs rented at each tier."""
    c = problem.configurations
    a = np.asarray(plan.deployments["configuration"], dtype=np.int64)
    each = c["tp"][a].astype(np.int64) * c["pp"][a] * np.asarray(plan.deployments["replicas"])
    return np.bincount(c["tier"][a], each, problem.num_tiers).astype(np.float64)
