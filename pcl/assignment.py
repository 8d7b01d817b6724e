"""Clusters for things of which some pairs must not share one: a colouring at least cost.

With two clusters that is easy, because a colouring of a connected graph is fixed by one of its ends; with three or
more it is NP-hard, and a search finds a good one. Source: Brélaz, CACM 1979 (DSATUR); Hertz & de Werra, Computing
1987 (tabu search), with the tenure of Galinier & Hao, Journal of Combinatorial Optimization 1999.
"""

from __future__ import annotations

import heapq
from collections import deque

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Neighbours = list[list[int]]


def assign(costs: Floats, edges: Ints, rng: np.random.Generator, moves: int = 50) -> tuple[Ints, int]:
    """A cluster for each of C things, with few violated edges, then at little cost, and how many are violated.

        min Σ_c costs[c, labels[c]]   subject to   labels[a] ≠ labels[b] for every edge (a, b)

    What no edge touches gets its cheapest cluster. The rest falls into connected parts. With K = 2, a part that can
    be coloured at all is coloured at least cost. In other parts the cheapest clusters stay if they violate nothing;
    otherwise the part is searched. There is always an answer, in which no move of one thing is an improvement.

    Args:
        costs: finite [C, K].
        edges: pairs of things [E, 2].
        rng: source of the draws of a repair.
        moves: in a part that the first search leaves with violations, at most so many times its size.
    """
    labels = _two_colouring(costs, edges) if costs.shape[1] == 2 else costs.argmin(axis=1)
    part = _components(edges, len(costs))[edges[:, 0]]
    violated = labels[edges[:, 0]] == labels[edges[:, 1]]
    searched = np.isin(part, part[violated])
    order = np.argsort(part[searched], kind="stable")
    ends = np.flatnonzero(np.diff(part[searched][order])) + 1
    for own in np.split(edges[searched][order], ends) if len(order) else []:
        things, numbered = np.unique(own, return_inverse=True)
        labels[things] = _search(costs[things], numbered.reshape(-1, 2), rng, moves)
    return labels, _violated(labels, edges)


def _components(edges: Ints, count: int) -> Ints:
    """The connected part of every node [count]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges)), edges.T), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _two_colouring(costs: Floats, edges: Ints) -> Ints:
    """The cheapest of the two colourings of every connected part; of an odd part, none.

    In the graph of (thing, cluster) with edges (a, 0)–(b, 1) and (a, 1)–(b, 0), the two colourings of a part are
    two connected parts; if they are one, the part has an odd cycle.
    """
    count = len(costs)
    double = np.concatenate([edges + np.array([0, count]), edges + np.array([count, 0])])
    colouring = _components(double, 2 * count)
    total = np.bincount(colouring, weights=costs.T.ravel())
    rank = np.argsort(np.argsort(total, kind="stable"))  # all members of a part break a tie alike
    return rank[colouring].reshape(2, count).argmin(axis=0)


def _violated(labels: Ints, edges: Ints) -> int:
    return int((labels[edges[:, 0]] == labels[edges[:, 1]]).sum())


def _search(costs: Floats, edges: Ints, rng: np.random.Generator, moves: int) -> Ints:
    """Clusters for one connected part: given one by one, repaired if some violate an edge, then improved."""
    neighbours: Neighbours = [[] for _ in costs]
    for a, b in edges.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    labels = _greedy(costs, neighbours)
    if _violated(labels, edges):
        labels = _repair(labels, neighbours, costs.shape[1], rng, moves * len(costs))
    return _improve(labels, costs, neighbours)


def _greedy(costs: Floats, neighbours: Neighbours) -> Ints:
    """Clusters given one by one: first where the fewest are left, then where the second best costs most.

    Each gets the cluster that fewest of its neighbours have, of those the cheapest.
    """
    price = costs.tolist()
    used = [[0] * len(row) for row in price]  # neighbours in every cluster

    def urgency(node: int) -> tuple[int, float]:
        free = sorted(cost for cost, taken in zip(price[node], used[node], strict=True) if not taken)
        return len(free), free[0] - free[1] if len(free) > 1 else 0.0

    labels = np.full(len(price), -1)
    queue = [(*urgency(node), node) for node in range(len(price))]
    heapq.heapify(queue)
    while queue:
        *_, node = heapq.heappop(queue)
        if labels[node] >= 0:
            continue
        labels[node] = _best(price[node], used[node])
        for other in neighbours[node]:
            used[other][labels[node]] += 1
            heapq.heappush(queue, (*urgency(other), other))
    return labels


def _repair(labels: Ints, neighbours: Neighbours, clusters: int, rng: np.random.Generator, moves: int) -> Ints:
    """The labels with the fewest violations on a walk that ends where there are none, or after so many moves.

    Every move is the best of something that violates an edge, even if it makes matters worse; what has left a
    cluster does not come back for a while, so that the walk does not turn in a circle.
    """
    near = [np.array(others) for others in neighbours]
    used = _used(labels, neighbours, clusters)
    now, best = labels.copy(), labels
    change = lowest = 0  # in violations, since the first labels
    until = np.zeros(used.shape)
    for move in range(moves):
        wrong = np.flatnonzero(used[np.arange(len(now)), now])
        if not len(wrong):
            break
        gain = used[wrong] - used[wrong, now[wrong]][:, None]
        closed = (until[wrong] > move) | (np.arange(clusters) == now[wrong, None])
        choice = np.where(closed, np.inf, gain + rng.random(gain.shape) / 2)  # ties are broken by lot
        row, after = np.unravel_index(choice.argmin(), choice.shape)
        if closed[row, after]:
            continue
        node, before = wrong[row], now[wrong[row]]
        until[node, before] = move + rng.integers(10) + 0.6 * len(wrong)
        now[node] = after
        used[near[node], before] -= 1
        used[near[node], after] += 1
        change += gain[row, after]
        if change < lowest:
            lowest, best = change, now.copy()
    return best


def _improve(labels: Ints, costs: Floats, neighbours: Neighbours) -> Ints:
    """Move one at a time to a cluster with fewer violations, or with as many at less cost, until none can."""
    price, now = costs.tolist(), labels.tolist()
    used = _used(labels, neighbours, costs.shape[1]).tolist()
    queue = deque(range(len(now)))
    while queue:
        node = queue.popleft()
        before, after = now[node], _best(price[node], used[node])
        if (used[node][after], price[node][after]) < (used[node][before], price[node][before]):
            now[node] = after
            for other in neighbours[node]:
                used[other][before] -= 1
                used[other][after] += 1
            queue.extend(neighbours[node])
    return np.array(now)


def _used(labels: Ints, neighbours: Neighbours, clusters: int) -> Ints:
    """How many neighbours of every node are in every cluster [C, K]."""
    return np.array([np.bincount(labels[others], minlength=clusters) for others in neighbours])


def _best(price: list[float], used: list[int]) -> int:
    return min(range(len(price)), key=lambda cluster: (used[cluster], price[cluster]))
