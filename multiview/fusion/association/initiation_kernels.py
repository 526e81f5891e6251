"""Initiation of a track: which rays a newborn's joints rest on, when no prediction says where they should be.

Two rays pass near each other also when one of them is wrong along the epipolar line, so rays alone cannot tell. Each
joint therefore has several hypotheses (`hypothesis_kernels`), of which the lengths of the bones select one
(`bone_tree_kernels`); what that costs tells whether left and right are swapped in a view.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import Rays
from multiview.fusion.association import hypothesis_kernels
from multiview.fusion.association.bone_tree_kernels import Tree, choose_hypotheses
from multiview.fusion.association.hypothesis_kernels import CameraRows, Hypotheses, propose_hypotheses
from multiview.fusion.association.repair_kernels import fill
from multiview.fusion.state.body_model import Body
from multiview.geometry.jit import Array, inner
from multiview.geometry.order_kernels import order_statistic
from multiview.geometry.sym3_kernels import copy_row
from multiview.geometry.triangulate_kernels import RayBundle

FEW_VIEWS = 3  # of which one that is swapped is not outvoted
SIZED_BONE_M = 0.1  # shorter bones say little of a person's size
SMALLEST, LARGEST = 0.5, 1.3  # of an adult


class Scratch(NamedTuple):
    """Memory for one person."""

    selected: Hypotheses
    swapped: Hypotheses
    tree: Tree
    rows: CameraRows
    proposal: hypothesis_kernels.Scratch
    size: Float64[np.ndarray, " J"]

    @staticmethod
    def empty(cameras: int, body: Body) -> Scratch:
        """Scratch memory."""
        joints = len(body.parent)
        return Scratch(
            selected=Hypotheses.empty(joints, cameras),
            swapped=Hypotheses.empty(joints, cameras),
            tree=Tree.empty(body),
            rows=np.full((cameras, joints), -1),
            proposal=hypothesis_kernels.Scratch.empty(cameras),
            size=np.zeros(joints),
        )


@inner
def select_hypotheses(
    rows: CameraRows,
    bundle: RayBundle,
    body: Body,
    gate: float,
    xyz: Float64[np.ndarray, "J 3"],
    H: Float64[np.ndarray, "J 6"],
    used: Int64[np.ndarray, " J"],
    scratch: Scratch,
) -> float:
    """Set joints `xyz`, their information `H` and number of rays `used`; `rows` keep these rays only.

    On entry `xyz` and `used` are what the rays alone say, from which the person's size is taken. A view is swapped if
    that costs less by more than an outlier does. Returns the person's size, relative to an adult.
    """
    size = body_size(body, xyz, used, scratch.size)
    undo_swap(rows, bundle, body, size, gate, scratch)
    commit(scratch.selected, rows, xyz, H, used)
    return body_size(body, xyz, used, scratch.size)


@inner
def reexamine(
    assignment: Int64[np.ndarray, " C"],
    table: CameraRows,
    young: bool,
    rays: Rays,
    bundle: RayBundle,
    body: Body,
    gate: float,
    xyz: Float64[np.ndarray, "J 3"],
    H: Float64[np.ndarray, "J 6"],
    used: Int64[np.ndarray, " J"],
    scratch: Scratch,
) -> float:
    """Initiate a track anew where that explains its detections far better; returns the size, 0 if the track is right.

    On entry `xyz` is the track, and `used` says what it has. A track that began with one of three views swapped is a
    compromise, by which later views are swapped, too.
    """
    rows = scratch.rows
    for c in range(rows.shape[0]):
        fill(assignment[c], rays.info, rows[c])
    if count_views(rows) != FEW_VIEWS or not (young or partly_swapped(rows, table)):
        return 0.0
    size = body_size(body, xyz, used, scratch.size)
    present = best_hypotheses(table, bundle, body, size, gate, scratch.selected, scratch)
    present += gate * max(0, (rows >= 0).sum() - (table >= 0).sum())
    if not undo_swap(rows, bundle, body, size, gate, scratch) + gate < present:
        return 0.0
    commit(scratch.selected, rows, xyz, H, used)
    for c in range(rows.shape[0]):
        copy_row(rows[c], table[c])
    return body_size(body, xyz, used, scratch.size)


@inner
def partly_swapped(rows: CameraRows, table: CameraRows) -> bool:
    """Whether in some view a few joints of the detection are swapped and others are not."""
    for c in range(rows.shape[0]):
        kept, changed = 0, 0
        for j in range(rows.shape[1]):
            kept += rows[c, j] >= 0 and table[c, j] == rows[c, j]
            changed += table[c, j] >= 0 and table[c, j] != rows[c, j]
        if changed > 1 and kept > 0:
            return True
    return False


@inner
def undo_swap(rows: CameraRows, bundle: RayBundle, body: Body, size: float, gate: float, scratch: Scratch) -> float:
    """Swap the view in `rows` that is swapped, if any; returns the least cost, of the hypotheses in `selected`."""
    seeing, swap = count_views(rows), -1
    least = best_hypotheses(rows, bundle, body, size, gate, scratch.selected, scratch)
    for c in range(rows.shape[0]):
        # Four views tell by their rays whether one of them is swapped; of fewer, the bones must tell.
        if not least > gate or (seeing > FEW_VIEWS and count_outliers(rows[c], c, body.pairs, scratch.selected) < 2):
            continue
        swap_sides(rows[c], body.pairs)
        cost = best_hypotheses(rows, bundle, body, size, gate, scratch.swapped, scratch)
        swap_sides(rows[c], body.pairs)
        if cost + gate < least:
            swap, least = c, cost + gate
    if swap >= 0:
        swap_sides(rows[swap], body.pairs)
        best_hypotheses(rows, bundle, body, size, gate, scratch.selected, scratch)
    return least


@inner
def commit(selected: Hypotheses, rows: CameraRows, xyz: Array, H: Array, used: Array) -> None:
    """The selected hypotheses are the joints; one that no ray measures keeps its point."""
    cameras, joints = rows.shape
    for j in range(joints):
        k, used[j] = selected.choice[j], 0
        for c in range(cameras):
            rows[c, j] = selected.rows[j, k, c] if k < selected.number[j] else -1
            used[j] += rows[c, j] >= 0
        if k < selected.number[j]:
            copy_row(selected.point[j, k], xyz[j])
            copy_row(selected.information[j, k], H[j])


@inner
def body_size(body: Body, xyz: Array, used: Array, size: Array) -> float:
    """The size of a person relative to an adult: the median over measured bones, 1 where there are few."""
    n = 0
    for j in range(xyz.shape[0]):
        p = body.parent[j]
        if p >= 0 and used[j] >= 2 and used[p] >= 2 and body.length[j] > SIZED_BONE_M:
            x, y, z = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
            size[n] = math.sqrt(x * x + y * y + z * z) / body.length[j]
            n += 1
    return min(LARGEST, max(SMALLEST, order_statistic(size, n, n // 2))) if n >= 3 else 1.0


@inner
def count_views(rows: CameraRows) -> int:
    """How many views see any joint."""
    count = 0
    for c in range(rows.shape[0]):
        seen = 0
        for j in range(rows.shape[1]):
            seen += rows[c, j] >= 0
        count += seen > 0
    return count


@inner
def swap_sides(rows: Int64[np.ndarray, " J"], pairs: Array) -> None:
    """Swap left and right in one view."""
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        rows[left], rows[right] = rows[right], rows[left]


@inner
def count_outliers(rows: Int64[np.ndarray, " J"], c: int, pairs: Array, selected: Hypotheses) -> int:
    """How many of view c's rays to left and right joints are outliers of the selected hypotheses."""
    count = 0
    for s in range(pairs.shape[0]):
        for side in range(2):
            j = pairs[s, side]
            k = selected.choice[j]
            count += rows[j] >= 0 and (k == selected.number[j] or selected.rows[j, k, c] < 0)
    return count


@inner
def faces_backwards(body: Body, selected: Hypotheses) -> bool:
    """Whether nose, toes and bent limbs point to where left and right say that the back is.

    Two views of which one is swapped meet in the same points as with the other one swapped, mirrored.
    """
    rest = body.rest_pose
    r0, r1, r2 = 0.0, 0.0, 0.0  # to the right,
    for s in range(body.pairs.shape[0]):
        a, b = body.pairs[s, 0], body.pairs[s, 1]
        if is_measured(a, selected) and is_measured(b, selected):
            x, y, z = bone_between(a, b, selected)
            width = rest[b, 0] - rest[a, 0]
            r0, r1, r2 = r0 + width * x, r1 + width * y, r2 + width * z
    u0, u1, u2, f0, f1, f2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # up, and forward
    for j in range(body.parent.shape[0]):
        p = body.parent[j]
        if p >= 0 and body.length[j] > 0.0 and is_measured(j, selected) and is_measured(p, selected):
            x, y, z = bone_between(p, j, selected)
            height, depth = rest[j, 2] - rest[p, 2], rest[j, 1] - rest[p, 1]
            u0, u1, u2 = u0 + height * x, u1 + height * y, u2 + height * z
            f0, f1, f2 = f0 + depth * x, f1 + depth * y, f2 + depth * z
    return bool(f0 * (u1 * r2 - u2 * r1) + f1 * (u2 * r0 - u0 * r2) + f2 * (u0 * r1 - u1 * r0) < 0.0)


@inner
def is_measured(j: int, selected: Hypotheses) -> bool:
    """Whether the selected hypothesis of a joint has rays."""
    return bool(selected.choice[j] < selected.number[j])


@inner
def bone_between(a: int, b: int, selected: Hypotheses) -> tuple[float, float, float]:
    """From joint a to joint b."""
    p, q = selected.point[a, selected.choice[a]], selected.point[b, selected.choice[b]]
    return q[0] - p[0], q[1] - p[1], q[2] - p[2]


@inner
def best_hypotheses(
    rows: CameraRows, bundle: RayBundle, body: Body, size: float, gate: float, out: Hypotheses, scratch: Scratch
) -> float:
    """Propose hypotheses and choose those of least total cost, which is returned."""
    for j in range(rows.shape[1]):
        propose_hypotheses(rows, j, bundle, gate, out, scratch.proposal)
    cost = choose_hypotheses(body, size, out, scratch.tree)
    return cost + gate if faces_backwards(body, out) else cost
