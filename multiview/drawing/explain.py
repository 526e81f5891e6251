"""The epipolar graph of one frame, to look at: which detections were joined, how strongly, and why others were not.

The frame is taken on its own, as fusion takes it when it knows nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, pack
from multiview.cameras.reprojection import MAX_MATCH_PX
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.data import Track, Views
from multiview.fusion.association.epipolar_graph import Associator, Options
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.measurement_noise import SCORES, PixelNoise

__all__ = ["Edge", "Explanation", "draw", "explain", "table"]

Verdict = Literal["joined", "kept apart", "too few joints", "rays miss"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Two detections of different views; `agreement` is between -0.5 and 0.5 for each of the `shared` joints."""

    a: int
    b: int
    agreement: float
    shared: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """All detections of a frame, and all pairs of views.

    Attributes:
        rig: The cameras.
        views: What they saw.
        skeleton: Of the keypoints.
        names: Of the detections, camera:number, as they are numbered in the frame's files.
        camera: (D,) of each.
        centre_px: (D, 2) of each.
        group: (D,) which of them were joined; -1 for none.
        person: (D,) whom each belongs to: an identity of the poses, or, without poses, counted from 1; 0 for nobody.
        edges: The pairs.
    """

    rig: Rig
    views: Views
    skeleton: Skeleton
    names: tuple[str, ...]
    camera: Int64[np.ndarray, " D"]
    centre_px: Float64[np.ndarray, "D 2"]
    group: Int64[np.ndarray, " D"]
    person: Int64[np.ndarray, " D"]
    edges: tuple[Edge, ...]


def explain(
    rig: Rig,
    skeleton: Skeleton,
    views: Views,
    people: Sequence[Track] | None = None,
    options: Options = Options(),  # noqa: B008
) -> Explanation:
    """Build the graph of one frame and say of every pair of detections what became of it.

    Args:
        rig: The cameras.
        skeleton: Of the keypoints.
        views: What the cameras saw.
        people: Who was published at that time, whose numbers are given to the groups that they fit; None: not known.
        options: Of the graph.

    Returns:
        The explanation.
    """
    body, packed = Body.of(skeleton), PackedRig.of(rig)
    noise = PixelNoise(5.0, body.noise)
    rays = pack(views, packed, len(skeleton.joints), noise.variance, SCORES)
    associate = Associator(body, options)
    free = np.arange(len(rays.camera))
    graph, weight, shared = associate.graph(rays, packed, free)
    joined = np.full(len(free), -1)
    for number, group in enumerate(associate(rays, packed, free)):
        joined[group[group >= 0]] = number
    edges = []
    for a in range(len(free)):
        for b in range(a + 1, len(free)):
            if rays.camera[a] == rays.camera[b]:
                continue
            verdict: Verdict = "rays miss"
            if joined[a] >= 0 and joined[a] == joined[b]:
                verdict = "joined"
            elif graph.has_edge(a, b):
                verdict = "kept apart"
            elif shared[a, b] < options.shared_joints:
                verdict = "too few joints"
            edges.append(Edge(a, b, float(weight[a, b]), int(shared[a, b]), verdict))
    number = free - rays.first[rays.camera]
    names = tuple(f"{rig.names[c]}:{n}" for c, n in zip(rays.camera, number, strict=True))
    seen = [keypoints.xy for keypoints in views.keypoints if keypoints is not None and keypoints.people]
    centre = np.nanmean(np.concatenate(seen), axis=1) if seen else np.empty((0, 2))
    xy = np.concatenate(seen) if seen else np.empty((0, len(skeleton.joints), 2))
    person = joined + 1 if people is None else _identities(rig, xy, rays.camera, joined, people)
    return Explanation(rig, views, skeleton, names, rays.camera, centre, joined, person, tuple(edges))


def _identities(
    rig: Rig,
    xy: Float64[np.ndarray, "D J 2"],
    camera: Int64[np.ndarray, " D"],
    joined: Int64[np.ndarray, " D"],
    people: Sequence[Track],
) -> Int64[np.ndarray, " D"]:
    """The number of the person whose projection lies nearest to each group of detections; 0 where nobody's does."""
    found = np.zeros(len(joined), np.int64)
    groups = np.unique(joined[joined >= 0])
    if not len(groups) or not people:
        return found
    off_px = np.full((len(groups), len(people)), MAX_MATCH_PX)
    for p, track in enumerate(people):
        projected = np.stack([one.project(track.pose.xyz) for one in rig.cameras])
        distance = np.linalg.norm(xy - projected[camera], axis=-1)
        for g, group in enumerate(groups):
            own = distance[joined == group]
            if np.isfinite(own).any():
                off_px[g, p] = min(float(np.nanmedian(own)), MAX_MATCH_PX)
    rows, columns = linear_sum_assignment(off_px)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if off_px[row, column] < MAX_MATCH_PX:
            found[joined == groups[row]] = people[column].person
    return found


def table(explanation: Explanation) -> Table:
    """All pairs that a rule spoke about, the strongest first; pairs whose rays plainly miss are only counted."""
    told = [edge for edge in explanation.edges if edge.verdict in ("joined", "kept apart")]
    missed = len(explanation.edges) - len(told)
    found = Table(title=f"frame {explanation.views.tick}", caption=f"{missed} more pairs: rays miss, or too few joints")
    for name in ("detections", "person", "agreement", "joints", "verdict"):
        found.add_column(name, justify="right" if name in ("agreement", "joints") else "left")
    for edge in sorted(told, key=lambda edge: -edge.agreement):
        people = {int(explanation.person[edge.a]), int(explanation.person[edge.b])} - {0}
        found.add_row(
            f"{explanation.names[edge.a]} - {explanation.names[edge.b]}",
            " | ".join(str(one) for one in sorted(people)),
            f"{edge.agreement:+.1f}",
            str(edge.shared),
            edge.verdict,
        )
    return found


def draw(explanation: Explanation, path: Path) -> None:
    """Each camera's skeletons, coloured by person; lines join pairs that became one person, dotted ones did not."""
    from matplotlib.figure import Figure
    from matplotlib.patches import ConnectionPatch

    cameras = explanation.rig.cameras
    columns = int(np.ceil(np.sqrt(len(cameras))))
    rows = int(np.ceil(len(cameras) / columns))
    figure = Figure(figsize=(5.5 * columns, 3.6 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    grey = (0.6, 0.6, 0.6)
    colours = [person_colour(int(one)) if one else grey for one in explanation.person]
    for panel in axes[len(cameras) :]:
        panel.set_axis_off()
    for c, (camera, panel) in enumerate(zip(cameras, axes, strict=False)):
        panel.set(
            xlim=(0, camera.size[0]), ylim=(camera.size[1], 0), xticks=[], yticks=[], aspect="equal", title=camera.name
        )
        keypoints = explanation.views.keypoints[c]
        for n, d in enumerate(np.flatnonzero(explanation.camera == c)):
            xy = keypoints.xy[n] if keypoints is not None else np.empty((0, 2))
            for a, b in explanation.skeleton.bones:
                panel.plot(*xy[[a, b]].T, color=colours[d], lw=2)
            panel.annotate(str(n), explanation.centre_px[d], color="black", weight="bold")
    for edge in explanation.edges:
        if edge.verdict in ("joined", "kept apart"):
            joined = edge.verdict == "joined"
            a, b = edge.a, edge.b
            figure.add_artist(
                ConnectionPatch(
                    explanation.centre_px[a],
                    explanation.centre_px[b],
                    "data",
                    "data",
                    axesA=axes[explanation.camera[a]],
                    axesB=axes[explanation.camera[b]],
                    color=colours[a] if joined else grey,
                    linestyle="-" if joined else ":",
                    linewidth=0.3 + 0.25 * max(edge.agreement, 0.0) if joined else 1.0,
                    alpha=0.7,
                )
            )
    figure.suptitle(
        f"frame {explanation.views.tick}: solid = joined (the thicker, the more joints agree), dotted = kept apart"
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80)
