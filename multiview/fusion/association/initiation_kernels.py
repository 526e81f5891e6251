"""Which rays a newborn's joints rest on, when no prediction says where they should be.

Two rays pass near each other also when one of them is wrong along the epipolar line, so rays alone cannot tell. Each
joint therefore has several hypotheses, one for every set of rays that agree, and one that nothing measured it; the
lengths of the bones choose between them, exactly, by dynamic programming on the tree of bones (pictorial structures:
Felzenszwalb and Huttenlocher 2005; in 3D from several views: Burenius et al. 2013).

The cost is twice a negative log likelihood: squared deviations of rays and bones; a ray that is not believed costs the
`gate`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.sight_kernels import sight_of
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, POPULATION_LENGTH_CV
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.point_batch_kernels import NEAREST_M
from multiview.geometry.sym3_kernels import copy_row, inverse_sym3, project, quadratic_sym3
from multiview.geometry.triangulate_kernels import Sight, meeting_point, refine

MAX_PAIRS = 36
MOST = 8  # hypotheses of a joint, besides that nothing measured it
SLIDING_M = 0.02  # how far keypoints slide on a body, however short the bone
SMALLEST, LARGEST = 0.5, 1.3  # of an adult


class Hypotheses(NamedTuple):
    """`number[j]` of them for each joint: point m, its information 1/m^2, the rays in use, and the cost of all rays.

    The last one, at `number[j]`, is that nothing measured the joint; `choice[j]` is the chosen one.
    """

    number: Array  # (J,)
    point: Array  # (J, K, 3)
    information: Array  # (J, K, 6)
    rows: Array  # (J, K, C)
    cost: Array  # (J, K + 1)
    choice: Array  # (J,)


@inner
def no_hypotheses(joints: int, cameras: int) -> Hypotheses:
    """Room for them."""
    return Hypotheses(
        np.zeros(joints, dtype=np.int64),
        np.empty((joints, MOST, 3)),
        np.empty((joints, MOST, 6)),
        np.full((joints, MOST, cameras), -1),
        np.zeros((joints, MOST + 1)),
        np.zeros(joints, dtype=np.int64),
    )


@kernel
def choose_rays(
    rows: Array, rays: Rays, rig: PackedRig, body: Body, gate: float, xyz: Array, H: Array, views: Array
) -> float:
    """Set joints `xyz` (J, 3), their information `H` (J, 6) and number of rays `views` (J); `rows` (C, J) keep these.

    On entry `xyz` and `views` are what the rays alone say, from which the person's size is taken. A view whose left and
    right are exchanged is set right where that fits far better. Returns the person's size, relative to an adult.
    """
    cameras, joints = rows.shape
    chosen = _set_right(rows, sight_of(rays, rig), body, body_size(body, xyz, views), gate)
    for j in range(joints):
        k = chosen.choice[j]
        views[j] = 0
        if k == chosen.number[j]:
            rows[:, j] = -1
            continue
        copy_row(chosen.point[j, k], xyz[j])
        copy_row(chosen.information[j, k], H[j])
        for c in range(cameras):
            rows[c, j] = chosen.rows[j, k, c]
            views[j] += rows[c, j] >= 0
    return body_size(body, xyz, views)


@inner
def _set_right(rows: Array, sight: Sight, body: Body, size: float, gate: float) -> Hypotheses:
    """The best choice, with one view's left and right exchanged in `rows` if that is better."""
    cameras, joints = rows.shape
    chosen = no_hypotheses(joints, cameras)
    least = best_choice(rows, sight, body, size, gate, chosen) + gate * _backwards(body, chosen)
    seeing = 0
    for c in range(cameras):
        seeing += rows[c].max() >= 0
    swapped = -1
    for c in range(cameras):
        # Three views tell by their rays whether one of them is exchanged; of two, the bones must tell.
        if not least > gate or (seeing > 2 and _doubtful(rows, c, body.pairs, chosen) < 2):
            continue
        mirror_view(rows, c, body.pairs)
        trial = no_hypotheses(joints, cameras)
        cost = best_choice(rows, sight, body, size, gate, trial) + gate * _backwards(body, trial)
        mirror_view(rows, c, body.pairs)
        if cost + gate < least:  # an exchange is as rare as an outlier
            swapped, least, chosen = c, cost + gate, trial
    if swapped >= 0:
        mirror_view(rows, swapped, body.pairs)
    return chosen


@inner
def body_size(body: Body, xyz: Array, views: Array) -> float:
    """Of a person whose joints were measured, relative to an adult: the median over bones, 1 where there are few."""
    ratio = np.empty(xyz.shape[0])
    n = 0
    for j in range(xyz.shape[0]):
        p = body.parent[j]
        if p >= 0 and views[j] >= 2 and views[p] >= 2 and body.length[j] > 0.1:
            x, y, z = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
            ratio[n] = math.sqrt(x * x + y * y + z * z) / body.length[j]
            n += 1
    if n < 3:
        return 1.0
    return min(LARGEST, max(SMALLEST, np.sort(ratio[:n])[n // 2]))


@inner
def mirror_view(rows: Array, c: int, pairs: Array) -> None:
    """Exchange left and right of one view."""
    for s in range(pairs.shape[0]):
        a, b = pairs[s, 0], pairs[s, 1]
        rows[c, a], rows[c, b] = rows[c, b], rows[c, a]


@inner
def _doubtful(rows: Array, c: int, pairs: Array, chosen: Hypotheses) -> int:
    """How many of a view's left and right rays are not believed."""
    n = 0
    for s in range(pairs.shape[0]):
        for side in range(2):
            j = pairs[s, side]
            k = chosen.choice[j]
            n += rows[c, j] >= 0 and (k == chosen.number[j] or chosen.rows[j, k, c] < 0)
    return n


@inner
def _backwards(body: Body, chosen: Hypotheses) -> bool:
    """Whether nose, toes and bent limbs point to where left and right say that the back is.

    Two views of which one is exchanged meet in the same points as with the other one exchanged, mirrored.
    """
    right, up = np.zeros(3), np.zeros(3)
    for s in range(body.pairs.shape[0]):
        a, b = body.pairs[s, 0], body.pairs[s, 1]
        k, m = chosen.choice[a], chosen.choice[b]
        if k < chosen.number[a] and m < chosen.number[b]:
            for i in range(3):
                right[i] += (body.rest_pose[b, 0] - body.rest_pose[a, 0]) * (
                    chosen.point[b, m, i] - chosen.point[a, k, i]
                )
    along = 0.0
    ahead = np.zeros(3)
    for j in range(body.parent.shape[0]):
        p = body.parent[j]
        if p < 0 or not body.length[j] > 0.0:
            continue
        k, m = chosen.choice[j], chosen.choice[p]
        if k < chosen.number[j] and m < chosen.number[p]:
            for i in range(3):
                bone = chosen.point[j, k, i] - chosen.point[p, m, i]
                up[i] += (body.rest_pose[j, 2] - body.rest_pose[p, 2]) * bone
                ahead[i] += (body.rest_pose[j, 1] - body.rest_pose[p, 1]) * bone
    along += ahead[0] * (up[1] * right[2] - up[2] * right[1])
    along += ahead[1] * (up[2] * right[0] - up[0] * right[2])
    along += ahead[2] * (up[0] * right[1] - up[1] * right[0])
    return along < 0.0


@kernel
def best_choice(rows: Array, sight: Sight, body: Body, size: float, gate: float, out: Hypotheses) -> float:
    """Fill `out` and its `choice` of least total cost, which is returned.

    A joint is compared with its nearest ancestor that was measured. `least[j, e, g]` is the least cost of j and all
    beyond it when that is hypothesis g of the ancestor at depth e - 1; nobody at e = 0.
    """
    joints = rows.shape[1]
    depth = np.zeros(joints, dtype=np.int64)
    for n in range(1, joints):
        j = body.order[n]
        depth[j] = depth[body.parent[j]] + 1
    for j in range(joints):
        propose(rows[:, j].copy(), sight, gate, j, out)
    least = np.empty((joints, depth.max() + 1, MOST))
    beyond, passed_on = np.zeros((joints, MOST)), np.zeros(least.shape)  # of its children: it measured, it not
    better = np.empty(least.shape, dtype=np.int64)
    for n in range(joints - 1, -1, -1):
        j = body.order[n]
        none = out.number[j]
        ancestor, reach = j, 0.0
        for e in range(depth[j], -1, -1):
            reach += body.length[ancestor] if body.length[ancestor] > 0.0 else np.inf
            ancestor = body.parent[ancestor]
            for g in range(out.number[ancestor] if e > 0 else 1):
                least[j, e, g], better[j, e, g] = out.cost[j, none] + passed_on[j, e, g], none
                for k in range(none):
                    cost = out.cost[j, k] + beyond[j, k]
                    if e > 0:
                        cost += bone_cost(j, k, ancestor, g, size * reach, e == depth[j], body.nonrigid[j], out)
                    if cost < least[j, e, g]:
                        least[j, e, g], better[j, e, g] = cost, k
        p = body.parent[j]
        if p >= 0:
            beyond[p] += least[j, depth[j]]
            for e in range(depth[j]):
                passed_on[p, e] += least[j, e]
    at, which = np.zeros(joints, dtype=np.int64), np.zeros(joints, dtype=np.int64)
    for n in range(joints):
        j = body.order[n]
        p = body.parent[j]
        e, g = (at[p], which[p]) if p >= 0 else (0, 0)
        k = better[j, e, g]
        out.choice[j] = k
        at[j], which[j] = (depth[j] + 1, k) if k < out.number[j] else (e, g)
    return least[body.order[0], 0, 0]


@kernel
def propose(source: Array, sight: Sight, gate: float, j: int, out: Hypotheses) -> None:
    """The hypotheses of one joint with rays `source` (C): every pair of rays takes part in one, where it can."""
    cameras = source.shape[0]
    seen = 0
    for c in range(cameras):
        seen += source[c] >= 0
    stride = (seen * (seen - 1) // 2 + MAX_PAIRS - 1) // MAX_PAIRS
    none, zero = np.zeros(3), np.zeros(6)
    point, H, rows = np.empty(3), np.empty(6), np.empty(cameras, dtype=np.int64)
    count, pair = 0, 0
    for a in range(cameras):
        for b in range(a + 1, cameras):
            if source[a] < 0 or source[b] < 0:
                continue
            pair += 1
            if (pair - 1) % stride or _explained(a, b, out.rows[j, :count]):
                continue
            meet, point[0], point[1], point[2] = meeting_point(a, source[a], b, source[b], sight)
            if not meet:
                continue
            if _agreeing(source, sight, 4 * gate, point, rows) < 2:
                continue
            refine(rows, sight, none, zero, 4, point, H)
            if _agreeing(source, sight, gate, point, rows) < 2:
                continue
            refine(rows, sight, none, zero, 4, point, H)
            cost = _cost_of_rays(source, sight, gate, point)
            place = count
            if count == MOST:
                place = int(np.argmax(out.cost[j, :MOST]))
                if not cost < out.cost[j, place]:
                    continue
            else:
                count += 1
            copy_row(point, out.point[j, place])
            copy_row(H, out.information[j, place])
            out.cost[j, place] = cost
            for c in range(cameras):
                out.rows[j, place, c] = rows[c]
    out.number[j] = count
    # Somewhere along one of the rays, where no other ray passes.
    out.cost[j, count] = gate * max(0, seen - 1)


@inner
def _chi_square(c: int, i: int, sight: Sight, point: Array) -> float:
    """Of camera c's ray i at a point; infinite behind the camera."""
    u, v, depth = project(sight.R[c], sight.t[c], point[0], point[1], point[2])
    if not depth > NEAREST_M:
        return np.inf
    du, dv, w = u - sight.xy[i, 0], v - sight.xy[i, 1], sight.info[i]
    return w[0] * du * du + 2 * w[1] * du * dv + w[2] * dv * dv


@inner
def _agreeing(source: Array, sight: Sight, gate: float, point: Array, rows: Array) -> int:
    """Put the rays of `source` within the gate into `rows`, -1 for others; how many."""
    kept = 0
    for c in range(source.shape[0]):
        rows[c] = -1
        if source[c] >= 0 and _chi_square(c, source[c], sight, point) <= gate:
            rows[c] = source[c]
            kept += 1
    return kept


@inner
def _cost_of_rays(source: Array, sight: Sight, gate: float, point: Array) -> float:
    cost = 0.0
    for c in range(source.shape[0]):
        if source[c] >= 0:
            cost += min(gate, _chi_square(c, source[c], sight, point))
    return cost


@inner
def _explained(a: int, b: int, rows: Array) -> bool:
    """Whether some hypothesis already rests on both rays."""
    found = False
    for k in range(rows.shape[0]):
        found |= rows[k, a] >= 0 and rows[k, b] >= 0
    return found


@inner
def bone_cost(j: int, k: int, a: int, g: int, length: float, straight: bool, loose: bool, out: Hypotheses) -> float:
    """Squared deviations of the distance between hypothesis k of joint j and g of its ancestor a from `length` m.

    Where joints lie between them (not `straight`), they can only be too far apart.
    """
    if not length < np.inf:
        return 0.0
    x = out.point[j, k, 0] - out.point[a, g, 0]
    y = out.point[j, k, 1] - out.point[a, g, 1]
    z = out.point[j, k, 2] - out.point[a, g, 2]
    now = math.sqrt(x * x + y * y + z * z)
    if not now > 1e-6 or (now < length and not straight):
        return 0.0
    bend = NONRIGID_LENGTH_CV if loose else LENGTH_CV
    variance = (POPULATION_LENGTH_CV * POPULATION_LENGTH_CV + bend * bend) * length * length + SLIDING_M * SLIDING_M
    v, w = out.information[j, k], out.information[a, g]
    variance += quadratic_sym3(inverse_sym3(v[0], v[1], v[2], v[3], v[4], v[5]), x / now, y / now, z / now)
    variance += quadratic_sym3(inverse_sym3(w[0], w[1], w[2], w[3], w[4], w[5]), x / now, y / now, z / now)
    return (now - length) ** 2 / variance
