"""Picture of a plan: query types → deployments → GPUs, as wide as the GPUs that a flow occupies.

A deployment's GPUs are shared out among its query types by the time that each keeps them busy, so
that one unit, GPUs, holds from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix.report.figures import NOTHING, count, number, usd
from servemix.report.page.blocks import Picture
from servemix.report.page.render import template
from servemix.report.plan_tables import route_of

if TYPE_CHECKING:
    from servemix import Plan, Problem

__all__ = ["Flow", "Node", "flow_picture", "plan_flow"]

#: Nodes of a column; the smallest beyond that are drawn as one.
_MOST = 14
_COLOURS = 8
#: Room for the two lines of text above a node, and between a node and the next text.
_TEXT, _GAP = 32.0, 10.0
#: Least height of all flows of a picture together, and of a single node.
_LEAST_HEIGHT, _LEAST_NODE = 150.0, 2.0


@dataclass
class Node:
    """A query type, a deployment or a kind of GPUs; ``gpus`` are those that flow through it."""

    label: str
    note: str
    title: str
    gpus: float
    colour: str = "ink"
    y: float = 0.0
    height: float = 0.0
    #: How much of its left and right side links have taken.
    taken: list[float] = field(default_factory=lambda: [0.0, 0.0])


@dataclass
class Flow:
    """Nodes in three columns, and links between neighbouring ones."""

    columns: tuple[list[Node], list[Node], list[Node]]
    #: Column, node there, node in the next column, GPUs.
    links: list[tuple[int, int, int, float]]


def flow_picture(problem: Problem, plan: Plan) -> Picture | None:
    """Draw where each query type goes and which GPUs it occupies; None for an empty plan.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    """
    flow = plan_flow(problem, plan)
    if flow is None:
        return None
    sentences = [
        f"{node.title} to {', '.join(_targets(flow, 0, n))}"
        for n, node in enumerate(flow.columns[0])
    ]
    return Picture(
        title="Query types → deployments → GPUs",
        wide=_svg(flow, 1000.0, 42, 10.0),
        narrow=_svg(flow, 360.0, 17, 8.0),
        text="Flow from query types to deployments to GPUs. " + "; ".join(sentences),
        caption="As wide as the GPUs that a flow occupies: a deployment's GPUs are shared out by "
        "the time that each query type keeps them busy.",
    )


def _targets(flow: Flow, column: int, node: int) -> list[str]:
    found = [link for link in flow.links if link[0] == column and link[1] == node]
    return [
        f"{flow.columns[column + 1][target].title} ({_gpu_text(gpus)})"
        for _, _, target, gpus in found
    ] or ["nothing"]


def _gpus(problem: Problem, plan: Plan) -> np.ndarray[Any, np.dtype[np.float64]]:
    """GPUs that each entry of the routing occupies."""
    c = problem.configurations
    a = np.asarray(plan.deployments["configuration"], dtype=np.int64)
    owned = np.zeros(problem.num_configurations)
    owned[a] = c["tp"][a].astype(np.int64) * c["pp"][a] * np.asarray(plan.deployments["replicas"])
    route = route_of(problem, plan)
    i, served_by = problem.routes["query_type"][route], problem.routes["configuration"][route]
    fraction = np.asarray(plan.routing["fraction"], dtype=np.float64)
    busy = problem.query_types["rate_per_h"][i] * fraction * problem.routes["busy_s"][route]
    total = np.bincount(served_by, busy, problem.num_configurations)[served_by]
    share = np.divide(busy, total, out=np.zeros(len(busy)), where=total > 0.0)
    return np.asarray(share * owned[served_by], dtype=np.float64)


def plan_flow(problem: Problem, plan: Plan) -> Flow | None:
    """Share the GPUs of a plan out among its query types; None for an empty plan.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    """
    gpus = _gpus(problem, plan)
    if not gpus.size or gpus.sum() <= 0.0:
        return None
    c, tiers = problem.configurations, problem.tiers
    route = route_of(problem, plan)
    types = problem.routes["query_type"][route].tolist()
    configurations = problem.routes["configuration"][route].tolist()
    replicas = dict(
        zip(
            np.asarray(plan.deployments["configuration"]).tolist(),
            np.asarray(plan.deployments["replicas"]).tolist(),
            strict=True,
        )
    )
    first: dict[Any, Node] = {}
    second: dict[Any, Node] = {}
    third: dict[Any, Node] = {}
    links: dict[tuple[int, Any, Any], float] = {}
    hourly: dict[Any, float] = {}
    for i in range(problem.num_query_types):
        name = str(problem.query_types["name"][i])
        note = f"{number(float(problem.query_types['rate_per_h'][i]), 1)}/h"
        first[i] = Node(name, note, name, 0.0, str(i % _COLOURS + 1))
    for a, n in replicas.items():
        model, tier = str(problem.models["name"][c["model"][a]]), int(c["tier"][a])
        tp, pp = int(c["tp"][a]), int(c["pp"][a])
        at = str(tiers["name"][tier])
        wide = f" {tp}×{pp}" if tp * pp > 1 else ""
        second[a] = Node(
            model, f"{n} × {at}{wide}", f"{model} on {at} {tp}×{pp}, {n} replicas", 0.0
        )
        where = _place(problem, tier)
        third.setdefault(where, Node(where[1], "", where[1], 0.0))
        hourly[where] = hourly.get(where, 0.0) + n * tp * pp * float(tiers["gpu_usd_per_h"][tier])
    for i, a, amount in zip(types, configurations, gpus.tolist(), strict=True):
        where = _place(problem, int(c["tier"][a]))
        for node in (first[i], second[a], third[where]):
            node.gpus += amount
        links[0, i, a] = links.get((0, i, a), 0.0) + amount
        links[1, a, where] = links.get((1, a, where), 0.0) + amount
    for where, node in third.items():
        node.note = f"{_gpu_text(node.gpus)}, {usd(hourly[where])} $/h"
        node.title = f"{node.label}, {node.note}"
    kept = [_kept(nodes) for nodes in (first, second, third)]
    merged: dict[tuple[int, int, int], float] = {}
    for (column, source, target), amount in links.items():
        key = (column, kept[column][1][source], kept[column + 1][1][target])
        merged[key] = merged.get(key, 0.0) + amount
    columns = (kept[0][0], kept[1][0], kept[2][0])
    return _untangled(Flow(columns, [(*key, value) for key, value in merged.items() if value > 0]))


def _place(problem: Problem, tier: int) -> tuple[int, str]:
    """Return the pool of a tier, or the tier itself where it draws on none."""
    pool = problem.tiers["pool"][tier]
    if pool is not None and int(pool) >= 0:
        return 0, str(problem.pools["name"][int(pool)])
    return 1, str(problem.tiers["name"][tier])


def _kept(nodes: dict[Any, Node]) -> tuple[list[Node], dict[Any, int]]:
    """Keep the largest nodes, the others as one; and say where each is found."""
    used = [key for key in nodes if nodes[key].gpus > 0.0] or list(nodes)
    largest = set(sorted(used, key=lambda key: -nodes[key].gpus)[:_MOST])
    if len(used) <= _MOST + 1:
        largest = set(used)
    chosen = [nodes[key] for key in nodes if key in largest]
    place = {key: n for n, key in enumerate(key for key in nodes if key in largest)}
    others = [key for key in nodes if key not in largest]
    if any(nodes[key].gpus > 0.0 for key in others):
        total = sum(nodes[key].gpus for key in others)
        text = f"{count(len(others))} others"
        chosen.append(Node(text, _gpu_text(total), text, total, "8"))
    return chosen, place | dict.fromkeys(others, len(chosen) - 1)


def _untangled(flow: Flow) -> Flow:
    """Order the second and the third column by where their links come from."""
    first, second, third = flow.columns
    order = [list(range(len(first)))]
    for column, nodes in ((0, second), (1, third)):
        rank = {node: n for n, node in enumerate(order[column])}
        centre = []
        for target in range(len(nodes)):
            own = [(rank[s], g) for col, s, t, g in flow.links if col == column and t == target]
            total = sum(g for _, g in own)
            centre.append(sum(r * g for r, g in own) / total if total else len(rank))
        order.append(sorted(range(len(nodes)), key=lambda n: centre[n]))
    places = [{node: n for n, node in enumerate(one)} for one in order]
    links = [(c, places[c][s], places[c + 1][t], g) for c, s, t, g in flow.links]
    columns = (
        [first[n] for n in order[0]],
        [second[n] for n in order[1]],
        [third[n] for n in order[2]],
    )
    return Flow(columns, sorted(links))


def _svg(flow: Flow, width: float, letters: int, bar: float) -> str:
    most = max(len(nodes) for nodes in flow.columns)
    total = max(sum(node.gpus for node in flow.columns[1]), 1e-12)
    height = max(_LEAST_HEIGHT, 26.0 * most)
    room = height + most * (_TEXT + _GAP)
    xs = (0.0, (width - bar) / 2.0, width - bar)
    bottom = 0.0
    for nodes in flow.columns:
        free = room - height - len(nodes) * _TEXT
        y = free / (2.0 * len(nodes)) if len(nodes) < most else 0.0
        for node in nodes:
            y += _TEXT
            node.y, node.height = y, max(height * node.gpus / total, _LEAST_NODE)
            node.taken = [0.0, 0.0]
            y += node.height + (free / len(nodes) if len(nodes) < most else _GAP)
            bottom = max(bottom, node.y + node.height)
    links = [_ribbon(flow, link, xs, bar, height / total) for link in flow.links]
    anchors = ("start", "middle", "end")
    nodes_drawn = [
        {
            "x": f"{xs[column]:.1f}",
            "y": round(node.y, 1),
            "width": f"{bar:g}",
            "height": f"{node.height:.1f}",
            "colour": node.colour,
            "title": node.title,
            "label": _clipped(node.label, letters),
            "note": _clipped(node.note, letters + 2),
            "anchor": anchors[column],
            "text_x": f"{(0.0, width / 2.0, width)[column]:g}",
        }
        for column, nodes in enumerate(flow.columns)
        for node in nodes
    ]
    text: str = template("flow.svg.jinja").render(
        width=f"{width:g}", height=f"{bottom + 4.0:.0f}", links=links, nodes=nodes_drawn
    )
    return text


def _ribbon(
    flow: Flow,
    link: tuple[int, int, int, float],
    xs: Sequence[float],
    bar: float,
    scale: float,
) -> dict[str, str]:
    column, s, t, gpus = link
    source, target = flow.columns[column][s], flow.columns[column + 1][t]
    thick = gpus * scale
    y0, y1 = source.y + source.taken[1] + thick / 2.0, target.y + target.taken[0] + thick / 2.0
    source.taken[1] += thick
    target.taken[0] += thick
    x0, x1 = xs[column] + bar, xs[column + 1]
    middle = (x0 + x1) / 2.0
    return {
        "path": f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}",
        "width": f"{max(thick, 0.6):.2f}",
        "colour": source.colour if column == 0 else "8",
        "title": f"{source.title} → {target.title}: {_gpu_text(gpus)}",
    }


def _gpu_text(gpus: float) -> str:
    """GPUs, whole where they are whole."""
    whole = round(gpus)
    text = count(whole) if abs(gpus - whole) < 1e-6 else number(gpus, 2)
    return f"{text} GPU" if text == "1" else f"{text} GPUs"


def _clipped(text: str, letters: int) -> str:
    return text if len(text) <= letters else (text[: letters - 1].rstrip(" -") + "…") or NOTHING
