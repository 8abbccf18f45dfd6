"""Plans held by replays on generated scenarios: rental, attainment in other draws, CPU time.

python benches/held_plans.py [--size IxJxK] [--seeds N] [--first-seed S] [--arrivals KIND]
    [--rate-scale F] [SCENARIO …]

Scenarios are drawn from the catalog: models and GPUs of every size, query types with lengths that
scatter and SLOs from brisk to relaxed, error limits that only the larger models meet. Arrivals are
`poisson`, `series` (rates that drift and burst) or `gamma` (CV 3, as BurstGPT's). Each plan is
held against up to six draws and judged by three others. Files or names of scenarios take the place
of generated ones.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from servemix.catalog import gpus, models
from servemix.replay import Requests, hold, replay
from servemix.replay.fleet import Fleet
from servemix.replay.hold import draws_of
from servemix.scenario import Scenario, load_scenario, scenario_from_data

SHARES = (0.0, 0.01, 0.05, *(round(0.1 * n, 1) for n in range(1, 10)), 0.95, 0.99, 1.0)
#: Standard normal quantiles of SHARES, its ends cut.
NORMAL = (
    *(-3.0, -2.326, -1.645, -1.282, -0.842, -0.524, -0.253, 0.0),
    *(0.253, 0.524, 0.842, 1.282, 1.645, 2.326, 3.0),
)


def generated(
    size: tuple[int, int, int], seed: int, arrivals: str, rate_scale: float = 1.0
) -> Scenario:
    """Draw a scenario of so many query types, models and GPUs."""
    num_types, num_models, num_gpus = size
    rng = np.random.default_rng([seed, *size])
    entries = [
        one for one in models() if one.max_context_tokens is None or one.max_context_tokens > 20000
    ]
    chosen = [entries[n] for n in rng.permutation(len(entries))[:num_models]]
    priced = [one for one in gpus() if one.usd_per_h is not None]
    rented = [priced[k].name for k in sorted(rng.permutation(len(priced))[:num_gpus].tolist())]
    # the larger the model, the fewer errors
    skill = {one.name: 0.12 + 0.3 * float(np.exp(-np.log1p(one.params_b) / 2.0)) for one in chosen}
    types = []
    for i in range(num_types):
        mean_in, mean_out = (
            float(np.exp(rng.uniform(4.6, 8.7))),
            float(np.exp(rng.uniform(3.0, 6.4))),
        )
        ttft, tpot = float(rng.choice([0.7, 1.5, 3.0])), float(rng.choice([0.03, 0.06, 0.1]))
        entry: dict[str, Any] = {
            "name": f"type-{i}",
            "input_tokens": mean_in,
            "output_tokens": mean_out,
            "rate_per_h": rate_scale * float(np.exp(rng.uniform(6.0, 9.5))),
            "error": {name: value * float(rng.uniform(0.9, 1.1)) for name, value in skill.items()},
            "error_slo": float(rng.choice([0.2, 0.25, 0.35])),
            "lengths": _lengths(mean_in, mean_out, float(rng.uniform(0.1, 0.8))),
        }
        if rng.random() < 0.6:
            entry |= {"ttft_slo_s": ttft * (1.0 + mean_in / 4000.0), "tpot_slo_s": tpot}
        else:
            entry |= {"latency_slo_s": 2.0 * (ttft + mean_in / 3000.0 + mean_out * tpot)}
        if arrivals == "series":
            walk = np.exp(0.15 * rng.standard_normal(60).cumsum() - 0.3)
            entry["arrivals"] = {
                "rate_per_h": (entry["rate_per_h"] * walk / walk.mean()).tolist(),
                "scatter_1s": float(rng.uniform(1.0, 2.5)),
                "scatter_10s": float(rng.uniform(1.0, 5.0)),
            }
        types.append(entry)
    return scenario_from_data(
        {
            "name": f"held-{num_types}-{num_models}-{num_gpus}-s{seed}",
            "gpus": [{"name": name} for name in rented],
            "models": [{"name": one.name} for one in chosen],
            "parallelism": {"tp": [1, 2, 4, 8], "pp": [1, 2], "max_num_seqs": [16, 64, 256]},
            "query_types": types,
        }
    )


def _lengths(mean_in: float, mean_out: float, spread: float) -> dict[str, Any]:
    z = np.array(NORMAL)
    inputs, outputs = np.exp(spread * z), np.exp(spread * z[::-1] * -1.0)
    mass = np.diff(np.array(SHARES))

    def scaled(values: np.ndarray, mean: float) -> list[float]:
        drawn = float(mass @ (0.5 * (values[1:] + values[:-1])))
        return np.maximum(values * mean / drawn, 1.0).tolist()

    return {
        "shares": list(SHARES),
        "input_tokens": scaled(inputs, mean_in),
        "output_tokens": scaled(outputs, mean_out),
    }


def drawn(scenario: Scenario, arrivals: str, seed: int) -> Requests:
    """Draw the requests of an hour, or of the scenario's series."""
    if arrivals == "series":
        return Requests.described(scenario, seed=seed)
    cv = 3.0 if arrivals == "gamma" else 1.0
    return Requests.gamma(scenario, cv=cv, duration_s=3600.0, seed=seed)


def judged(scenario: Scenario, arrivals: str) -> tuple[float, float, float]:
    """Hold a scenario and print a line of it; rental, mean attainment elsewhere, CPU time."""
    draws = draws_of(lambda seed: drawn(scenario, arrivals, seed))
    started = time.process_time()
    found = hold(scenario, draws)
    cpu_s = time.process_time() - started
    if found is None:
        print(f"{scenario.name:28} no plan, {cpu_s:.2f} s", flush=True)
        return float("nan"), float("nan"), cpu_s
    cost = found.plan.cost
    assert cost is not None
    usd = (cost["rental"] + cost["storage"]) / found.problem.horizon_h
    fleet = Fleet.of(scenario)
    others = [
        replay(scenario, found.plan, drawn(scenario, arrivals, s), fleet=fleet)
        for s in (101, 102, 103)
    ]
    attained = [one.attainment for one in others]
    least = min(row.joint.value for one in others for row in one.query_types if row.requests)
    print(
        f"{scenario.name:28} {usd:9.3f} $/h  ×{found.cost_of_holding:5.2f}  held {found.held!s:5} "
        f"elsewhere {min(attained):.2%} to {max(attained):.2%}, least type {least:.2%}  "
        f"{cpu_s:6.2f} s  {found.plans_tried} plans, {len(draws[0])} requests  "
        f"{found.message or ''}",
        flush=True,
    )
    return usd, float(np.mean(attained)) if found.held else float("nan"), cpu_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--size", default="6x6x6")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--rate-scale", type=float, default=1.0)
    parser.add_argument("--arrivals", choices=("poisson", "series", "gamma"), default="poisson")
    given = parser.parse_args()
    i, j, k = (int(one) for one in given.size.split("x"))
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    scenarios = [load_scenario(name) for name in given.scenarios] or [
        generated((i, j, k), seed, given.arrivals, given.rate_scale) for seed in seeds
    ]
    rows = np.array([judged(one, given.arrivals) for one in scenarios])
    print(
        f"geometric mean {np.exp(np.nanmean(np.log(rows[:, 0]))):.3f} $/h, "
        f"elsewhere {np.nanmean(rows[:, 1]):.2%} in the mean, "
        f"{np.nanmin(rows[:, 1]):.2%} at least, "
        f"CPU {rows[:, 2].mean():.2f} s in the mean, {rows[:, 2].max():.2f} s at most"
    )


if __name__ == "__main__":
    main()
