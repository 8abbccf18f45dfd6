"""Mélange's configurations: throughput tables of GPUs, with prices and a workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import positive
from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Demand, GpuPrice, Point, Profile
from servemix.performance.profile.tables import grid, key, says_no_rate


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``gpu_info.{name}.{cost,tputs}``, requests/s.

    Rows are prompt sizes, columns output sizes. The file does not say which these are:
    ``assume.prompt_sizes`` and ``assume.output_sizes`` do. Zero or null in a table says that no
    rate met the SLO there. Source of the format: Griggs et al., "Mélange", arXiv 2404.14527.
    """
    assume = context.assume
    for name, values in (
        ("prompt_sizes", assume.prompt_sizes),
        ("output_sizes", assume.output_sizes),
    ):
        if not values:
            raise InvalidInputError(
                f"{where}: a Mélange file does not say its bucket sizes; give `assume.{name}`"
            )
    gpu_info = key(content, "gpu_info", where)
    if not isinstance(gpu_info, Mapping) or not gpu_info:
        raise InvalidInputError(f"{where}: gpu_info: not a mapping with an entry")
    points: list[Point] = []
    prices: list[GpuPrice] = []
    for name, info in gpu_info.items():
        label = f"{where}: gpu_info.{name}"
        gpus = (assume.tp or 1) * (assume.pp or 1)
        usd_per_h = positive(key(info, "cost", label), f"{label}.cost")
        prices.append(
            GpuPrice(name=name, usd_per_h=usd_per_h, gpu=context.gpu_name(name), gpus=gpus)
        )
        cells = grid(info, "tputs", label, assume.prompt_sizes, assume.output_sizes)
        try:
            on = context.deployment(label, gpu=name)
        except LeftOutError as reason:
            context.left_out[str(reason)] += len(cells)
            continue
        for cell, prompt, output, value in cells:
            no_rate = says_no_rate(value)
            points.append(
                Point(
                    deployment=on,
                    concurrency=0.0,
                    prompt_tokens=prompt,
                    output_tokens=output,
                    requests_per_s=0.0 if no_rate else positive(value, cell),
                    no_rate=no_rate,
                    where=cell,
                )
            )
    return Profile(
        format="melange",
        points=tuple(points),
        prices=tuple(prices),
        demands=tuple(_demand(content, where, context)),
    )


def _demand(content: Mapping[str, Any], where: str, context: Context) -> list[Demand]:
    if "workload_distribution" not in content:
        return []
    assume = context.assume
    per_s = positive(key(content, "total_request_rate", where), f"{where}: total_request_rate")
    found = []
    shares = grid(content, "workload_distribution", where, assume.prompt_sizes, assume.output_sizes)
    for cell, prompt, output, share in shares:
        # an empty bucket is no error: nothing is requested there
        if share == 0:
            continue
        rate = per_s * 3600.0 * positive(share, cell)
        name = f"{prompt:g} in, {output:g} out"
        found.append(Demand(name=name, rate_per_h=rate, prompt_tokens=prompt, output_tokens=output))
    return found


FORMAT = Format("melange", "Mélange's configuration", "object", has("gpu_info"), read)
