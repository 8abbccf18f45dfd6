"""What is to be looked at: a file's coefficients are evidence up to their largest batch only."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from servemix.performance.profile.names import Names
from servemix.performance.profile.records import Deployment
from servemix.performance.profile.sources import coefficients_of, read_options, read_sources

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations
    from servemix.scenario import ResolvedScenario


def deployments_of(c: Configurations) -> list[Deployment]:
    """Return what each configuration deploys."""
    return [
        Deployment(
            model=c.models[model].name,
            gpu=c.tiers[tier].gpu.name,
            precision=c.tiers[tier].precision.name,
            tp=tp,
            pp=pp,
        )
        for model, tier, tp, pp in zip(
            c.model.tolist(), c.tier.tolist(), c.tp.tolist(), c.pp.tolist(), strict=True
        )
    ]


def limited(resolved: ResolvedScenario, c: Configurations) -> Configurations:
    """Cap batch limits at what a file's coefficients hold for.

    A deployment with coefficients has, for each of the scenario's batch limits and each query type,
    the smaller of it and the file's own limit for such requests; equal ones are one configuration.
    """
    options = read_options(resolved.scenario.performance.options)
    fitted = coefficients_of(read_sources(options.files, Names.of(resolved)))
    if not fitted:
        return c
    outputs = [float(entry.output_tokens) for entry in resolved.scenario.query_types]
    rows: dict[tuple[int, ...], int] = {}
    for a, deployment in enumerate(deployments_of(c)):
        limit, found = int(c.max_num_seqs[a]), fitted.get(deployment)
        limits = {limit} if found is None else {min(limit, found.batch_limit(f)) for f in outputs}
        for one in sorted(limits):
            key = tuple(int(column[a]) for column in (c.model, c.tier, c.tp, c.pp))
            rows.setdefault((*key, one), a)
    first: dict[tuple[int, ...], int] = {}
    for key in rows:
        first.setdefault(key[:4], len(first))
    ordered = sorted(rows.items(), key=lambda item: (first[item[0][:4]], item[0][4]))
    source = np.array([a for _, a in ordered])
    batch = np.array([key[4] for key, _ in ordered], dtype=np.int64)
    taken = {
        f.name: getattr(c, f.name)[source]
        for f in fields(c)
        if isinstance(getattr(c, f.name), np.ndarray)
    }
    freed_gb = taken["kv_gb_per_sequence"] * (taken["max_num_seqs"] - batch) * taken["pp"]
    taken["max_num_seqs"] = batch
    taken["kv_cache_gb"] = taken["kv_cache_gb"] + freed_gb
    return replace(c, **taken)
