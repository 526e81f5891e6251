"""The choice of one hypothesis for each joint by the lengths of the bones: exact, by dynamic programming on their tree.

Pictorial structures: Felzenszwalb and Huttenlocher 2005; in 3D from several views: Burenius et al. 2013. The cost is
twice a negative log likelihood: squared deviations of rays and bones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.fusion.association.hypothesis_kernels import MOST, Hypotheses
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, POPULATION_LENGTH_CV
from multiview.geometry.jit import inner
from multiview.geometry.sym3_kernels import Sym3, inverse_sym3, quadratic_sym3, sym3

SLIDING_M = 0.02  # how far keypoints slide on a body, however short the bone


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
