"""How noisy rays are: learned from how far they miss the joints that they share, and from how large people are."""

from __future__ import annotations

import math

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.measurement_noise import NoiseTables
from multiview.fusion.state.track_state import State
from multiview.geometry.four import LANES, four, read, write
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.point_batch_kernels import NEAREST_M

MEMORY = 20_000.0  # degrees of freedom after which old residuals count half and less
TRUST_RIG, TRUST_JOINT, TRUST_SCORE, TRUST_SIZE = 200.0, 300.0, 300.0, 300.0  # degrees of freedom of the start values
MAX_AUTOCORRELATION = 0.95
FADE = 0.998  # of what persists, per frame


@kernel
def learn(noise: NoiseTables, sums: Array, sizes: Array, products: Array) -> None:
    """Take in one frame's chi-squares and their expectation (both under the present variance), and the products.

    `sums` (2 B, W) has them by score and joint, `sizes` (S, 2) by size; `products` (2) as in `residuals`.
    """
    for i in range(2):
        noise.products[i] = FADE * noise.products[i] + products[i]
    usual = noise.error_autocorrelation_prior[0]
    error_autocorrelation = (noise.products[0] + TRUST_RIG * usual) / (noise.products[1] + TRUST_RIG)
    noise.error_autocorrelation[0] = min(max(error_autocorrelation, 0.0), MAX_AUTOCORRELATION)
    kept = learn_variance(noise, sums)
    for s in range(noise.size.shape[0]):
        seen, usual = noise.size_sums[s], noise.size_prior[s]
        seen[0] = seen[0] * kept + sizes[s, 0] * noise.size[s] / usual
        seen[1] = seen[1] * kept + sizes[s, 1]
        noise.size[s] = usual * (seen[0] + TRUST_SIZE) / (seen[1] + TRUST_SIZE)


@inner
def learn_variance(noise: NoiseTables, sums: Array) -> float:
    """Add one frame's `sums` (2 B, W), which are used up, to `squares` px^2 and `freedom`; set `variance` and `score`.

    Rig, joints and scores are estimated one after the other, each as the ratio of what is seen to what the others say.
    Returns what is left of the weight of earlier frames.
    """
    squares, freedom, variance, score, prior = noise.squares, noise.freedom, noise.variance, noise.score, noise.prior[0]
    (joints, nodes), width = variance.shape, sums.shape[1]
    total = 0.0
    for j in range(joints):
        for b in range(nodes):
            squares[b, j] += sums[b, j] * variance[j, b]
            freedom[b, j] += sums[nodes + b, j]
            total += freedom[b, j]
    kept = min(1.0, MEMORY / max(total, 1.0))
    total *= kept
    for b in range(nodes):
        for j in range(0, width, LANES):
            square = kept * read(squares, b, j)
            write(squares, b, j, square)
            write(freedom, b, j, kept * read(freedom, b, j))
            write(sums, b, j, square / (read(noise.joint_prior, 0, j) * score[b]))
    relative = 0.0
    for j in range(joints):
        for b in range(nodes):
            relative += sums[b, j]
    rig = (prior * TRUST_RIG + relative) / (TRUST_RIG + total)
    for j in range(0, width, LANES):
        usual = read(noise.joint_prior, 0, j)
        above, below = four(TRUST_JOINT), four(TRUST_JOINT)
        for b in range(nodes):
            above += read(squares, b, j) / (rig * usual * score[b])
            below += read(freedom, b, j)
        write(sums, nodes, j, usual * above / below)
    for b in range(nodes):
        for j in range(0, width, LANES):
            write(sums, b, j, read(squares, b, j) / (rig * read(sums, nodes, j) * noise.score_prior[b]))
        above, below = TRUST_SCORE, TRUST_SCORE
        for j in range(joints):
            above += sums[b, j]
            below += freedom[b, j]
        score[b] = noise.score_prior[b] * above / below
    for j in range(joints):
        for b in range(nodes):
            variance[j, b] = rig * sums[nodes, j] * score[b]
    return kept


@inner
def size_place(R: Array, t: Array, K: Array, x: float, y: float, z: float, nodes: Array) -> tuple[int, float]:
    """Between which two nodes (pixels per metre) the size of what is at a point lies, and how far, 0 to 1."""
    depth = max(R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2], NEAREST_M)
    size = K[0, 0] / depth
    b = 0
    for node in nodes[1:-1]:
        b += size > node
    f = math.log(size / nodes[b]) / math.log(nodes[b + 1] / nodes[b])
    return b, min(1.0, max(0.0, f))


@inner
def middle(pos: Array, m: int, torso: Array) -> tuple[float, float, float]:
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
    detections = rays.info.shape[0]
    info, noise = rays.info.reshape(-1, 3), rays.noise.reshape(-1, 3)
    whole_info, whole_noise = rays.info.reshape(detections, -1), rays.noise.reshape(detections, -1)
    for n in range(slots.shape[0]):
        x, y, z = middle(people.pos, slots[n], torso)
        for c in range(table.shape[1]):
            b, f = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, nodes)
            k = math.exp((1 - f) * math.log(factor[b]) + f * math.log(factor[b + 1]))
            if whole[n, c]:
                _scale(whole_info, whole_noise, claims[n, c], k)
                continue
            for i in table[n, c]:
                if i >= 0:
                    for a in range(3):
                        info[i, a] /= k
                        noise[i, a] *= k


@inlined
def _scale(info: Array, noise: Array, d: int, k: float) -> None:
    """Multiply the variance of all joints of detection d; missing ones keep no information and infinite variance."""
    numbers = info.shape[1]
    for i in range(0, numbers - LANES + 1, LANES):
        write(info, d, i, read(info, d, i) / k)
        write(noise, d, i, read(noise, d, i) * k)
    for i in range(numbers - numbers % LANES, numbers):
        info[d, i] /= k
        noise[d, i] *= k
