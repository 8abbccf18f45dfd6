"""SkyPilot's catalogs: prices of instances by cloud, region and GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import csv_rows, positive, required, said
from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import GpuPrice, Profile

_NEEDED = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price")
_MIB = re.compile(r"SizeInMiB['\"]?\s*:\s*(\d+)", re.IGNORECASE)
#: Share by which a GPU's memory may differ from the catalog's: drivers keep some of it.
_SAME_MEMORY = 0.1
_GB_PER_MIB = 2**20 / 1e9


def read(text: str, where: str, context: Context) -> Profile:
    """Read ``vms.csv``: USD/h of an instance on demand, of which one GPU has its share.

    The cheapest offer of a GPU comes first. Instances without GPUs or without a price on demand are
    left out, and counted. A GPU is told by its name and, where the file has it, its memory:
    SkyPilot's ``A100`` has 40 GB.
    """

    def price(label: str, row: Mapping[str, str]) -> GpuPrice:
        name = row["AcceleratorName"].strip()
        if not name:
            raise LeftOutError("an instance without GPUs")
        if not said(row["Price"]) or row["Price"].strip().lower() in ("nan", "0", "0.0"):
            raise LeftOutError("no price on demand")
        spot = row.get("SpotPrice")
        place = row.get("AvailabilityZone") or row.get("Region") or ""
        return GpuPrice(
            name=row["InstanceType"] or name,
            usd_per_h=required(row, "Price", label),
            spot_usd_per_h=_spot(spot, f"{label}.SpotPrice"),
            gpu=_gpu(name, row.get("GpuInfo") or "", context),
            gpus=positive(row["AcceleratorCount"], f"{label}.AcceleratorCount"),
            place=place,
        )

    prices = context.collect(csv_rows(text, where, _NEEDED), price)
    ordered = sorted(prices, key=lambda one: (one.gpu, one.usd_per_gpu_h, one.name, one.place))
    return Profile(format="skypilot-catalog", prices=tuple(ordered))


def _spot(cell: str | None, where: str) -> float | None:
    if cell is None or cell.strip().lower() in ("", "nan", "0", "0.0"):
        return None
    return positive(cell, where)


def _gpu(name: str, info: str, context: Context) -> str:
    """Return the GPU's name in scenario or catalog whose memory the offer has."""
    found = _MIB.search(info)
    if found is None:
        return context.gpu_name(name)
    memory_gb = int(found[1]) * _GB_PER_MIB
    size = round(int(found[1]) / 1024)
    for written in (name, f"{name}-{size}GB"):
        known = context.gpu_name(written)
        try:
            row = catalog.gpu(known)
        except InvalidInputError:
            continue
        if abs(row.memory_gb / memory_gb - 1.0) <= _SAME_MEMORY:
            return known
    return f"{name} ({size} GB)"


FORMAT = Format("skypilot-catalog", "SkyPilot's catalog CSV", "csv", has(*_NEEDED), read)
