"""Prices of GPUs in a file, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.performance.profile import GpuPrice

__all__ = ["price_table"]


def price_table(prices: Sequence[GpuPrice]) -> Table:
    """List the cheapest offer of each GPU, beside the catalog's price.

    Parameters
    ----------
    prices
        Offers of a file.

    Returns
    -------
    Table
        One row per GPU.
    """
    by_gpu: dict[str, list[GpuPrice]] = defaultdict(list)
    for price in prices:
        by_gpu[price.gpu].append(price)
    rows = []
    for gpu, offers in sorted(by_gpu.items()):
        best = min(offers, key=lambda offer: offer.usd_per_gpu_h)
        spots = [o.spot_usd_per_h / o.gpus for o in offers if o.spot_usd_per_h is not None]
        rows.append(
            [
                gpu,
                f"{best.usd_per_gpu_h:.2f}",
                f"{max(offer.usd_per_gpu_h for offer in offers):.2f}",
                f"{min(spots):.2f}" if spots else "–",
                str(len(offers)),
                f"{best.name}, {best.gpus:g} GPU" + ("s" if best.gpus > 1 else ""),
                best.place or "–",
                _known(gpu),
            ]
        )
    columns = ["GPU", ">$/h from", ">to", ">spot from", ">offers", "cheapest", "place"]
    return Table("Prices of one GPU", [*columns, ">catalog"], rows)


def _known(gpu: str) -> str:
    from servemix import catalog
    from servemix._errors import InvalidInputError

    try:
        price = catalog.gpu(gpu).usd_per_h
    except InvalidInputError:
        return "–"
    return "–" if price is None else f"{price:.2f}"
