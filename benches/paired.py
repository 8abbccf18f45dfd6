"""Compare runs of ``cargo bench --bench unseen``, problem by problem.

Run: python benches/paired.py BASE.csv NEW.csv [REFERENCE.csv ...]

Gaps are taken to the cheapest plan of all files. The difference of a problem is the mean over its
seeds; the interval is a bootstrap over problems (95 %, 10,000 draws). Time is the process's own.
"""

import csv
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from statistics import mean

DRAWS = 10_000
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """Read the rows of one run."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def interval(values: list[float]) -> tuple[float, float]:
    """Give a 95 % bootstrap interval of the mean."""
    rng = random.Random(0)
    means = sorted(mean(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    return means[int(0.025 * DRAWS)], means[int(0.975 * DRAWS)]


def by_problem(rows: Iterable[Row], best: dict[str, float]) -> dict[str, list[float]]:
    """Give gaps in per cent, one per seed, of problems with a plan; infinite without one."""
    gaps: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        least, value = best.get(row["problem"], math.inf), float(row["value"])
        if math.isfinite(least):
            known = value <= least + 1e-12 * abs(least)
            gap = 0.0 if known else 100 * (value / least - 1) if least > 0 else math.inf
            gaps[row["problem"]].append(math.inf if math.isnan(value) else gap)
    return gaps


def line(name: str, base: list[list[float]], new: list[list[float]]) -> str:
    """Summarize the problems of one family."""
    flat_base, flat_new = [*chain(*base)], [*chain(*new)]
    found = [
        mean(b) - mean(a)
        for a, b in zip(base, new, strict=True)
        if math.isfinite(mean(a)) and math.isfinite(mean(b))
    ]
    low, high = interval(found) if len(found) > 1 else (math.nan, math.nan)
    difference = mean(found) if found else math.nan
    return (
        f"{name:<20}{len(base):>5}{mean(flat_base):>9.3f}{max(flat_base):>9.2f}"
        f"{mean(flat_new):>9.3f}{max(flat_new):>9.2f}"
        f"{difference:>+10.3f}  [{low:+.3f}, {high:+.3f}]"
    )


def main() -> None:
    """Print gaps by family, the paired difference, and the time."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    base, new = read(paths[0]), read(paths[1])
    best: dict[str, float] = {}
    for row in [*base, *new, *(row for path in paths[2:] for row in read(path))]:
        value = float(row["value"])
        if not math.isnan(value):
            best[row["problem"]] = min(value, best.get(row["problem"], math.inf))
    family = {row["problem"]: row["family"] for row in base}
    left, right = by_problem(base, best), by_problem(new, best)
    columns = ("base %", "worst", "new %", "worst")
    print(f"{'family':<20}{'n':>5}{''.join(f'{name:>9}' for name in columns)}{'paired':>10}  95 %")
    for name in [*dict.fromkeys(family.values()), "all"]:
        names = [p for p in left if p in right and name in (family[p], "all")]
        if names:
            print(line(name, [left[p] for p in names], [right[p] for p in names]))
    time = [sum(float(row["cpu_ms"]) for row in rows) / len(rows) for rows in (base, new)]
    print(f"CPU time per plan: {time[0]:.2f} ms, {time[1]:.2f} ms ({time[1] / time[0]:.3f})")
    worst = sorted(
        ((max(gaps), max(left[p]), p) for p, gaps in right.items() if p in left), reverse=True
    )[:6]
    for gap, before, problem in worst:
        print(f"  {problem}: {gap:.2f} % (base {before:.2f})")


if __name__ == "__main__":
    main()
