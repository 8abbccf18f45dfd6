"""``servemix catalog``."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from servemix import catalog as shipped
from servemix._errors import InvalidInputError
from servemix.cli.console import print_json, print_table
from servemix.cli.options import Json
from servemix.report.tables import Table


class Section(str, Enum):
    """Parts of the catalog."""

    gpus = "gpus"
    models = "models"
    precisions = "precisions"
    accuracy = "accuracy"
    model = "model"
    prices = "prices"


def catalog(
    section: Annotated[
        Section | None, typer.Argument(help="Show only this section.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(
            help="With model: the model's config.json, or its name in the catalog. With prices: a "
            "file with prices, such as SkyPilot's catalog CSV.",
            show_default=False,
        ),
    ] = None,
    find: Annotated[
        str, typer.Option("--find", help="Show only rows whose name contains this.", metavar="TEXT")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the GPUs, models, precisions and published accuracies that scenarios can name.

    Every row has its source; --json shows all fields. `servemix catalog model config.json` shows
    what is read from a model's configuration file and what is assumed. `servemix catalog prices
    FILE` shows prices per GPU from SkyPilot's catalog, or from any file of measurements with
    prices.
    """
    if section is Section.model:
        _show_model(source, as_json)
        return
    if section is Section.prices:
        _show_prices(source, find.casefold(), as_json)
        return
    if source is not None:
        raise InvalidInputError(
            f"{source!r}: only `catalog model` and `prices` take a file or a name"
        )
    rows = _rows(find.casefold())
    wanted = [section.value] if section else list(rows)
    if as_json:
        print_json({name: msgspec.to_builtins(rows[name]) for name in wanted})
        return
    for name in wanted:
        print_table(_TABLES[name](rows[name]))


def _show_model(source: str | None, as_json: bool) -> None:
    if source is None:
        raise InvalidInputError(
            "catalog model: give a config.json or the name of a model in the catalog"
        )
    path = Path(source)
    is_file = path.suffix == ".json" or path.exists()
    row = shipped.read_config(path) if is_file else shipped.model(source)
    if as_json:
        print_json(msgspec.to_builtins(row))
    else:
        print_table(model_table(row))


def _show_prices(source: str | None, find: str, as_json: bool) -> None:
    from servemix.performance.profile import read_profile
    from servemix.report.price_tables import price_table

    if source is None:
        raise InvalidInputError("catalog prices: give a file, such as SkyPilot's vms.csv")
    profile = read_profile(source)
    prices = [price for price in profile.prices if find in price.gpu.casefold()]
    if not prices:
        raise InvalidInputError(f"{source}: no price" + (f" of {find!r}" if find else ""))
    if as_json:
        rows = [
            {**msgspec.to_builtins(price), "usd_per_gpu_h": price.usd_per_gpu_h} for price in prices
        ]
        print_json({"file": source, "format": profile.format, "prices": rows})
        return
    print_table(price_table(prices))


def model_table(row: shipped.Model) -> Table:
    """Say what is known of one model: its size, its layers, what it keeps of a sequence."""
    bf16 = shipped.precision("bf16")
    stored = shipped.precision(row.precision) if row.precision else bf16
    cells = [
        ("parameters", f"{row.params_b:,.6g}·10⁹"),
        ("active", _figure(row.active_params_b, ",.6g") + ("·10⁹" if row.active_params_b else "")),
        ("stored as", f"{row.precision or 'not known'}, {row.weights_gb(stored):,.4g} GB"),
        ("KV cache", row.kv_precision or "16 bits unless told otherwise"),
        ("KV cache per token", f"{row.kv_bytes_per_token(bf16):,.0f} bytes at 16 bits"),
    ]
    if row.window_tokens:
        window = row.window_bytes_per_token(bf16)
        cells.append(("… in a window", f"{window:,.0f} bytes, the last {row.window_tokens} tokens"))
    if row.state_bytes():
        cells.append(("state per sequence", f"{row.state_bytes() / 1e6:,.4g} MB"))
    cells += [
        ("heads / KV heads", f"{row.heads} / {row.kv_heads}; TP divides {row.heads}"),
        ("hidden size", str(row.hidden_size)),
        ("vocabulary", f"{row.vocab_size}" + (", embeddings tied" if row.tied_embeddings else "")),
        ("longest context", _figure(row.max_context_tokens, ",d")),
        *(("layers", part) for part in row.parts or (str(row.layers),)),
        *(("assumed", what) for what in row.assumed),
        ("source", row.config_source or row.params_source),
    ]
    return Table(f"{row.name} ({row.family or 'no family'})", ["", ""], cells)


def _rows(find: str) -> dict[str, list[Any]]:
    def kept(*names: str) -> bool:
        return any(find in name.casefold() for name in names)

    return {
        "gpus": [row for row in shipped.gpus() if kept(row.name, *row.aliases)],
        "models": [row for row in shipped.models() if kept(row.name, *row.aliases)],
        "precisions": [row for row in shipped.PRECISIONS.values() if kept(row.name)],
        "accuracy": [row for row in shipped.accuracy() if kept(row.model, row.benchmark)],
    }


def _figure(value: float | None, form: str = ",.6g") -> str:
    return "–" if value is None else format(value, form)


def _gpu_table(rows: list[shipped.Gpu]) -> Table:
    cells = [
        (
            row.name,
            _figure(row.memory_gb),
            _figure(row.memory_gb_per_s),
            _figure(row.bf16_tflops),
            _figure(row.fp8_tflops),
            _figure(row.int8_tops),
            _figure(row.link_gb_per_s),
            _figure(row.gpus_per_node),
            _figure(row.usd_per_h, ".2f"),
            row.price_source,
        )
        for row in rows
    ]
    columns = ["GPU", ">GB", ">GB/s", ">BF16 TFLOP/s", ">FP8", ">INT8", ">link GB/s", ">per node"]
    return Table("GPUs", [*columns, ">$/h", "price from"], cells)


def _model_table(rows: list[shipped.Model]) -> Table:
    cells = [
        (
            row.family or "–",
            row.name,
            _figure(row.params_b),
            _figure(row.active_params_b),
            _figure(row.layers),
            _figure(row.hidden_size),
            f"{row.heads}/{row.kv_heads}",
            row.config_source or row.params_source,
        )
        for row in sorted(rows, key=lambda row: row.family)
    ]
    columns = [
        "family",
        "model",
        ">10⁹ params",
        ">active",
        ">layers",
        ">hidden",
        ">heads/KV",
        "source",
    ]
    return Table("Models", columns, cells)


def _precision_table(rows: list[shipped.Precision]) -> Table:
    cells = [
        (row.name, _figure(row.weight_bytes, ".3g"), row.compute, row.description) for row in rows
    ]
    return Table("Precisions", ["precision", ">bytes/weight", "arithmetic", "meaning"], cells)


def _accuracy_table(rows: list[shipped.AccuracyFact]) -> Table:
    cells = [
        (
            row.model,
            row.precision,
            row.benchmark,
            _figure(row.accuracy, ".3f"),
            _figure(row.retention, ".3f"),
            row.source,
        )
        for row in rows
    ]
    columns = ["model", "precision", "benchmark", ">accuracy", ">retention", "source"]
    return Table("Published accuracies", columns, cells)


_TABLES: dict[str, Callable[[list[Any]], Table]] = {
    "gpus": _gpu_table,
    "models": _model_table,
    "precisions": _precision_table,
    "accuracy": _accuracy_table,
}
