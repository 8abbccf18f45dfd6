"""AIBrix's GPU profiles.

They look like Mélange's and are not: AIBrix's generator writes a row per *output* size and names
its axes ``indexes = [output, prompt]``, whatever a docstring there says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import positive
from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import GpuPrice, Point, Profile
from servemix.performance.profile.tables import grid, key, says_no_rate

_FIGURES = {"e2e": "latency_s", "ttft": "ttft_s"}


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``gpu, cost, tputs, indexes, e2e, ttft``; requests/s and s.

    ``gpu`` is the name of a deployment there; ``assume`` says what it is. Zero or null in ``tputs``
    is how AIBrix writes that no rate met the SLO.
    """
    assume = context.assume
    indexes = key(content, "indexes", where)
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
    name = str(key(content, "gpu", where))
    written = name if name in assume.gpus or not assume.gpu else None
    usd_per_h = positive(key(content, "cost", where), f"{where}: cost")
    price = GpuPrice(
        name=name,
        usd_per_h=usd_per_h,
        gpu=context.gpu_name(written or assume.gpu or name),
        gpus=(assume.tp or 1) * (assume.pp or 1),
    )
    cells = grid(content, "tputs", where, outputs, prompts)
    try:
        on = context.deployment(where, gpu=written)
    except LeftOutError as reason:
        context.left_out[str(reason)] += len(cells)
        return Profile(format="aibrix", prices=(price,))
    times = {
        figure: {
            (output, prompt): (cell, value)
            for cell, output, prompt, value in grid(content, table, where, outputs, prompts)
        }
        for table, figure in _FIGURES.items()
        if table in content
    }
    points = []
    for cell, output, prompt, value in cells:
        no_rate = says_no_rate(value)
        figures = {} if no_rate else {"requests_per_s": positive(value, cell)}
        for figure, of_place in times.items():
            if not no_rate and (output, prompt) in of_place:
                time_cell, time_s = of_place[output, prompt]
                figures[figure] = positive(time_s, time_cell)
        points.append(
            Point(
                deployment=on,
                concurrency=0.0,
                prompt_tokens=prompt,
                output_tokens=output,
                no_rate=no_rate,
                where=cell,
                **figures,
            )
        )
    return Profile(format="aibrix", points=tuple(points), prices=(price,))


FORMAT = Format("aibrix", "AIBrix's GPU profile", "object", has("tputs", "indexes"), read)
