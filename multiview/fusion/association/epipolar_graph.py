"""People as groups of detections in the epipolar graph.

Nodes are detections, an edge joins two of different views whose rays meet. Its weight is metric and scale-free: each
joint's ray-to-ray distance over the deviation that pixel noise explains, so one threshold serves every rig. Connected
components are small; each is divided into groups with at most one detection per view so that the weight inside groups
is largest, exactly while branch and bound can afford it (correlation clustering: Bansal, Blum and Chawla 2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.common.ranges import above, between
from multiview.fusion.association import graph_kernels as kernels
from multiview.fusion.state.body_model import Body

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Associator", "Options"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How detections are grouped."""

    soft_threshold: Annotated[float, above(0, 1000, "standard deviations")] = 3.0
    """Ray distance, in expected standard deviations, at which a joint counts neither for nor against."""
    shared_joints: Annotated[int, between(1, 1024, "joints")] = 3
    """Joints that both views must see for an edge."""
    max_search_steps: Annotated[int, between(0, 10_000_000, "steps")] = 20_000
    """Steps of branch and bound per component, after which the best partition so far is taken."""


class Associator:
    """Follows `DetectionAssociator`; `graph` of a set of detections is public, so that it can be explained."""

    def __init__(self, body: Body, options: Options) -> None:
        self.body, self.options = body, options

    def graph(
        self, rays: Rays, rig: PackedRig, free: Int64[np.ndarray, " F"]
    ) -> tuple[nx.Graph, Float64[np.ndarray, "F F"], Int64[np.ndarray, "F F"]]:
        """The graph on indices into `free`, with the edges that pass the gate; all pairs' weight and shared joints."""
        import networkx as nx  # a graph to be looked at is seldom wanted, and fusion is to start at once

        weight, shared = self._weigh(rays, rig, free)
        graph = nx.Graph()
        graph.add_nodes_from(range(len(free)))
        a, b = np.nonzero(np.triu((weight > 0) & (shared >= self.options.shared_joints)))
        graph.add_weighted_edges_from(zip(a.tolist(), b.tolist(), weight[a, b].tolist(), strict=True))
        return graph, weight, shared

    def __call__(self, rays: Rays, rig: PackedRig, free: Int64[np.ndarray, " F"]) -> Int64[np.ndarray, "G C"]:
        groups: list[tuple[float, np.ndarray]] = []
        if len(free) > 1:
            weight, shared = self._weigh(rays, rig, free)
            label = kernels.components(weight, shared, self.options.shared_joints)
            for first in np.flatnonzero(np.bincount(label, minlength=len(free)) > 1):
                groups += self._divide(np.flatnonzero(label == first), weight, rays, free)
        groups.sort(key=lambda group: -group[0])
        people = np.full((len(groups), len(rig.R)), -1)
        for person, (_, detections) in zip(people, groups, strict=True):
            person[rays.camera[detections]] = detections
        return people

    def _weigh(
        self, rays: Rays, rig: PackedRig, free: np.ndarray
    ) -> tuple[Float64[np.ndarray, "F F"], Int64[np.ndarray, "F F"]]:
        weight = np.zeros((len(free), len(free)))
        shared = np.zeros((len(free), len(free)), dtype=np.int64)
        kernels.agreements(free, rays, rig, self.body, self.options.soft_threshold, weight, shared)
        return weight, shared

    def _divide(
        self, nodes: np.ndarray, weight: np.ndarray, rays: Rays, free: np.ndarray
    ) -> list[tuple[float, np.ndarray]]:
        inside = np.ascontiguousarray(weight[np.ix_(nodes, nodes)])
        detections = free[nodes]
        labels, _ = kernels.best_partition(inside, rays.camera[detections], self.options.max_search_steps)
        found = []
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            if len(members) > 1:
                found.append((float(inside[np.ix_(members, members)].sum()), detections[members]))
        return found
