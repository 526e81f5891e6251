"""How noisy rays are: by the size of people in the picture, and by how far rays miss the joints that they share."""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.noise import NoiseTables
from multiview.fit.people import State
from multiview.fit.point_kernels import sight_of
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.lane_kernels import HUBER_SQUARED, NEAREST_M, WIDTH, L
from multiview.geometry.rays_kernels import score_place
from multiview.rays import PackedRig, Rays

SX, SY, SZ = 0, L, 2 * L  # rows: points, their covariance, rays, and what comes out
C0, C1, C2, C3, C4, C5 = 3 * L, 4 * L, 5 * L, 6 * L, 7 * L, 8 * L
U, V, UU, UV, VV = 9 * L, 10 * L, 11 * L, 12 * L, 13 * L
CHI2, TAKEN, DU, DV = 14 * L, 15 * L, 16 * L, 17 * L
OFF_ROWS = 18

STRAY = 50.0  # a ray further off than this, or behind its camera, is no measure of noise
SURE = 1.6  # a ray of whose two degrees of freedom the fit took more says nothing
MEMORY = 20_000.0  # degrees of freedom after which old residuals count half and less
TRUST_RIG, TRUST_JOINT, TRUST_SCORE, TRUST_SIZE = 200.0, 300.0, 300.0, 300.0  # degrees of freedom of the start values
MOST_PERSISTENCE = 0.95
FADE = 0.998  # of what persists, per frame


@kernel
def learn(noise: NoiseTables, sums: Array, sizes: Array, products: Array) -> None:
    """Take in one frame's chi-squares and their expectation (both under the present variance), and the products.

    `sums` (J, B, 2) has them by joint and score, `sizes` (S, 2) by size; `products` (2) as in `residuals`.
    """
    for i in range(2):
        noise.products[i] = FADE * noise.products[i] + products[i]
    usual = noise.persistence_prior[0]
    persistence = (noise.products[0] + TRUST_RIG * usual) / (noise.products[1] + TRUST_RIG)
    noise.persistence[0] = min(max(persistence, 0.0), MOST_PERSISTENCE)
    kept = learn_variance(
        sums, noise.prior[0], noise.joint_prior, noise.score_prior, noise.squares, noise.freedom, noise.score,
        noise.variance,
    )  # fmt: skip
    for s in range(noise.size.shape[0]):
        seen, usual = noise.size_sums[s], noise.size_prior[s]
        seen[0] = seen[0] * kept + sizes[s, 0] * noise.size[s] / usual
        seen[1] = seen[1] * kept + sizes[s, 1]
        noise.size[s] = usual * (seen[0] + TRUST_SIZE) / (seen[1] + TRUST_SIZE)


@inner
def learn_variance(
    sums: Array,
    prior: float,
    joint_prior: Array,
    score_prior: Array,
    squares: Array,
    freedom: Array,
    score: Array,
    variance: Array,
) -> float:
    """Add one frame's `sums` (J, B, 2) to `squares` px^2 and `freedom` (J, B), and set `variance` and its `score` part.

    Rig, joints and scores are estimated one after the other, each as the ratio of what is seen to what the others say.
    Returns what is left of the weight of earlier frames.
    """
    joints, nodes = variance.shape
    total = 0.0
    for j in range(joints):
        for b in range(nodes):
            squares[j, b] += sums[j, b, 0] * variance[j, b]
            freedom[j, b] += sums[j, b, 1]
            total += freedom[j, b]
    kept = min(1.0, MEMORY / max(total, 1.0))
    squares *= kept
    freedom *= kept
    total *= kept
    relative = 0.0
    for j in range(joints):
        for b in range(nodes):
            relative += squares[j, b] / (joint_prior[j] * score[b])
    rig = (prior * TRUST_RIG + relative) / (TRUST_RIG + total)
    joint = np.empty(joints)
    for j in range(joints):
        above, below = TRUST_JOINT, TRUST_JOINT
        for b in range(nodes):
            above += squares[j, b] / (rig * joint_prior[j] * score[b])
            below += freedom[j, b]
        joint[j] = joint_prior[j] * above / below
    for b in range(nodes):
        above, below = TRUST_SCORE, TRUST_SCORE
        for j in range(joints):
            above += squares[j, b] / (rig * joint[j] * score_prior[b])
            below += freedom[j, b]
        score[b] = score_prior[b] * above / below
    for j in range(joints):
        for b in range(nodes):
            variance[j, b] = rig * joint[j] * score[b]
    return kept


@inner
def size_place(R: Array, t: Array, K: Array, x: float, y: float, z: float, nodes: Array) -> tuple[int, float]:
    """Between which two nodes (pixels per metre) the size of what is at a point lies, and how far, 0 to 1."""
    depth = max(R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2], NEAREST_M)
    size = K[0, 0] / depth
    b = 0
    while b < nodes.shape[0] - 2 and size > nodes[b + 1]:
        b += 1
    f = math.log(size / nodes[b]) / math.log(nodes[b + 1] / nodes[b])
    return b, min(1.0, max(0.0, f))


@inner
def _middle(pos: Array, m: int, torso: Array) -> tuple[float, float, float]:
    """Where slot m's torso is."""
    x, y, z = 0.0, 0.0, 0.0
    for j in torso:
        x += pos[m, j, 0] / torso.shape[0]
        y += pos[m, j, 1] / torso.shape[0]
        z += pos[m, j, 2] / torso.shape[0]
    return x, y, z


@kernel
def scale_by_size(
    slots: Array,
    claims: Array,
    whole: Array,
    table: Array,
    people: State,
    torso: Array,
    rays: Rays,
    rig: PackedRig,
    nodes: Array,
    factor: Array,
) -> None:
    """Multiply the variance of the rays in table[n] by `factor[node]` for how large slots[n] is in each picture.

    Where table[n, c] is the `whole` of detection claims[n, c], that is scaled at once.
    """
    info, noise = rays.info.reshape(-1, 3), rays.noise.reshape(-1, 3)
    for n in range(slots.shape[0]):
        x, y, z = _middle(people.pos, slots[n], torso)
        for c in range(table.shape[1]):
            b, f = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, nodes)
            k = math.exp((1 - f) * math.log(factor[b]) + f * math.log(factor[b + 1]))
            if whole[n, c]:
                _scale(rays.info[claims[n, c]].reshape(-1), rays.noise[claims[n, c]].reshape(-1), k)
                continue
            for i in table[n, c]:
                if i >= 0:
                    for a in range(3):
                        info[i, a] /= k
                        noise[i, a] *= k


@inlined
def _scale(info: Array, noise: Array, k: float) -> None:
    """Multiply the variance of a whole detection; missing joints keep no information and infinite variance."""
    for i in range(info.shape[0]):
        info[i] /= k
    for i in range(noise.shape[0]):
        noise[i] *= k


@inner
def residuals(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    nodes: Array,
    people: State,
    torso: Array,
    views: Array,
    last: Array,
    sums: Array,
    sizes: Array,
    size_nodes: Array,
    products: Array,
) -> None:
    """Add to sums[j, node] and sizes[node] chi-square, and its expectation, of rays to joints that three views measure.

    The expectation of one ray's chi-square is 2 minus what the point took of it, the trace of its J'WJ times the
    point's covariance. `last[slot, camera, joint]` keeps whitened residuals from frame to frame; products: the sum of
    their products, and of their mean squares.
    """
    sight, joints = sight_of(rays, rig), table.shape[2]
    score = rays.score.reshape(-1)
    off = np.empty(OFF_ROWS * L)
    together, squared = 0.0, 0.0
    for n in range(table.shape[0]):
        m = slots[n]
        x, y, z = _middle(people.pos, m, torso)
        for begin in range(0, joints, L):
            count = min(L, joints - begin)
            for k in range(count):
                for i in range(3):
                    off[SX + i * L + k] = people.seen[m, begin + k, i]
                for i in range(6):
                    off[C0 + i * L + k] = people.blur[m, begin + k, i]
            for c in range(table.shape[1]):
                for k in range(count):
                    i = max(table[n, c, begin + k], 0)
                    off[U + k], off[V + k] = sight.xy[i, 0], sight.xy[i, 1]
                    off[UU + k], off[UV + k], off[VV + k] = sight.info[i, 0], sight.info[i, 1], sight.info[i, 2]
                _miss(sight.R, sight.t, c, count, off)
                large, g = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, size_nodes)
                square, free = 0.0, 0.0
                for k in range(count):
                    j = begin + k
                    i = table[n, c, j]
                    chi2, taken = off[CHI2 + k], off[TAKEN + k]
                    if i < 0 or views[n, j] < 3 or not (taken < SURE and chi2 < STRAY):
                        last[m, c, j, 0] = np.nan
                        continue
                    b, f = score_place(score[i], nodes)
                    sums[j, b, 0] += (1 - f) * chi2
                    sums[j, b, 1] += (1 - f) * (2.0 - taken)
                    sums[j, b + 1, 0] += f * chi2
                    sums[j, b + 1, 1] += f * (2.0 - taken)
                    square += chi2
                    free += 2.0 - taken
                    p, q = off[DU + k], off[DV + k]
                    before, beside = last[m, c, j, 0], last[m, c, j, 1]
                    if before == before:
                        together += p * before + q * beside
                        squared += 0.5 * (p * p + q * q + before * before + beside * beside)
                    last[m, c, j, 0], last[m, c, j, 1] = p, q
                sizes[large, 0] += (1 - g) * square
                sizes[large, 1] += (1 - g) * free
                sizes[large + 1, 0] += g * square
                sizes[large + 1, 1] += g * free
    products[0] += together
    products[1] += squared


@inner
def _miss(R: Array, t: Array, c: int, count: int, a: Array) -> None:
    """How far camera c's rays miss their points: chi-square, what the points took of it, residuals over their sigmas.

    As `add_ray`, with Huber's weight in what the points took; infinite behind the camera.
    """
    r00, r01, r02, t0 = R[c, 0, 0], R[c, 0, 1], R[c, 0, 2], t[c, 0]
    r10, r11, r12, t1 = R[c, 1, 0], R[c, 1, 1], R[c, 1, 2], t[c, 1]
    r20, r21, r22, t2 = R[c, 2, 0], R[c, 2, 1], R[c, 2, 2], t[c, 2]
    for k in range((count + WIDTH - 1) // WIDTH * WIDTH):
        x, y, z = a[SX + k], a[SY + k], a[SZ + k]
        p, q, r = a[UU + k], a[UV + k], a[VV + k]
        depth = r20 * x + r21 * y + r22 * z + t2
        near = 1.0 / depth
        u, v = (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near
        du, dv = u - a[U + k], v - a[V + k]
        chi2 = p * du * du + 2 * q * du * dv + r * dv * dv
        pull = near * near * math.sqrt(HUBER_SQUARED / max(HUBER_SQUARED, chi2))
        a0, a1, a2 = r00 - u * r20, r01 - u * r21, r02 - u * r22
        b0, b1, b2 = r10 - v * r20, r11 - v * r21, r12 - v * r22
        c0, c1, c2, c3, c4, c5 = a[C0 + k], a[C1 + k], a[C2 + k], a[C3 + k], a[C4 + k], a[C5 + k]
        x0, x1, x2 = c0 * a0 + c1 * a1 + c2 * a2, c1 * a0 + c3 * a1 + c4 * a2, c2 * a0 + c4 * a1 + c5 * a2
        y0, y1, y2 = c0 * b0 + c1 * b1 + c2 * b2, c1 * b0 + c3 * b1 + c4 * b2, c2 * b0 + c4 * b1 + c5 * b2
        aa, ab, bb = a0 * x0 + a1 * x1 + a2 * x2, b0 * x0 + b1 * x1 + b2 * x2, b0 * y0 + b1 * y1 + b2 * y2
        a[TAKEN + k] = pull * (p * aa + 2 * q * ab + r * bb)
        a[CHI2 + k] = chi2 if depth > NEAREST_M else np.inf
        a[DU + k], a[DV + k] = math.sqrt(p) * du, math.sqrt(r) * dv
