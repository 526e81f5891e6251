"""Fingers as chains of hinges: where four joints of one are when it bends only as fingers do.

In the frame of the palm (x towards the middle finger, y towards the thumb's side, z out of the back; left hands are
mirrored) a finger's bones lie in a plane spanned by

    e_x = Rz(a) (1, 0, 0),   e_z = Rz(a) Rx(t) (0, 0, 1),

with the abduction a and the turn t about its length, and bone i points to

    d_i = cos(phi_i) e_x - sin(phi_i) e_z,   phi_i = f_1 + ... + f_i,                           (1)

with the flexions f of its three joints. Four degrees of freedom (a and f) are those of an anatomical finger; t is 0 as
well as the palm is known, and in a thumb that of its saddle joint. Given the joints with their covariances, bones of
known length and what hands can do, (1) is fitted by Gauss-Newton: flexions beyond their range are held back like by a
spring, and an outermost joint bends by two thirds of the one before (Rijpkema and Girard, Computer animation of
knowledge-based human grasping, SIGGRAPH 1991). Ranges are those of the American Academy of Orthopaedic Surgeons (Joint
Motion, 1965), the thumb's plane that of Cooney et al., The kinesiology of the thumb trapeziometacarpal joint, 1981.
"""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    Mat3,
    Sym3,
    Vec3,
    full,
    inverse_sym3,
    mat3,
    mul_vec,
    norm,
    put_mat3,
    put_sym3,
    put_vec3,
    quadratic_sym3,
    sub_vec,
)

UNKNOWNS, ABDUCTION, TURN, FLEXION = 8, 3, 4, 5  # of a finger: where its root is, and its five angles
# rad; of thumbs, then of fingers. What a flexion may be:
LEAST = np.radians(np.array([[-35.0, -15.0, -20.0], [-45.0, -10.0, -10.0]]))
MOST = np.radians(np.array([[60.0, 75.0, 85.0], [100.0, 115.0, 90.0]]))
BEYOND_SD = math.radians(3.0)
# Abduction and turn, and how they differ from hand to hand and from pose to pose:
USUAL = np.radians(np.array([[40.0, -80.0], [0.0, 0.0]]))
USUAL_SD = np.radians(np.array([[25.0, 30.0], [12.0, 5.0]]))
COUPLING, COUPLING_SD = 2.0 / 3.0, math.radians(15.0)  # of the two outer flexions of a finger
SHARED = 1.0 / 3.0  # of a joint's variance that is one error of all joints of its finger: bones tie them to each other
NEW = 0.75  # of the joints' information is new: 12 coordinates whose covariances know of three lengths already
KNOWN = 0.15  # a bone's length is known when its standard deviation is such a part of it
STEPS, MOST_STEP, LEAST_STEP = 2, 0.5, 1e-2  # rad; ten bring flexions .2 degrees nearer to truth in twice the time


@kernel
def constrain(hands: Array, person: Array, length: Array, length_variance: Array, xyz: Array, cov: Array) -> None:
    """Fit every finger of N poses, in place: `xyz` (N, J, 3) m, `cov` (N, J, 3, 3) m^2.

    `hands` (K, 22) are the joints of each hand as in `body.hands`, then 1 for a left and 0 for a right one. `length`
    and `length_variance` (P, E) are of the bones, the first J from each joint to its parent, and `person` (N) tells
    which row is each pose's. A finger is left as it is where one of its joints or bones is not known.
    """
    frame, points, weights, bones = np.empty(9), np.empty((4, 3)), np.empty((4, 6)), np.empty(3)
    x, model, D = np.empty(UNKNOWNS), np.empty((4, 3)), np.zeros((4, UNKNOWNS, 3))
    H, L, Y = np.empty((UNKNOWNS, UNKNOWNS)), np.empty((UNKNOWNS, UNKNOWNS)), np.empty((UNKNOWNS, 3))
    g, step = np.empty(UNKNOWNS), np.empty(UNKNOWNS)
    for n in range(xyz.shape[0]):
        for hand in hands:
            turn_variance = _palm(hand, xyz[n], cov[n], frame)
            if not np.isfinite(turn_variance):
                continue
            palm = mat3(frame)
            for finger in range(5):
                joints = hand[1 + 4 * finger : 5 + 4 * finger]
                if not _known(joints, length[person[n]], length_variance[person[n]], xyz[n], cov[n], bones):
                    continue
                kind = 0 if finger == 0 else 1
                _observe(joints, xyz[n], cov[n], points, weights)
                _begin(kind, palm, points, x)
                if _fit(kind, turn_variance, palm, bones, points, weights, x, model, D, H, g, L, step):
                    _write(joints, model, D, L, Y, xyz[n], cov[n])


@inner
def _palm(hand: Array, xyz: Array, cov: Array, frame: Array) -> float:
    """`frame` gets the palm's axes as columns; the variance (rad^2) of its turn about the fingers, NaN without one."""
    root, index, middle, little = hand[0], hand[5], hand[9], hand[17]
    along, across = sub_vec(_row(xyz, middle), _row(xyz, root)), sub_vec(_row(xyz, index), _row(xyz, little))
    far = norm(along)
    x = (along[0] / far, along[1] / far, along[2] / far)
    share = x[0] * across[0] + x[1] * across[1] + x[2] * across[2]
    across = (across[0] - share * x[0], across[1] - share * x[1], across[2] - share * x[2])
    wide = norm(across)
    y = (across[0] / wide, across[1] / wide, across[2] / wide)
    s = -1.0 if hand[21] else 1.0
    z = (s * (x[1] * y[2] - x[2] * y[1]), s * (x[2] * y[0] - x[0] * y[2]), s * (x[0] * y[1] - x[1] * y[0]))
    put_mat3(frame, (x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]))
    return (_along(cov[index], z) + _along(cov[little], z)) / (wide * wide)


@inner
def _along(C: Array, v: Vec3) -> float:
    """The variance in a direction."""
    return quadratic_sym3((C[0, 0], C[0, 1], C[0, 2], C[1, 1], C[1, 2], C[2, 2]), v[0], v[1], v[2])


@inner
def _known(joints: Array, length: Array, variance: Array, xyz: Array, cov: Array, bones: Array) -> bool:
    """Whether all of a finger is known; its bones' lengths."""
    for k in range(4):
        j = joints[k]
        if not (np.isfinite(xyz[j, 0]) and cov[j, 0, 0] > 0.0):
            return False
        if k > 0:
            bones[k - 1] = length[j]
            if not 0.0 < math.sqrt(variance[j]) < KNOWN * length[j]:
                return False
    return True


@inner
def _observe(joints: Array, xyz: Array, cov: Array, points: Array, weights: Array) -> None:
    """The joints from the finger's root, and the information of the errors that are their own."""
    root = _row(xyz, joints[0])
    own = (1.0 - SHARED) / NEW
    for k in range(4):
        j, C = joints[k], cov[joints[k]]
        put_vec3(points[k], sub_vec(_row(xyz, j), root))
        put_sym3(
            weights[k],
            inverse_sym3(own * C[0, 0], own * C[0, 1], own * C[0, 2], own * C[1, 1], own * C[1, 2], own * C[2, 2]),
        )


@inner
def _begin(kind: int, palm: Mat3, points: Array, x: Array) -> None:
    """The usual abduction and turn, and the flexions that the points show in that plane, within their range."""
    x[0], x[1], x[2] = points[0, 0], points[0, 1], points[0, 2]
    a, t = USUAL[kind, 0], USUAL[kind, 1]
    x[ABDUCTION], x[TURN] = a, t
    ex = mul_vec(palm, (math.cos(a), math.sin(a), 0.0))
    ez = mul_vec(palm, (math.sin(a) * math.sin(t), -math.cos(a) * math.sin(t), math.cos(t)))
    before = 0.0
    for k in range(3):
        bone = sub_vec(_row(points, k + 1), _row(points, k))
        flexion = math.atan2(-_dot(ez, bone), _dot(ex, bone)) - before
        flexion -= 2.0 * math.pi * np.floor(flexion / (2.0 * math.pi) + 0.5)
        x[FLEXION + k] = min(max(flexion, LEAST[kind, k]), MOST[kind, k])
        before += x[FLEXION + k]


@inner
def _fit(
    kind: int, turn_variance: float, palm: Mat3, bones: Array, points: Array, weights: Array, x: Array, model: Array,
    D: Array, H: Array, g: Array, L: Array, step: Array,
) -> bool:  # fmt: skip
    """Move x to the most likely finger: `model` is its joints, D their derivatives, L L' the information of x."""
    _place(palm, bones, x, model, D)
    for _ in range(STEPS):
        _measure(points, weights, model, D, H, g)
        _add_anatomy(kind, turn_variance, x, H, g)
        if not _solve(H, g, L, step):
            return False
        largest = 0.0
        for i in range(UNKNOWNS):
            if i >= ABDUCTION:
                step[i] = min(max(step[i], -MOST_STEP), MOST_STEP)
                largest = max(largest, abs(step[i]))
            x[i] += step[i]
        _place(palm, bones, x, model, D)
        if largest < LEAST_STEP:
            break
    return True


@inner
def _place(palm: Mat3, bones: Array, x: Array, model: Array, D: Array) -> None:
    """The joints (1) and their derivatives by the angles; those by the root are 1."""
    ca, sa, ct, st = math.cos(x[ABDUCTION]), math.sin(x[ABDUCTION]), math.cos(x[TURN]), math.sin(x[TURN])
    ex, ez = mul_vec(palm, (ca, sa, 0.0)), mul_vec(palm, (sa * st, -ca * st, ct))
    ex_a, ez_a = mul_vec(palm, (-sa, ca, 0.0)), mul_vec(palm, (ca * st, sa * st, 0.0))
    ez_t = mul_vec(palm, (sa * ct, -ca * ct, -st))
    put_vec3(model[0], (x[0], x[1], x[2]))
    phi = 0.0
    for k in range(1, 4):
        phi += x[FLEXION + k - 1]
        c, s = bones[k - 1] * math.cos(phi), bones[k - 1] * math.sin(phi)
        for i in range(3):
            model[k, i] = model[k - 1, i] + c * ex[i] - s * ez[i]
            D[k, ABDUCTION, i] = D[k - 1, ABDUCTION, i] + c * ex_a[i] - s * ez_a[i]
            D[k, TURN, i] = D[k - 1, TURN, i] - s * ez_t[i]
            for f in range(FLEXION, FLEXION + k):
                D[k, f, i] = D[k - 1, f, i] - s * ex[i] - c * ez[i]


@inner
def _measure(points: Array, weights: Array, model: Array, D: Array, H: Array, g: Array) -> None:
    """H = sum J' W J, below its diagonal and on it, and g = sum J' W (points - model), with J of root and angles."""
    for u in range(UNKNOWNS):
        g[u] = 0.0
        for v in range(u + 1):
            H[u, v] = 0.0
    for k in range(4):
        W = full((weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3], weights[k, 4], weights[k, 5]))
        off = mul_vec(W, sub_vec(_row(points, k), _row(model, k)))
        for i in range(3):
            g[i] += off[i]
            for m in range(i + 1):
                H[i, m] += W[3 * i + m]
        for u in range(ABDUCTION, FLEXION + k):  # no further joint's flexion moves this one
            d = (D[k, u, 0], D[k, u, 1], D[k, u, 2])
            w = mul_vec(W, d)
            g[u] += _dot(d, off)
            for i in range(3):
                H[u, i] += w[i]
            for v in range(ABDUCTION, u + 1):
                H[u, v] += w[0] * D[k, v, 0] + w[1] * D[k, v, 1] + w[2] * D[k, v, 2]


@inner
def _dot(a: Vec3, b: Vec3) -> float:
    """The product a' b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inner
def _row(points: Array, k: int) -> Vec3:
    """One of N points; a view of it would have to be counted."""
    return (points[k, 0], points[k, 1], points[k, 2])


@inner
def _add_anatomy(kind: int, turn_variance: float, x: Array, H: Array, g: Array) -> None:
    """What is usual, what is possible, and how the two outer joints of a finger go together."""
    for i in range(2):
        sd = USUAL_SD[kind, i]
        information = 1.0 / (sd * sd + (turn_variance if i == 1 else 0.0))
        H[ABDUCTION + i, ABDUCTION + i] += information
        g[ABDUCTION + i] += information * (USUAL[kind, i] - x[ABDUCTION + i])
    for i in range(3):
        u = FLEXION + i
        beyond = x[u] - min(max(x[u], LEAST[kind, i]), MOST[kind, i])
        if beyond != 0.0:
            H[u, u] += 1.0 / (BEYOND_SD * BEYOND_SD)
            g[u] -= beyond / (BEYOND_SD * BEYOND_SD)
    if kind == 1:
        u, information = FLEXION + 1, 1.0 / (COUPLING_SD * COUPLING_SD)
        off = x[u + 1] - COUPLING * x[u]
        H[u + 1, u + 1] += information
        H[u, u] += COUPLING * COUPLING * information
        H[u + 1, u] -= COUPLING * information
        g[u + 1] -= information * off
        g[u] += COUPLING * information * off


@inner
def _solve(H: Array, g: Array, L: Array, x: Array) -> bool:
    """x = H^-1 g of a symmetric positive definite matrix, by Cholesky's L L'; False where it is not."""
    size = H.shape[0]
    for i in range(size):
        for k in range(i + 1):
            left = H[i, k]
            for m in range(k):
                left -= L[i, m] * L[k, m]
            if k < i:
                L[i, k] = left * L[k, k]
            elif left > 1e-12:
                L[i, i] = 1.0 / math.sqrt(left)  # the diagonal's inverse
            else:
                return False
    for i in range(size):
        left = g[i]
        for m in range(i):
            left -= L[i, m] * x[m]
        x[i] = left * L[i, i]
    for i in range(size - 1, -1, -1):
        left = x[i]
        for m in range(i + 1, size):
            left -= L[m, i] * x[m]
        x[i] = left * L[i, i]
    return True


@inner
def _write(joints: Array, model: Array, D: Array, L: Array, Y: Array, xyz: Array, cov: Array) -> None:
    """Write a fitted finger into the pose, with its joints' covariances and that of the error that they share."""
    root, C = _row(xyz, joints[0]), cov[joints[0]]
    shared = (
        SHARED * C[0, 0], SHARED * C[0, 1], SHARED * C[0, 2], SHARED * C[1, 1], SHARED * C[1, 2], SHARED * C[2, 2]
    )  # fmt: skip
    for k in range(4):
        j = joints[k]
        put_vec3(xyz[j], (root[0] + model[k, 0], root[1] + model[k, 1], root[2] + model[k, 2]))
        own = _covariance(k, D, L, Y)
        stated = full((
            own[0] + shared[0], own[1] + shared[1], own[2] + shared[2],
            own[3] + shared[3], own[4] + shared[4], own[5] + shared[5],
        ))  # fmt: skip
        for a in range(3):
            for b in range(3):
                cov[j, a, b] = stated[3 * a + b]


@inner
def _covariance(k: int, D: Array, L: Array, Y: Array) -> Sym3:
    """J (L L')^-1 J' = Y'Y of joint k, with L Y = J'."""
    C = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for u in range(UNKNOWNS):
        for i in range(3):
            left = D[k, u, i] if u >= ABDUCTION else (1.0 if i == u else 0.0)
            for m in range(u):
                left -= L[u, m] * Y[m, i]
            Y[u, i] = left * L[u, u]
        x, y, z = _row(Y, u)
        C = (C[0] + x * x, C[1] + x * y, C[2] + x * z, C[3] + y * y, C[4] + y * z, C[5] + z * z)
    return C
