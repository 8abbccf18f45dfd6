"""Calibrated demand: as a table for a person, and as query types in a scenario file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servemix._errors import InvalidInputError
from servemix._files import write_whole
from servemix.cli.console import print_line, print_table
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.traces import Demand


def write_scenario(
    path: Path, entries: list[dict[str, Any]], *, base: str | None, note: str
) -> None:
    """Write query types, alone or within a scenario.

    Parameters
    ----------
    path
        A ``.yaml``, ``.yml`` or ``.json`` file.
    entries
        The query types.
    base
        Scenario, by file or built-in name, whose query types these replace. One of the same name
        passes on the keys that the new one lacks. None: the file holds ``query_types`` alone.
    note
        What the figures are, for a comment.

    Raises
    ------
    OSError
        The file cannot be written.
    InvalidInputError
        The suffix is another, or base and query types do not make a valid scenario.
    """
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise InvalidInputError(f"{path}: a scenario is written as .yaml or .json")
    data: dict[str, Any] = {"query_types": entries}
    if base is not None:
        from servemix.scenario import load_scenario, scenario_from_data, scenario_to_data

        data = scenario_to_data(load_scenario(base))
        kept = {kind["name"]: kind for kind in data["query_types"]}
        data["query_types"] = [{**kept.get(kind["name"], {}), **kind} for kind in entries]
        # What the base says of itself, its sources among it, is not true of the new demand.
        data["description"] = f"calibrated query types ({note}); all else as in {data['name']}"
        data["name"] = path.stem
        data.pop("sources", None)
        scenario_from_data(data)
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if path.suffix != ".json":
        import yaml

        # Through JSON, since YAML's safe writer knows lists but no tuples.
        body = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
        text = f"# Query types calibrated by servemix: {note}.\n{body}"
    write_whole(path, text)


def print_demand(demand: Demand) -> None:
    """Show query types and rates to a person."""
    from servemix.traces import Calibration

    rows = [
        (
            kind.name,
            kind.model or "–",
            f"{kind.share:.1%}",
            f"{kind.input_tokens:,.0f}",
            _figure(kind.input_tokens_high),
            f"{kind.output_tokens:,.0f}",
            _figure(kind.output_tokens_high),
            f"{kind.rate_per_h:,.0f}",
            f"{kind.peak_rate_per_h:,.0f}",
            f"{kind.peak_factor:.2f}",
        )
        for kind in demand.types
    ]
    high = f">p{demand.token_percentile:g}"
    columns = ["query type", "model", ">share", ">input tokens", high, ">output tokens", high]
    columns += [">mean/h", f">p{demand.peak_percentile:g}/h", ">peak factor"]
    title = f"{demand.name}: {demand.rate_per_h:,.0f} requests/h"
    note = f"peaks over windows of {demand.series.step_s:g} s"
    broken = ""
    if isinstance(demand, Calibration):
        trace = demand.trace
        title += f", {trace.num_requests:,} in {trace.duration_s / 3600:.2f} h"
        explained = f"{demand.explained_variance:.0%} of the variance of log tokens"
        count = len(demand.types)
        types = "1 type explains" if count == 1 else f"{count} types explain"
        note = f"{types} {explained}; {note}"
        broken = trace.broken.summary()
    print_table(Table(title, columns, rows, note=note))
    if broken:
        print_line(f"broken rows: {broken}", style="yellow")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
