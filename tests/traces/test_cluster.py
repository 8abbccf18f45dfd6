"""Clusters against enumeration and by the properties of k-means."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servemix.traces.cluster import cluster

coordinate = st.floats(min_value=0.0, max_value=12.0)


def points_of(most: int, dimensions: int = 2) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, most), st.just(dimensions))
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=coordinate))


def within(points: np.ndarray, label: np.ndarray) -> float:
    """Within-cluster sum of squares."""
    parts = [points[label == place] for place in np.unique(label)]
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


def least_within(points: np.ndarray, k: int) -> float:
    """Smallest within-cluster sum of squares of any partition, by enumeration."""
    labels = product(range(k), repeat=len(points))
    return min(within(points, np.array(label)) for label in labels)


@given(points_of(60), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_clusters_are_a_partition_and_the_centres_their_means(points, k):
    found = cluster(points, k, explain=0.0, max_k=1)
    assert set(found.label) == set(range(len(found.centre)))
    assert len(found.centre) <= k
    for place, centre in enumerate(found.centre):
        np.testing.assert_allclose(points[found.label == place].mean(axis=0), centre, atol=1e-9)
    assert [tuple(centre) for centre in found.centre] == sorted(map(tuple, found.centre))


@given(points_of(60))
@settings(max_examples=100, deadline=None)
def test_explained_variance_is_that_of_the_partition(points):
    found = cluster(points, 3, explain=0.0, max_k=1)
    total = within(points, np.zeros(len(points), dtype=np.int64))
    # Points within one cell of the grid count as their mean.
    cell = len(points) * 2 * 0.025**2
    if total > 100 * cell:
        assert found.explained == pytest.approx(1 - within(points, found.label) / total, abs=0.02)


@given(points_of(60))
@settings(max_examples=50, deadline=None)
def test_more_clusters_never_explain_much_less(points):
    shares = [cluster(points, k, explain=0.0, max_k=1).explained for k in range(1, 6)]
    assert all(after >= before - 1e-6 for before, after in pairwise(shares))


def test_clusters_of_small_sets_are_the_best_partition_or_close_to_it():
    rng = np.random.default_rng(1)
    over = []
    for _ in range(20):
        points = rng.uniform(0.0, 10.0, size=(7, 2))
        for k in (2, 3):
            found = cluster(points, k, explain=0.0, max_k=1)
            over.append(within(points, found.label) / least_within(points, k))
    assert np.mean(over) <= 1.01
    assert max(over) <= 1.1


@given(points_of(40), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_the_number_is_the_smallest_that_explains_enough(points, explain):
    found = cluster(points, None, explain=explain, max_k=6)
    k = len(found.centre)
    if k < 6 and len(points) > 6:
        assert found.explained >= explain - 1e-6
    if k > 1:
        assert cluster(points, k - 1, explain=0.0, max_k=1).explained < explain + 1e-6


def test_many_cells_are_searched_on_a_coarser_grid():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(centre, 0.5, size=(20_000, 2)) for centre in (2, 6, 10)])
    found = cluster(points, None, explain=0.9, max_k=8)
    np.testing.assert_allclose(found.centre, [[2, 2], [6, 6], [10, 10]], atol=0.02)
    assert found.explained == pytest.approx(
        1 - within(points, found.label) / points.var(0).sum() / len(points), abs=1e-3
    )


def test_one_point_and_equal_points_are_one_cluster():
    for points in (np.ones((1, 2)), np.ones((9, 3))):
        found = cluster(points, 4, explain=0.8, max_k=8)
        assert len(found.centre) == 1
        assert found.explained == 1.0
