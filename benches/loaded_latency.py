"""Times under load: the formula of routes beside replays, over a grid of random cells.

python benches/loaded_latency.py [--cells N] [--seed S]

A cell is one replica of a random configuration of azure-2023 with one to three query types in
random shares, at a random utilization, under Poisson arrivals. Printed are the ratios predicted /
replayed of the mean time per output token: at a full batch as routes have it, and by the formula of
loaded_gap_s with the rate of the type itself, and of the mix.
"""

from __future__ import annotations

import argparse

import numpy as np

from servemix.performance import ServiceCurve, service_curves
from servemix.performance.loaded import loaded_gap_s
from servemix.replay import Requests
from servemix.replay.replica import replay_replica
from servemix.scenario import load_scenario


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    scenario = load_scenario("azure-2023")
    curves = service_curves(scenario)
    assert isinstance(curves, ServiceCurve)
    types = scenario.query_types
    rows: list[tuple[float, ...]] = []
    while len(rows) < given.cells:
        a = int(rng.integers(len(curves)))
        curve = curves.take([a])
        u = float(rng.choice([0.3, 0.5, 0.7, 0.85]))
        chosen = rng.choice(len(types), int(rng.integers(1, 4)), replace=False)
        share = rng.dirichlet(np.ones(len(chosen)))
        h = np.array([types[i].input_tokens for i in chosen])
        f = np.array([types[i].output_tokens for i in chosen])
        tokens = float((curve.kv_cache_gb / curve.kv_gb_per_token)[0])
        if curve.pp[0] > 1 or tokens < 4.0 * float((h + f).max()):
            continue
        busy = np.array(
            [float(curve.busy_s(one, other)[0]) for one, other in zip(h, f, strict=True)]
        )
        count = 5000
        kind = rng.choice(len(chosen), count, p=share)
        arrival = np.sort(rng.random(count)) * count * float(share @ busy) / u
        requests = Requests(
            arrival,
            np.rint(h[kind]).astype(int),
            np.maximum(np.rint(f[kind]), 2).astype(int),
            chosen[kind],
        )
        found = replay_replica(
            requests, curve=curve, max_num_seqs=int(curve.max_num_seqs[0]), kv_cache_tokens=tokens
        )
        late = np.arange(count) > count // 5
        for n in range(len(chosen)):
            own = (kind == n) & late
            if own.sum() < 200:
                continue
            measured = float(np.nanmean(found.tpot_s[own]))
            # the mix as one type with its mean lengths, weighted as it comes
            mix = loaded_gap_s(curve, float(share @ h), float(share @ f), u)[0]
            rows.append(
                (
                    u,
                    float(curve.tpot_s(h[n], f[n])[0]) / measured,
                    float(loaded_gap_s(curve, h[n], f[n], u)[0]) / measured,
                    float(mix) / measured,
                )
            )
    table = np.array(rows)
    print(f"{len(rows)} types in cells, seed {given.seed}: predicted / replayed mean TPOT")
    print("utilization      full batch             own rate               rate of the mix")
    for u in (0.3, 0.5, 0.7, 0.85):
        part = table[table[:, 0] == u]
        cells = (
            f"{np.median(c):5.2f} ({np.quantile(c, 0.1):4.2f} to {np.quantile(c, 0.9):5.2f})"
            for c in part[:, 1:].T
        )
        print(f"{u:11.2f}  " + "   ".join(cells))
    errors = np.median(np.abs(table[:, 1:] - 1.0), axis=0)
    within = (np.abs(np.log(table[:, 1:])) < np.log(1.25)).mean(axis=0)
    print("median |error|  " + "   ".join(f"{e:20.1%}" for e in errors))
    print("within ×1.25    " + "   ".join(f"{w:20.1%}" for w in within))


if __name__ == "__main__":
    main()
