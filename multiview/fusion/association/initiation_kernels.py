"""Initiation of a track: which rays a newborn's joints rest on, when no prediction says where they should be.

Two rays pass near each other also when one of them is wrong along the epipolar line, so rays alone cannot tell. Each
joint therefore has several hypotheses, one for every set of rays that agree, and one that no ray measures it; the
lengths of the bones select one of each, exactly, by dynamic programming on the tree of bones (pictorial structures:
Felzenszwalb and Huttenlocher 2005; in 3D from several views: Burenius et al. 2013).

The cost is twice a negative log likelihood: squared deviations of rays and bones; an outlying ray costs the `gate`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import Rays
from multiview.fusion.association.repair_kernels import fill
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, POPULATION_LENGTH_CV
from multiview.geometry.jit import Array, inner
from multiview.geometry.reprojection_kernels import camera_of, ray_chi2
from multiview.geometry.sym3_kernels import Sym3, copy_row, inverse_sym3, quadratic_sym3, sym3
from multiview.geometry.triangulate_kernels import RayBundle, meeting_point, refine

MAX_PAIRS = 36  # of rays that are tried for a joint
MOST = 8  # hypotheses of a joint, besides that no ray measures it
STEPS = 4  # of Gauss-Newton
FEW_VIEWS = 3  # of which one that is swapped is not outvoted
SLIDING_M = 0.02  # how far keypoints slide on a body, however short the bone
SIZED_BONE_M = 0.1  # shorter bones say little of a person's size
SMALLEST, LARGEST = 0.5, 1.3  # of an adult

CameraRows = Int64[np.ndarray, "C J"]


class Hypotheses(NamedTuple):
    """`number[j]` for each joint; the last one, at `number[j]`, is that no ray measures it. `choice[j]` is selected."""

    number: Int64[np.ndarray, " J"]
    point: Float64[np.ndarray, "J K 3"]  # m
    information: Float64[np.ndarray, "J K 6"]  # 1/m^2
    rows: Int64[np.ndarray, "J K C"]  # the inliers, -1 for the other cameras
    cost: Float64[np.ndarray, "J K_and_1"]  # of all rays
    choice: Int64[np.ndarray, " J"]

    @staticmethod
    def empty(joints: int, cameras: int) -> Hypotheses:
        """Memory for them."""
        return Hypotheses(
            number=np.zeros(joints, np.int64),
            point=np.zeros((joints, MOST, 3)),
            information=np.zeros((joints, MOST, 6)),
            rows=np.full((joints, MOST, cameras), -1),
            cost=np.zeros((joints, MOST + 1)),
            choice=np.zeros(joints, np.int64),
        )


class Tree(NamedTuple):
    """Memory of the dynamic programme: `depth[j]` of each joint, and costs of it and all joints beyond it.

    `least[j, e, g]` is the least cost if the nearest ancestor that is measured is at depth e - 1, by its hypothesis g
    (e = 0: no ancestor is measured), and `best[j, e, g]` the hypothesis of j then. `measured[j, k]` is what the
    children cost if j has hypothesis k, `unmeasured[j, e, g]` if it has none.
    """

    depth: Int64[np.ndarray, " J"]
    least: Float64[np.ndarray, "J E K"]
    best: Int64[np.ndarray, "J E K"]
    measured: Float64[np.ndarray, "J K"]
    unmeasured: Float64[np.ndarray, "J E K"]
    ancestor: Int64[np.ndarray, "J 2"]

    @staticmethod
    def empty(body: Body) -> Tree:
        """Memory for a skeleton's joints."""
        joints = len(body.parent)
        depth = np.zeros(joints, np.int64)
        for j in body.order[1:]:
            depth[j] = depth[body.parent[j]] + 1
        shape = (joints, int(depth.max()) + 1, MOST)
        return Tree(
            depth=depth,
            least=np.zeros(shape),
            best=np.zeros(shape, np.int64),
            measured=np.zeros((joints, MOST)),
            unmeasured=np.zeros(shape),
            ancestor=np.zeros((joints, 2), np.int64),
        )


class Scratch(NamedTuple):
    """Memory that `select_hypotheses` works in; `no_prior` stays zero."""

    selected: Hypotheses
    swapped: Hypotheses
    tree: Tree
    rows: CameraRows
    inliers: Int64[np.ndarray, " C"]
    point: Float64[np.ndarray, " 3"]
    information: Float64[np.ndarray, " 6"]
    no_prior: Float64[np.ndarray, " 6"]
    size: Float64[np.ndarray, " J"]

    @staticmethod
    def empty(cameras: int, body: Body) -> Scratch:
        """Scratch memory for one person."""
        joints = len(body.parent)
        return Scratch(
            selected=Hypotheses.empty(joints, cameras),
            swapped=Hypotheses.empty(joints, cameras),
            tree=Tree.empty(body),
            rows=np.full((cameras, joints), -1),
            inliers=np.zeros(cameras, np.int64),
            point=np.zeros(3),
            information=np.zeros(6),
            no_prior=np.zeros(6),
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
    return min(LARGEST, max(SMALLEST, median(size, n))) if n >= 3 else 1.0


@inner
def median(values: Float64[np.ndarray, " N"], count: int) -> float:
    """The middle one of the first values, the larger of two."""
    for i in range(count):
        below, rank = 0, 0
        for k in range(count):
            below += values[k] < values[i]
            rank += values[k] <= values[i]
        if below <= count // 2 < rank:
            return float(values[i])
    return np.nan


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
        propose_hypotheses(rows, j, bundle, gate, out, scratch)
    cost = choose_hypotheses(body, size, out, scratch.tree)
    return cost + gate if faces_backwards(body, out) else cost


@inner
def choose_hypotheses(body: Body, size: float, out: Hypotheses, tree: Tree) -> float:
    """Choose the hypotheses of least total cost, which is returned.

    A joint is compared with its nearest ancestor that is measured. From the leaves inwards, least costs are added up;
    from the root outwards, the hypotheses that have them are chosen.
    """
    joints, depth = body.order.shape[0], tree.depth
    for j in range(joints):
        for k in range(MOST):
            tree.measured[j, k] = 0.0
            for e in range(depth[j] + 1):
                tree.unmeasured[j, e, k] = 0.0
    for n in range(joints - 1, -1, -1):
        j = body.order[n]
        find_least(j, body, size, out, tree)
        p = body.parent[j]
        if p >= 0:
            for k in range(MOST):
                tree.measured[p, k] += tree.least[j, depth[j], k]
                for e in range(depth[j]):
                    tree.unmeasured[p, e, k] += tree.least[j, e, k]
    for n in range(joints):
        j = body.order[n]
        p, e, g = body.parent[j], 0, 0
        if p >= 0:
            e, g = tree.ancestor[p, 0], tree.ancestor[p, 1]
        k = tree.best[j, e, g]
        out.choice[j] = k
        tree.ancestor[j, 0] = depth[j] + 1 if k < out.number[j] else e
        tree.ancestor[j, 1] = k if k < out.number[j] else g
    return float(tree.least[body.order[0], 0, 0])


@inner
def find_least(j: int, body: Body, size: float, out: Hypotheses, tree: Tree) -> None:
    """The least cost of joint j and all beyond it, given each hypothesis of each ancestor."""
    none, depth, ancestor, reach = out.number[j], tree.depth[j], j, 0.0
    for e in range(depth, -1, -1):
        reach += body.length[ancestor] if body.length[ancestor] > 0.0 else np.inf
        ancestor = body.parent[ancestor]
        for g in range(out.number[ancestor] if e > 0 else 1):
            least, best = out.cost[j, none] + tree.unmeasured[j, e, g], none
            for k in range(none):
                cost = out.cost[j, k] + tree.measured[j, k]
                if e > 0:
                    cost += bone_cost(j, k, ancestor, g, size * reach, e == depth, body.nonrigid[j], out)
                if cost < least:
                    least, best = cost, k
            tree.least[j, e, g], tree.best[j, e, g] = least, best


@inner
def bone_cost(j: int, k: int, a: int, g: int, length: float, is_bone: bool, nonrigid: bool, out: Hypotheses) -> float:
    """Squared deviation of the distance between hypothesis k of joint j and g of its ancestor a from `length` m.

    Where joints lie between them (no `is_bone`), they can only be too far apart.
    """
    if not length < np.inf:
        return 0.0
    p, q = out.point[j, k], out.point[a, g]
    x, y, z = p[0] - q[0], p[1] - q[1], p[2] - q[2]
    distance = math.sqrt(x * x + y * y + z * z)
    if not distance > 1e-6 or (distance < length and not is_bone):
        return 0.0
    x, y, z = x / distance, y / distance, z / distance
    cv = NONRIGID_LENGTH_CV if nonrigid else LENGTH_CV
    variance = (POPULATION_LENGTH_CV * POPULATION_LENGTH_CV + cv * cv) * length * length + SLIDING_M * SLIDING_M
    variance += quadratic_sym3(covariance(out.information[j, k]), x, y, z)
    variance += quadratic_sym3(covariance(out.information[a, g]), x, y, z)
    return (distance - length) ** 2 / variance


@inner
def covariance(information: Float64[np.ndarray, " 6"]) -> Sym3:
    """The inverse of an information matrix."""
    h0, h1, h2, h3, h4, h5 = sym3(information)
    return inverse_sym3(h0, h1, h2, h3, h4, h5)


@inner
def propose_hypotheses(
    rows: CameraRows, j: int, bundle: RayBundle, gate: float, out: Hypotheses, scratch: Scratch
) -> None:
    """The hypotheses of joint j: every pair of its rays takes part in one, where it can; at most MOST, the cheapest."""
    cameras, seen = rows.shape[0], 0
    for c in range(cameras):
        seen += rows[c, j] >= 0
    stride = (seen * (seen - 1) // 2 + MAX_PAIRS - 1) // MAX_PAIRS
    count, pair = 0, 0
    for a in range(cameras):
        for b in range(a + 1, cameras):
            if rows[a, j] < 0 or rows[b, j] < 0:
                continue
            pair += 1
            if (pair - 1) % stride or is_explained(a, b, out.rows[j], count):
                continue
            if refine_pair(a, b, rows, j, bundle, gate, scratch):
                count = keep_hypothesis(j, count, total_cost(rows, j, bundle, gate, scratch.point), out, scratch)
    out.number[j] = count
    # Somewhere along one of the rays, where no other ray passes.
    out.cost[j, count] = gate * max(0, seen - 1)


@inner
def is_explained(a: int, b: int, rows: Int64[np.ndarray, "K C"], count: int) -> bool:
    """Whether one of the first hypotheses already rests on both cameras."""
    found = False
    for k in range(count):
        found |= rows[k, a] >= 0 and rows[k, b] >= 0
    return found


@inner
def refine_pair(a: int, b: int, rows: CameraRows, j: int, bundle: RayBundle, gate: float, scratch: Scratch) -> bool:
    """The point where two rays meet, refined by all that agree; False where no two do."""
    point, inliers, no_prior = scratch.point, scratch.inliers, scratch.no_prior
    meet, point[0], point[1], point[2] = meeting_point(a, rows[a, j], b, rows[b, j], bundle)
    if not meet or find_inliers(rows, j, bundle, 4 * gate, point, inliers) < 2:
        return False
    refine(inliers, bundle, no_prior[:3], no_prior, STEPS, point, scratch.information)
    if find_inliers(rows, j, bundle, gate, point, inliers) < 2:
        return False
    refine(inliers, bundle, no_prior[:3], no_prior, STEPS, point, scratch.information)
    return True


@inner
def keep_hypothesis(j: int, count: int, cost: float, out: Hypotheses, scratch: Scratch) -> int:
    """Add the hypothesis in `scratch` to the `count` that joint j has, or replace the dearest; returns their number."""
    place = count
    if count == MOST:
        place = 0
        for k in range(1, MOST):
            place = k if out.cost[j, k] > out.cost[j, place] else place
        if not cost < out.cost[j, place]:
            return count
    copy_row(scratch.point, out.point[j, place])
    copy_row(scratch.information, out.information[j, place])
    out.cost[j, place] = cost
    for c in range(scratch.inliers.shape[0]):
        out.rows[j, place, c] = scratch.inliers[c]
    return max(count, place + 1)


@inner
def chi2_at(c: int, i: int, bundle: RayBundle, point: Float64[np.ndarray, " 3"]) -> float:
    """Chi-square of camera c's ray i at a point."""
    uv, w, camera = bundle.xy[i], bundle.info[i], camera_of(bundle.R[c], bundle.t[c])
    return ray_chi2(camera, point[0], point[1], point[2], uv[0], uv[1], w[0], w[1], w[2])


@inner
def find_inliers(rows: CameraRows, j: int, bundle: RayBundle, gate: float, point: Array, inliers: Array) -> int:
    """Put joint j's rays within the gate into `inliers` (C), -1 for others; returns their number."""
    count = 0
    for c in range(rows.shape[0]):
        inliers[c] = -1
        if rows[c, j] >= 0 and chi2_at(c, rows[c, j], bundle, point) <= gate:
            inliers[c] = rows[c, j]
            count += 1
    return count


@inner
def total_cost(rows: CameraRows, j: int, bundle: RayBundle, gate: float, point: Array) -> float:
    """Chi-squares of all of joint j's rays, each at most what an outlier costs."""
    cost = 0.0
    for c in range(rows.shape[0]):
        if rows[c, j] >= 0:
            cost += min(gate, chi2_at(c, rows[c, j], bundle, point))
    return cost
