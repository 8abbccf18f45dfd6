"""Broken inputs over all readers: documented exceptions only, each within 2 s of CPU and 1 GB.

``python benches/mutated_inputs.py [COUNT] [FIRST_SEED]`` runs COUNT (100,000) inputs, the readers
in turn, and ends with 1 where one of them raised something else, took longer or more memory. Each
seed makes one input; ``tests/mutations.py`` says how.
"""

from __future__ import annotations

import logging
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mutations import DOCUMENTED, READERS, mutated

MOST_S = 2.0
MOST_KB = 2**20


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    logging.disable(logging.CRITICAL)
    names = list(READERS)
    outcomes: Counter[tuple[str, str]] = Counter()
    slowest: dict[str, tuple[float, int]] = {}
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            name = names[seed % len(names)]
            ending, contents, read = READERS[name]
            draw = random.Random(seed)
            path = Path(folder) / f"input{ending}"
            path.write_bytes(mutated(draw.choice(contents), draw))
            memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.process_time()
            try:
                read(path)
                outcome = "read"
            except DOCUMENTED:
                outcome = "refused"
            except BaseException:
                outcome = "FAULT"
                print(f"seed {seed}, {name}:")
                traceback.print_exc(file=sys.stdout)
            took = time.process_time() - began
            grew = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if took > MOST_S or (grew > MOST_KB and grew > memory_kb):
                outcome = "FAULT"
                print(f"seed {seed}, {name}: {took:.2f} s of CPU, {grew / 1024:.0f} MB at most")
            faults += outcome == "FAULT"
            outcomes[name, outcome] += 1
            slowest[name] = max(slowest.get(name, (0.0, 0)), (took, seed))
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'reader':16} {'read':>8} {'refused':>8} {'faults':>7} {'slowest s':>10} {'seed':>8}")
    for name in names:
        read_, refused, bad = (outcomes[name, key] for key in ("read", "refused", "FAULT"))
        took, seed = slowest.get(name, (0.0, 0))
        print(f"{name:16} {read_:8,} {refused:8,} {bad:7,} {took:10.3f} {seed:8}")
    print(f"{count:,} inputs from seed {first}, {faults} faults, {most_mb:.0f} MB at most")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
