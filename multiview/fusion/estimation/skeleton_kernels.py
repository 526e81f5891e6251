"""A person's joints in one frame: what the rays say of each, and the bones, in one problem on the graph of bones.

With small moves dx of all joints, the fit maximises the log likelihood

    g' dx - 1/2 dx' H dx,                                                       (1)

where rays add a 3x3 block to H at their joint, and a bone one at each of its ends and, negative, one between them. The
minimum H dx = g is found exactly by block elimination of one joint after the other (sparse Cholesky without roots;
George and Liu, Computer Solution of Large Sparse Positive Definite Systems, 1981), and the way back gives every joint's
marginal covariance, the diagonal blocks of H^-1 (selected inversion: Takahashi, Fagan and Chen 1973; Erisman and Tinney
1975).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.fusion.state.elimination import Elimination
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    add,
    add_vec,
    full,
    inverse_sym3,
    mat3,
    mul,
    mul_t,
    mul_vec,
    norm,
    put_mat3,
    put_sym3,
    put_vec3,
    sub,
    sub_vec,
    sym3,
    t_mul,
    transpose,
    upper,
    vec3,
)


class BoneConstraints(NamedTuple):
    """What bones say of the joints at their ends, E bones, the first J from each joint to its parent.

    A bone's `length` m is known with `length_information` 1/m^2, its joint's offset from the parent is `rest_offset` m
    with `offset_information` 1/m^2; 0 where nothing is known.
    """

    length: Float64[np.ndarray, " E"]
    length_information: Float64[np.ndarray, " E"]
    rest_offset: Float64[np.ndarray, "J 3"]
    offset_information: Float64[np.ndarray, " J"]

    @staticmethod
    def empty(joints: int, bones: int) -> BoneConstraints:
        """No constraints."""
        return BoneConstraints(np.zeros(bones), np.zeros(bones), np.zeros((joints, 3)), np.zeros(joints))


class NormalEquations(NamedTuple):
    """H dx = g of J joints and B blocks off the diagonal, and what elimination makes of it.

    `information` 1/m^2 are the diagonal blocks of H, `gradient` 1/m is g. Elimination uses them and the `blocks` up; it
    leaves each joint's inverse pivot and the `gains`, its pivot's inverse times its blocks.
    """

    information: Float64[np.ndarray, "J 6"]
    gradient: Float64[np.ndarray, "J 3"]
    blocks: Float64[np.ndarray, "B 9"]
    inverse_pivot: Float64[np.ndarray, "J 6"]
    gains: Float64[np.ndarray, "B 9"]

    @staticmethod
    def empty(graph: Elimination) -> NormalEquations:
        """Memory with nothing in it yet."""
        J, B = len(graph.order), len(graph.blocks)
        return NormalEquations(np.zeros((J, 6)), np.zeros((J, 3)), np.zeros((B, 9)), np.zeros((J, 6)), np.zeros((B, 9)))


@kernel
def fit_skeleton(
    graph: Elimination, ends: Array, bones: BoneConstraints, equations: NormalEquations, xyz: Array, cov: Array
) -> None:
    """Move the joints `xyz` (J, 3) to the maximum of (1), with `bones` between their `ends` linearised around them.

    On entry `equations` hold each joint's `information` and `gradient` by its rays. `cov` (J, 6) gets the covariances.
    """
    blocks, gradient = equations.blocks, equations.gradient
    for k in range(blocks.shape[0]):
        for a in range(9):
            blocks[k, a] = 0.0
    _add_bones(graph.bone, ends, bones, xyz, equations.information, gradient, blocks)
    _eliminate(graph, equations)
    _substitute_back(graph, equations, cov)
    for j in range(xyz.shape[0]):
        put_vec3(xyz[j], add_vec(vec3(xyz[j]), vec3(gradient[j])))


@inner
def _add_bones(
    block: Array, ends: Array, bones: BoneConstraints, xyz: Array, information: Array, gradient: Array, blocks: Array
) -> None:
    """Add to H and g what bones say: (length - |bone|)^2 and |rest_offset - bone|^2, each times its information."""
    joints = xyz.shape[0]
    length, length_information = bones.length, bones.length_information
    rest_offset, offset_information = bones.rest_offset, bones.offset_information
    for e in range(ends.shape[0]):
        if block[e] < 0:
            continue
        j, p = ends[e, 0], ends[e, 1]
        bone = sub_vec(vec3(xyz[j]), vec3(xyz[p]))
        now, s = norm(bone), length_information[e]
        g, H = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if s > 0.0 and now > 1e-6:
            x, y, z = bone[0] / now, bone[1] / now, bone[2] / now  # derivative of the length by the joint j
            pull = s * (length[e] - now)
            g = pull * x, pull * y, pull * z
            H = full((s * x * x, s * x * y, s * x * z, s * y * y, s * y * z, s * z * z))
        if e < joints and offset_information[e] > 0.0:
            w = offset_information[e]
            off = sub_vec(vec3(rest_offset[e]), bone)
            g = add_vec(g, (w * off[0], w * off[1], w * off[2]))
            H = add(H, (w, 0.0, 0.0, 0.0, w, 0.0, 0.0, 0.0, w))
        put_sym3(information[j], upper(add(full(sym3(information[j])), H)))
        put_sym3(information[p], upper(add(full(sym3(information[p])), H)))
        put_vec3(gradient[j], add_vec(vec3(gradient[j]), g))
        put_vec3(gradient[p], sub_vec(vec3(gradient[p]), g))
        put_mat3(blocks[block[e]], sub(mat3(blocks[block[e]]), H))


@inner
def _eliminate(graph: Elimination, equations: NormalEquations) -> None:
    """Take joint after joint out of the equations.

    Joint j with pivot D and blocks E_k to the joints k that remain leaves D_k - E_k' D^-1 E_k to them, g_k - E_k' D^-1
    g_j, and -E_k' D^-1 E_i between two of them.
    """
    later, block, fill = graph.later, graph.block, graph.fill
    D, g, E = equations.information, equations.gradient, equations.blocks
    S, gains = equations.inverse_pivot, equations.gains
    for j in graph.order:
        count = _remaining(later, j)
        pivot = inverse_sym3(*sym3(D[j]))
        put_sym3(S[j], pivot)
        for k in range(count):
            p, e = later[j, k], block[j, k]
            gain = mul(full(pivot), mat3(E[e]))
            put_mat3(gains[e], gain)
            put_vec3(g[p], sub_vec(vec3(g[p]), mul_vec(transpose(gain), vec3(g[j]))))
        for k in range(count):
            p, E_k = later[j, k], mat3(E[block[j, k]])
            put_sym3(D[p], upper(sub(full(sym3(D[p])), t_mul(E_k, mat3(gains[block[j, k]])))))
            for i in range(k + 1, count):
                f = fill[j, k, i]
                put_mat3(E[f], sub(mat3(E[f]), t_mul(E_k, mat3(gains[block[j, i]]))))


@inner
def _substitute_back(graph: Elimination, equations: NormalEquations, cov: Array) -> None:
    """From the last joint to the first: the solution dx in `gradient`, and the covariances.

    With the gains G_k of joint j: dx_j = D^-1 g_j - sum G_k dx_k, cov(j, k) = -sum_i G_i cov(i, k), which goes to
    `blocks`, and cov(j, j) = D^-1 - sum_k cov(j, k) G_k'.
    """
    later, block, order = graph.later, graph.block, graph.order
    S, g, gains, cross = equations.inverse_pivot, equations.gradient, equations.gains, equations.blocks
    for n in range(order.shape[0] - 1, -1, -1):
        j = order[n]
        count = _remaining(later, j)
        C, x = full(sym3(S[j])), mul_vec(full(sym3(S[j])), vec3(g[j]))
        for k in range(count):
            x = sub_vec(x, mul_vec(mat3(gains[block[j, k]]), vec3(g[later[j, k]])))
        put_vec3(g[j], x)
        for k in range(count):
            cov_jk = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            for i in range(count):
                if i == k:
                    cov_ik = full(sym3(cov[later[j, k]]))
                elif i < k:
                    cov_ik = mat3(cross[graph.fill[j, i, k]])
                else:
                    cov_ik = transpose(mat3(cross[graph.fill[j, k, i]]))
                cov_jk = sub(cov_jk, mul(mat3(gains[block[j, i]]), cov_ik))
            put_mat3(cross[block[j, k]], cov_jk)
        for k in range(count):
            C = sub(C, mul_t(mat3(cross[block[j, k]]), mat3(gains[block[j, k]])))
        put_sym3(cov[j], upper(C))


@inner
def _remaining(later: Array, j: int) -> int:
    """How many joints that j is connected to are eliminated after it."""
    count = 0
    while count < later.shape[1] and later[j, count] >= 0:
        count += 1
    return count
