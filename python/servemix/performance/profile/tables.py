"""Throughput tables by prompt and output size: Mélange and AIBrix.

The two look alike and are not: Mélange's rows are prompt sizes and its columns output sizes;
AIBrix's generator writes a row per *output* size and names its axes ``indexes = [output, prompt]``,
whatever a docstring there says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.records import (
    Assume,
    Demand,
    GpuPrice,
    Point,
    Profile,
    deployment,
    positive,
)


def read_melange(content: Mapping[str, Any], where: str, assume: Assume) -> Profile:
    """Read a Mélange configuration: ``gpu_info.{name}.{cost,tputs}``, requests/s.

    The file does not say which sizes its rows and columns stand for: ``assume.prompt_sizes`` and
    ``assume.output_sizes`` do. Source of the format: Griggs et al., "Mélange", arXiv 2404.14527.
    """
    sizes = {"prompt_sizes": assume.prompt_sizes, "output_sizes": assume.output_sizes}
    for name, values in sizes.items():
        if not values:
            raise InvalidInputError(
                f"{where}: a Mélange file does not say its bucket sizes; give `assume.{name}`"
            )
    points: list[Point] = []
    prices: list[GpuPrice] = []
    for name, info in _mapping(content, "gpu_info", where).items():
        label = f"{where}: gpu_info.{name}"
        prices.append(
            GpuPrice(name=name, usd_per_h=positive(_key(info, "cost", label), f"{label}.cost"))
        )
        on = deployment(assume, label, gpu=name)
        table = _table(info, "tputs", label, assume.prompt_sizes, assume.output_sizes)
        for cell, prompt, output, value in table:
            points.append(
                Point(
                    deployment=on,
                    concurrency=0.0,
                    prompt_tokens=prompt,
                    output_tokens=output,
                    requests_per_s=value,
                    where=cell,
                )
            )
    return Profile(
        format="melange",
        points=tuple(points),
        prices=tuple(prices),
        demands=tuple(_melange_demand(content, where, assume)),
    )


def _melange_demand(content: Mapping[str, Any], where: str, assume: Assume) -> list[Demand]:
    if "workload_distribution" not in content:
        return []
    per_s = positive(_key(content, "total_request_rate", where), f"{where}: total_request_rate")
    found = []
    shares = _grid(
        content, "workload_distribution", where, assume.prompt_sizes, assume.output_sizes
    )
    for cell, prompt, output, share in shares:
        # an empty bucket is no error: nothing is asked for there
        if share == 0:
            continue
        rate = per_s * 3600.0 * positive(share, cell)
        name = f"{prompt:g} in, {output:g} out"
        found.append(Demand(name=name, rate_per_h=rate, prompt_tokens=prompt, output_tokens=output))
    return found


def read_aibrix(content: Mapping[str, Any], where: str, assume: Assume) -> Profile:
    """Read an AIBrix profile: ``gpu, cost, tputs, indexes, e2e, ttft``; requests/s and s.

    ``gpu`` is the name of a deployment there; ``assume`` says what it is. A zero in ``tputs`` is
    how AIBrix writes that no rate met the SLO; it is refused by name.
    """
    indexes = _key(content, "indexes", where)
    if not (
        isinstance(indexes, list)
        and len(indexes) == 2
        and all(isinstance(values, list) and values for values in indexes)
    ):
        raise InvalidInputError(f"{where}: indexes: not a pair of output and prompt sizes")
    outputs, prompts = (
        [positive(value, f"{where}: indexes[{axis}][{i}]") for i, value in enumerate(values)]
        for axis, values in enumerate(indexes)
    )
    name = str(_key(content, "gpu", where))
    known = name if name in assume.gpus else None
    on = deployment(assume, where, gpu=known if known else (None if assume.gpu else name))
    figures = {"tputs": "requests_per_s", "e2e": "latency_s", "ttft": "ttft_s"}
    found: dict[tuple[float, float], dict[str, float]] = {}
    cells: dict[tuple[float, float], str] = {}
    for key, figure in figures.items():
        if key != "tputs" and key not in content:
            continue
        for cell, output, prompt, value in _table(content, key, where, outputs, prompts):
            found.setdefault((prompt, output), {})[figure] = value
            cells.setdefault((prompt, output), cell)
    points = tuple(
        Point(
            deployment=on,
            concurrency=0.0,
            prompt_tokens=prompt,
            output_tokens=output,
            where=cells[prompt, output],
            **values,
        )
        for (prompt, output), values in found.items()
    )
    price = GpuPrice(name=name, usd_per_h=positive(_key(content, "cost", where), f"{where}: cost"))
    return Profile(format="aibrix", points=points, prices=(price,))


def _key(content: Any, key: str, where: str) -> Any:
    if not isinstance(content, Mapping) or key not in content:
        raise InvalidInputError(f"{where}: {key}: missing")
    return content[key]


def _mapping(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = _key(content, key, where)
    if not isinstance(value, Mapping) or not value:
        raise InvalidInputError(f"{where}: {key}: not a mapping with an entry")
    return value


def _table(
    content: Any, key: str, where: str, rows: Sequence[float], columns: Sequence[float]
) -> list[tuple[str, float, float, float]]:
    """Cells of a table, each above 0: their name, row size, column size and value."""
    return [
        (cell, row, column, positive(value, cell))
        for cell, row, column, value in _grid(content, key, where, rows, columns)
    ]


def _grid(
    content: Any, key: str, where: str, rows: Sequence[float], columns: Sequence[float]
) -> list[tuple[str, float, float, Any]]:
    table = _key(content, key, where)
    if not isinstance(table, list) or len(table) != len(rows):
        got = len(table) if isinstance(table, list) else "no"
        raise InvalidInputError(f"{where}: {key}: {got} rows for {len(rows)} sizes")
    found = []
    for i, (row, values) in enumerate(zip(rows, table, strict=True)):
        if not isinstance(values, list) or len(values) != len(columns):
            raise InvalidInputError(
                f"{where}: {key}[{i}]: not one value for each of {len(columns)} sizes"
            )
        for j, (column, value) in enumerate(zip(columns, values, strict=True)):
            found.append((f"{where}: {key}[{i}][{j}]", float(row), float(column), value))
    return found
