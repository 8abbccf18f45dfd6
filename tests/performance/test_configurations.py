"""What can be deployed follows from memory, nodes, heads and layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from servemix.performance.configurations import Configurations, enumerate_configurations
from servemix.scenario import resolve
from small_scenarios import scenario


def rows(found: Configurations) -> set[tuple[int, ...]]:
    columns = (found.model, found.tier, found.tp, found.pp, found.max_num_seqs)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_every_combination_whose_weights_leave_room_is_there_once() -> None:
    resolved = resolve(scenario(reserve_gb=1.0, memory_utilization=0.8))
    found, none = enumerate_configurations(resolved)
    expected = set()
    for (j, model), (k, tier), tp, pp, batch in itertools.product(
        enumerate(resolved.models), enumerate(resolved.tiers), (1, 2, 4), (1, 2), (8, 32)
    ):
        room = tp * pp * (tier.gpu.memory_gb * 0.8 - 1.0) - model.weights_gb(tier.precision)
        if room > 0:
            expected.add((j, k, tp, pp, batch))
    assert rows(found) == expected
    assert len(found) == len(expected)
    assert none == {}


def test_the_memory_left_is_what_the_engine_may_use_less_the_weights() -> None:
    found, _ = enumerate_configurations(resolve(scenario(models=["llama-3.1-8b"])))
    one = (found.tp == 1) & (found.pp == 1) & (found.tier == 0)
    assert found.kv_cache_gb[one] == pytest.approx(80 * 0.9 - 16.06)
    assert found.kv_gb_per_token[one] == pytest.approx(2 * 32 * 8 * 128 * 2 / 1e9)


def test_rows_are_ordered_by_model_tier_parallelism_and_batch() -> None:
    found, _ = enumerate_configurations(resolve(scenario()))
    keys = np.stack([found.model, found.tier, found.tp, found.pp, found.max_num_seqs], axis=1)
    assert keys.tolist() == sorted(keys.tolist())


def test_tensor_parallel_groups_stay_in_a_node_unless_told_otherwise() -> None:
    gpus = [{"name": "h100", "spec": {"gpus_per_node": 2}}]
    found, _ = enumerate_configurations(resolve(scenario(gpus=gpus)))
    assert set(found.tp.tolist()) == {1, 2}
    beyond = {"tp": [1, 2, 4], "multi_node_tp": True}
    found, _ = enumerate_configurations(resolve(scenario(gpus=gpus, parallelism=beyond)))
    assert set(found.tp.tolist()) == {1, 2, 4}


def test_tp_divides_the_heads_and_pp_does_not_exceed_the_layers() -> None:
    how = {"tp": [1, 3, 32], "pp": [1, 32, 33], "multi_node_tp": True}
    found, _ = enumerate_configurations(resolve(scenario(models=["llama-3.1-8b"], parallelism=how)))
    assert set(found.tp.tolist()) == {1, 32}
    assert set(found.pp.tolist()) == {1, 32}


def test_kv_heads_are_copied_where_tp_exceeds_them() -> None:
    how = {"tp": [1, 8, 16], "multi_node_tp": True}
    found, _ = enumerate_configurations(resolve(scenario(models=["llama-3.1-8b"], parallelism=how)))
    by_tp = {tp: found.kv_gb_per_token[found.tp == tp][0] for tp in (1, 8, 16)}
    assert by_tp[8] == by_tp[1]
    assert by_tp[16] == pytest.approx(2 * by_tp[1])


def test_pairs_replace_the_product_and_a_model_may_have_its_own() -> None:
    models = [{"name": "llama-3.1-8b", "parallelism": {"pairs": [[4, 2]]}}, "llama-3.2-3b"]
    found, _ = enumerate_configurations(
        resolve(scenario(models=models, parallelism={"pairs": [[1, 1], [2, 1]]}))
    )
    pairs = set(zip(found.model.tolist(), found.tp.tolist(), found.pp.tolist(), strict=True))
    assert pairs == {(0, 4, 2), (1, 1, 1), (1, 2, 1)}


def test_a_model_that_fits_nowhere_says_how_much_it_misses() -> None:
    resolved = resolve(scenario(models=["llama-3.1-405b"], parallelism={"tp": [1, 8]}))
    found, none = enumerate_configurations(resolved)
    assert set(found.tier.tolist()) == {1}  # int4 on eight H100 alone
    assert set(none) == {(0, 0), (0, 2)}
    assert none[0, 0].largest_gb == pytest.approx(8 * 72)
    assert "weights of 811.8 GB leave no room for KV cache in the 576 GB" in none[0, 0].message


def test_a_pair_without_any_possible_parallelism_says_why() -> None:
    gpus = [{"name": "h100", "spec": {"gpus_per_node": 1}}]
    resolved = resolve(scenario(gpus=gpus, parallelism={"tp": [2]}))
    found, none = enumerate_configurations(resolved)
    assert len(found) == 0
    assert "no TP/PP pair is possible" in none[0, 0].message
