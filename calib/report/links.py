"""Pairs of cameras that saw the same boards, and how many places of the board stand behind each."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from jaxtyping import Int64

from calib.solve.solve import Calibration

__all__ = ["ENOUGH_BOARDS", "Link", "links_of"]

ENOUGH_BOARDS = 8  # to determine a pose between two cameras
_ANOTHER_PLACE = 0.1  # of the board's size: pictures between which it moved less show one board


@dataclass(frozen=True, slots=True)
class Link:
    """Two cameras and the boards that both observe; `weak` if the rig depends on too few.

    Pictures of a board that stays where it is are one board.
    """

    a: str
    b: str
    boards: int
    weak: bool


def links_of(calibration: Calibration, names: tuple[str, ...]) -> tuple[Link, ...]:
    """All pairs that share boards; weak are those few-board pairs without which the rig would fall apart or nearly.

    Args:
        calibration: A solved rig.
        names: Of all cameras of its corner table.

    Returns:
        The pairs, in the order of the cameras.
    """
    bundle = calibration.bundle
    shown = (bundle.weight > 0).sum(axis=1) >= min(4, len(bundle.points))
    seen = [np.unique(bundle.knot[(bundle.camera == i) & shown]) for i in range(len(calibration.cameras))]
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(seen)))
    for a in range(len(seen)):
        for b in range(a + 1, len(seen)):
            if len(shared := np.intersect1d(seen[a], seen[b])):
                graph.add_edge(a, b, boards=_places(calibration, shared))
    strong = nx.Graph((a, b) for a, b, n in graph.edges(data="boards") if n >= ENOUGH_BOARDS)
    strong.add_nodes_from(graph)
    group = {camera: i for i, members in enumerate(nx.connected_components(strong)) for camera in members}
    return tuple(
        Link(
            names[calibration.cameras[a]],
            names[calibration.cameras[b]],
            n,
            n < ENOUGH_BOARDS and group[a] != group[b],
        )
        for a, b, n in sorted(graph.edges(data="boards"))
    )


def _places(calibration: Calibration, knots: Int64[np.ndarray, " K"]) -> int:
    """How many places a board was in at these instants: each differs from all before."""
    state, points = calibration.state, calibration.bundle.points
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    at = points @ np.swapaxes(state.target_R[knots], -1, -2) + state.target_t[knots, None]
    places = at[:1]
    for board in at[1:]:
        moved = np.sqrt(((places - board) ** 2).sum(axis=-1).mean(axis=-1))  # root mean square of its corners
        if moved.min() > _ANOTHER_PLACE * size:
            places = np.concatenate([places, board[None]])
    return len(places)
