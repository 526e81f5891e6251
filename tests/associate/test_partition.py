import numpy as np
import pytest

from multiview.associate.graph_kernels import best_partition


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
