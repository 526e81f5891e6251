"""How noisy rays are: learned from how far they miss the joints that they share, and from how large people are.

A ray's variance is a product: rig x joint x score x size of the person in the picture, each learned as the ratio of
what is seen to what the other factors say. The sums forget slowly, and each factor starts from a prior that is worth
some degrees of freedom.
"""

from __future__ import annotations

import math

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.measurement_noise import NoiseTables, ResidualStatistics
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.reprojection_kernels import NEAREST_M

MEMORY = 20_000.0  # degrees of freedom after which old residuals count half and less
TRUST_RIG, TRUST_JOINT, TRUST_SCORE, TRUST_SIZE = 200.0, 300.0, 300.0, 300.0  # degrees of freedom of the priors
MAX_AUTOCORRELATION = 0.95
FADE = 0.998  # per frame, of the sums that the autocorrelation comes from


@kernel
def learn(noise: NoiseTables, statistics: ResidualStatistics) -> None:
    """Take in one frame's chi-squares and their expectation, both under the present variance, and the products."""
    for i in range(2):
        noise.products[i] = FADE * noise.products[i] + statistics.products[i]
    prior = noise.error_autocorrelation_prior[0]
    q = (noise.products[0] + TRUST_RIG * prior) / (noise.products[1] + TRUST_RIG)
    noise.error_autocorrelation[0] = min(max(q, 0.0), MAX_AUTOCORRELATION)
    kept = _learn_variance(noise, statistics)
    for s in range(noise.size.shape[0]):
        sums, prior = noise.size_sums[s], noise.size_prior[s]
        sums[0] = sums[0] * kept + statistics.by_size[s, 0] * noise.size[s] / prior
        sums[1] = sums[1] * kept + statistics.by_size[s, 1]
        noise.size[s] = prior * (sums[0] + TRUST_SIZE) / (sums[1] + TRUST_SIZE)


@inner
def _learn_variance(noise: NoiseTables, statistics: ResidualStatistics) -> float:
    """Add one frame's chi-squares to `squares` px^2 and `freedom`; set `joint`, `score` and `variance`.

    Returns what is left of the weight of earlier frames.
    """
    squares, freedom, variance = noise.squares, noise.freedom, noise.variance
    joint, score, joint_prior, score_prior = noise.joint, noise.score, noise.joint_prior, noise.score_prior
    joints, nodes = variance.shape
    total = 0.0
    for j in range(joints):
        for b in range(nodes):
            squares[b, j] += statistics.chi2[b, j] * variance[j, b]
            freedom[b, j] += statistics.expected_chi2[b, j]
            total += freedom[b, j]
    kept = min(1.0, MEMORY / max(total, 1.0))
    relative = 0.0
    for j in range(joints):
        for b in range(nodes):
            squares[b, j] *= kept
            freedom[b, j] *= kept
            relative += squares[b, j] / (joint_prior[j] * score[b])
    rig = (noise.prior[0] * TRUST_RIG + relative) / (TRUST_RIG + total * kept)
    for j in range(joints):
        above, below = TRUST_JOINT, TRUST_JOINT
        for b in range(nodes):
            above += squares[b, j] / (rig * joint_prior[j] * score[b])
            below += freedom[b, j]
        joint[j] = joint_prior[j] * above / below
    for b in range(nodes):
        above, below = TRUST_SCORE, TRUST_SCORE
        for j in range(joints):
            above += squares[b, j] / (rig * joint[j] * score_prior[b])
            below += freedom[b, j]
        score[b] = score_prior[b] * above / below
    for j in range(joints):
        for b in range(nodes):
            variance[j, b] = rig * joint[j] * score[b]
    return kept


@inner
def node_place(value: float, nodes: Array) -> tuple[int, float]:
    """Between which two nodes a value lies, and how far from the first to the second, 0 to 1."""
    b = _interval(value, nodes)
    return b, min(1.0, max(0.0, (value - nodes[b]) / (nodes[b + 1] - nodes[b])))


@inner
def size_place(R: Array, t: Array, K: Array, x: float, y: float, z: float, nodes: Array) -> tuple[int, float]:
    """The same for the size of what is at a point, pixels per metre, by its logarithm."""
    depth = max(R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2], NEAREST_M)
    size = K[0, 0] / depth
    b = _interval(size, nodes)
    f = math.log(size / nodes[b]) / math.log(nodes[b + 1] / nodes[b])
    return b, min(1.0, max(0.0, f))


@inner
def _interval(value: float, nodes: Array) -> int:
    """Between which two nodes a value lies: the index of the first."""
    b = 0
    while b < nodes.shape[0] - 2 and value > nodes[b + 1]:
        b += 1
    return b


@inner
def torso_centre(pos: Array, m: int, torso: Array) -> tuple[float, float, float]:
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
    assignment: Array,
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

    Where table[n, c] is the `whole` of detection assignment[n, c], that is scaled at once.
    """
    detections = rays.info.shape[0]
    info, noise = rays.info.reshape(-1, 3), rays.noise.reshape(-1, 3)
    whole_info, whole_noise = rays.info.reshape(detections, -1), rays.noise.reshape(detections, -1)
    for n in range(slots.shape[0]):
        x, y, z = torso_centre(people.pos, slots[n], torso)
        for c in range(table.shape[1]):
            b, f = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, nodes)
            k = math.exp((1 - f) * math.log(factor[b]) + f * math.log(factor[b + 1]))
            if whole[n, c]:
                _scale(whole_info[assignment[n, c]], whole_noise[assignment[n, c]], k)
                continue
            for j in range(table.shape[2]):
                i = table[n, c, j]
                if i >= 0:
                    _scale(info[i], noise[i], k)


@inner
def _scale(info: Array, noise: Array, k: float) -> None:
    """Multiply the variance by k; missing joints keep no information and infinite variance."""
    for i in range(info.shape[0]):
        info[i] /= k
        noise[i] *= k
