import networkx as nx
import numpy as np
import pytest

from multiview.fusion.association.graph_kernels import best_partition, components


def value(labels: list[int], weight: np.ndarray) -> float:
    n = len(labels)
    return float(sum(weight[i, k] for i in range(n) for k in range(i) if labels[i] == labels[k]))


def every_partition(n: int, camera: np.ndarray) -> list[list[int]]:
    """All divisions into groups without two detections of one camera."""
    found: list[list[int]] = [[]]
    for i in range(n):
        found = [
            [*labels, group]
            for labels in found
            for group in range(max(labels, default=-1) + 2)
            if all(label != group or camera[k] != camera[i] for k, label in enumerate(labels))
        ]
    return found


def test_small_components_are_divided_optimally() -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        camera = np.sort(rng.integers(0, 4, 7))
        weight = rng.normal(0, 1, (7, 7))
        weight = weight + weight.T
        labels, proven = best_partition(weight, camera, 100_000)
        assert proven
        best = max(value(one, weight) for one in every_partition(7, camera))
        assert value(labels.tolist(), weight) == pytest.approx(best)
        for group in set(labels.tolist()):
            assert len(set(camera[labels == group].tolist())) == (labels == group).sum()


def test_large_components_stay_bounded_and_valid() -> None:
    rng = np.random.default_rng(1)
    camera = np.repeat(np.arange(16), 6)
    person = np.tile(np.arange(6), 16)
    weight = np.where(person[:, None] == person, 3.0, -1.0) + rng.normal(0, 1.5, (96, 96))
    labels, _ = best_partition((weight + weight.T) / 2, camera, 2_000)
    for group in set(labels.tolist()):
        members = np.flatnonzero(labels == group)
        assert len(set(camera[members].tolist())) == len(members)
        assert len(set(person[members].tolist())) == 1


@pytest.mark.parametrize("seed", range(5))
def test_components_are_networkx(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = np.triu(rng.normal(-1.5, 1, (20, 20)), 1)
    weight += weight.T
    shared = np.full((20, 20), 3)
    shared[4] = shared[:, 4] = 2
    graph = nx.Graph()
    graph.add_nodes_from(range(20))
    graph.add_edges_from(np.argwhere((weight > 0) & (shared >= 3)).tolist())
    label = components(weight, shared, 3)
    assert {frozenset(np.flatnonzero(label == one).tolist()) for one in label} == {
        frozenset(component) for component in nx.connected_components(graph)
    }
