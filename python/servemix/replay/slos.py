"""The SLOs of query types as the core takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from servemix.scenario import Scenario

Floats = npt.NDArray[np.float64]


def slos_of(scenario: Scenario) -> dict[str, Floats]:
    """Return the SLOs that query types state, infinite where they state none."""
    entries = scenario.query_types

    def column(name: str) -> Floats:
        given = [getattr(entry, name) for entry in entries]
        return np.array([np.inf if limit is None else limit for limit in given], dtype=np.float64)

    return {
        "ttft_s": column("ttft_slo_s"),
        "tpot_s": column("tpot_slo_s"),
        "latency_s": column("latency_slo_s"),
    }
