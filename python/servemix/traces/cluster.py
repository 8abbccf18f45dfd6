"""Clusters of requests in log token space: k-means that needs no random numbers.

Requests are first gathered into small cells of log token space, each with the mean of what is in
it, so that the time of the search does not grow with the trace. Clusters are added one by one: each
new centre is tried at the cells that contribute most to the error, and the best try is kept (the
incremental, or global, k-means of Likas, Vlassis & Verbeek, Pattern Recognition 36, 2003); then
each centre in turn is taken away and put where it helps most, as long as that lowers the error.
The same requests always give the same clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clustering", "cluster"]

# Cells are 2.5 % wide: requests in one cell cost the same to serve, for every purpose here.
_CELL_WIDTH = 0.025
# Centres are looked for on wider cells where the narrow ones are more than this.
_MAX_SEARCH_CELLS = 1024
_TRIES_PER_CENTRE = 8
_TRIES_PER_SWAP = 2
_MAX_ROUNDS = 100
_MAX_POLISH_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of points.

    Attributes
    ----------
    label
        Cluster of each point, shape (num_points,), in rising order of the centres.
    centre
        Mean of each cluster, shape (num_clusters, num_dimensions).
    explained
        Share of the points' variance that lies between the clusters, in [0, 1].
    """

    label: NDArray[np.int64]
    centre: NDArray[np.float64]
    explained: float


def cluster(
    points: NDArray[np.float64], k: int | None, *, explain: float, max_k: int
) -> Clustering:
    """Cluster points by their squared distances.

    Parameters
    ----------
    points
        Shape (num_points, num_dimensions), at least one point, natural logarithms.
    k
        Number of clusters; fewer come back where fewer points differ. None: the smallest number
        whose clusters explain at least the share `explain` of the variance.
    explain
        Share of the variance, in [0, 1].
    max_k
        Most clusters where `k` is None.

    Returns
    -------
    Clustering
        The clusters, none of them empty.
    """
    cell_of_point, weight, cell = _gather(points, np.ones(len(points)), _CELL_WIDTH)
    coarse, mass = cell, weight
    width = _CELL_WIDTH
    while len(coarse) > _MAX_SEARCH_CELLS:
        width *= 2.0
        _, mass, coarse = _gather(cell, weight, width)
    centre = np.average(coarse, axis=0, weights=mass)[None, :]
    error = total = _error(coarse, mass, centre)
    limit = min(max_k if k is None else k, len(coarse))
    while len(centre) < limit and (k is not None or _explained(error, total) < explain):
        centre, error = _add_centre(coarse, mass, centre, _TRIES_PER_CENTRE)
        centre, error = _swap_centres(coarse, mass, centre, error)
    # The wide cells only served the search: who belongs where is told on the narrow ones.
    centre, _ = _lloyd(cell, weight, centre, _MAX_POLISH_ROUNDS)
    used, label = np.unique(_distances(cell, centre).argmin(axis=1), return_inverse=True)
    centre = np.stack(
        [
            np.average(cell[label == place], axis=0, weights=weight[label == place])
            for place in range(len(used))
        ]
    )
    order = np.lexsort(centre.T[::-1])
    rank = np.empty(len(used), dtype=np.int64)
    rank[order] = np.arange(len(used))
    within = float(weight @ ((cell - centre[label]) ** 2).sum(axis=1))
    around = float(weight @ ((cell - np.average(cell, axis=0, weights=weight)) ** 2).sum(axis=1))
    return Clustering(rank[label][cell_of_point], centre[order], _explained(within, around))


def _explained(error: float, total: float) -> float:
    return 1.0 if total <= 0.0 else max(0.0, 1.0 - error / total)


def _gather(
    points: NDArray[np.float64], weight: NDArray[np.float64], width: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Cell of each point, weight and mean of the points in each cell."""
    grid = np.floor(points / width).astype(np.int64)
    grid -= grid.min(axis=0)
    key = np.ravel_multi_index(tuple(grid.T), tuple(grid.max(axis=0) + 1)).astype(np.int64)
    cell_of_point: NDArray[np.int64]
    size = int(key.max()) + 1
    if size <= max(4_000_000, 8 * len(key)):
        # Counting is several times faster than sorting, where the table is not too large.
        used = np.flatnonzero(np.bincount(key, minlength=size))
        place = np.empty(size, dtype=np.int64)
        place[used] = np.arange(len(used))
        cell_of_point = place[key]
    else:
        cell_of_point = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
    mass = np.asarray(np.bincount(cell_of_point, weights=weight), dtype=np.float64)
    sums = [np.bincount(cell_of_point, weights=weight * column) for column in points.T]
    return cell_of_point, mass, np.stack(sums, axis=1) / mass[:, None]


def _distances(cell: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance of every cell to every centre, shape (num_cells, num_centres)."""
    distance = np.zeros((len(cell), len(centre)))
    for dimension in range(cell.shape[1]):
        distance += (cell[:, dimension, None] - centre[None, :, dimension]) ** 2
    return distance


def _error(
    cell: NDArray[np.float64], weight: NDArray[np.float64], centre: NDArray[np.float64]
) -> float:
    """Within-cluster sum of squares."""
    return float(weight @ _distances(cell, centre).min(axis=1))


def _add_centre(
    cell: NDArray[np.float64],
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    num_tries: int,
) -> tuple[NDArray[np.float64], float]:
    """Best centres of one more cluster, and their error."""
    nearest = _distances(cell, centre).min(axis=1)
    tries = np.argsort(-(weight * nearest), kind="stable")[: 4 * num_tries]
    # What the error would fall by if the new centre lay on the cell and no centre moved.
    gain = np.maximum(nearest[:, None] - _distances(cell, cell[tries]), 0.0).T @ weight
    tries = tries[np.argsort(-gain, kind="stable")[:num_tries]]
    found = [_lloyd(cell, weight, np.vstack([centre, cell[place]])) for place in tries]
    return min(found, key=lambda result: result[1])


def _swap_centres(
    cell: NDArray[np.float64],
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    error: float,
) -> tuple[NDArray[np.float64], float]:
    """Take each centre away and add one again, while that lowers the error."""
    since_better = place = 0
    while since_better < len(centre) and len(centre) > 1:
        rest = np.delete(centre, place, axis=0)
        moved, moved_error = _add_centre(cell, weight, rest, _TRIES_PER_SWAP)
        # Relative, so that rounding alone never counts as better and the loop ends.
        if moved_error < error * (1.0 - 1e-9):
            centre, error, since_better = moved, moved_error, 0
        else:
            since_better += 1
        place = (place + 1) % len(centre)
    return centre, error


def _lloyd(
    cell: NDArray[np.float64],
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    max_rounds: int = _MAX_ROUNDS,
) -> tuple[NDArray[np.float64], float]:
    """Move centres to the means of their cells until none changes; drops no centre."""
    label: NDArray[np.int64] | None = None
    for _ in range(max_rounds):
        now = _distances(cell, centre).argmin(axis=1)
        if label is not None and np.array_equal(label, now):
            break
        label = now
        mass = np.bincount(label, weights=weight, minlength=len(centre))
        for dimension in range(cell.shape[1]):
            sums = np.bincount(label, weights=weight * cell[:, dimension], minlength=len(centre))
            filled = mass > 0
            centre[filled, dimension] = sums[filled] / mass[filled]
    return centre, _error(cell, weight, centre)
