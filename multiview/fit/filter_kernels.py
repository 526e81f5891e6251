"""Each joint as a point with nearly constant velocity, seen with an error that persists.

Two-dimensional detectors err alike from frame to frame: what the rays of one frame say together has an error that is a
first-order Markov process. A filter that takes each frame for independent believes itself too much. The difference
between what this frame says and `persistence` times what the last one said has an error that is white, and is a
measurement of position and velocity (measurement differencing: Bryson and Henrikson 1968; Bar-Shalom, Li and
Kirubarajan 2001, section 8.5). That is exact because a joint gets from frame to frame with its new velocity: the
random acceleration changes the velocity first. Without persistence this is the plain Kalman filter.
"""

from __future__ import annotations

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.lane_kernels import WIDTH, L
from multiview.geometry.small_kernels import inverse_sym3

# Rows of a joint's numbers, as in `lane_kernels`: the filter's state, the prediction's information, where this frame
# sees it (Z, with covariance N), where the last one did and how exactly, by how many rays, and what `measure` returns.
POS, VEL, PP, PV, VV, W = 0, 3 * L, 6 * L, 12 * L, 21 * L, 27 * L
Z, N, SEEN, BLUR, SIGHT, FOUND, EXPECTED = 33 * L, 36 * L, 42 * L, 45 * L, 51 * L, 52 * L, 53 * L
ROWS = 54
FAINT = 1e-3  # of the prediction's information: what is added where rays leave a direction open


@kernel
def predict(slots: Array, dt: Array, people: State) -> None:
    """Carry the joints of `slots` forward by dt[n] s, each with its own agility."""
    for n in range(slots.shape[0]):
        m = slots[n]
        h = dt[n]
        for j in range(people.pos.shape[1]):
            p, x, v = people.pp[m, j], people.pv[m, j], people.vv[m, j]
            for i in range(3):
                people.pos[m, j, i] += h * people.vel[m, j, i]
            for k in (0, 3, 5):
                v[k] += people.agility[m, j] * h
            p[0] += 2 * h * x[0] + h * h * v[0]
            p[1] += h * (x[1] + x[3]) + h * h * v[1]
            p[2] += h * (x[2] + x[6]) + h * h * v[2]
            p[3] += 2 * h * x[4] + h * h * v[3]
            p[4] += h * (x[5] + x[7]) + h * h * v[4]
            p[5] += 2 * h * x[8] + h * h * v[5]
            x[0] += h * v[0]
            x[1] += h * v[1]
            x[2] += h * v[2]
            x[3] += h * v[1]
            x[4] += h * v[3]
            x[5] += h * v[4]
            x[6] += h * v[2]
            x[7] += h * v[4]
            x[8] += h * v[5]
            people.anew[m, j] = False
            w = people.prior[m, j]
            w[0], w[1], w[2], w[3], w[4], w[5] = inverse_sym3(p[0], p[1], p[2], p[3], p[4], p[5])


@kernel
def measure(
    m: int,
    people: State,
    dt: float,
    persistence: float,
    share: float,
    views: Array,
    xyz: Array,
    C: Array,
    found: Array,
    expected: Array,
) -> None:
    """Update slot m by where this frame sees the joints: `xyz` (J, 3) with covariances C (J, 6).

    These still contain `share` of the prediction's information. `found[j]` gets the squared shift of the position under
    the predicted covariance, `expected[j]` what that should be.
    """
    a, joints = np.zeros(ROWS * L), xyz.shape[0]
    for begin in range(0, joints, L):
        count = min(L, joints - begin)
        whole = (count + WIDTH - 1) // WIDTH * WIDTH
        _rows_in(a, POS, people.pos[m], begin, count)
        _rows_in(a, VEL, people.vel[m], begin, count)
        _rows_in(a, PP, people.pp[m], begin, count)
        _rows_in(a, PV, people.pv[m], begin, count)
        _rows_in(a, VV, people.vv[m], begin, count)
        _rows_in(a, W, people.prior[m], begin, count)
        _rows_in(a, SEEN, people.seen[m], begin, count)
        _rows_in(a, BLUR, people.blur[m], begin, count)
        _rows_in(a, Z, xyz, begin, count)
        _rows_in(a, N, C, begin, count)
        for k in range(count):
            a[SIGHT + k] = views[begin + k]
        _without_prediction(a, whole, share)
        _update(a, whole, persistence, dt)
        _rows_out(a, POS, people.pos[m], begin, count)
        _rows_out(a, VEL, people.vel[m], begin, count)
        _rows_out(a, PP, people.pp[m], begin, count)
        _rows_out(a, PV, people.pv[m], begin, count)
        _rows_out(a, VV, people.vv[m], begin, count)
        _rows_out(a, Z, people.seen[m], begin, count)
        _rows_out(a, BLUR, people.blur[m], begin, count)
        for k in range(count):
            found[begin + k], expected[begin + k] = a[FOUND + k], a[EXPECTED + k]
    for j in range(joints):
        if people.prior[m, j, 0] == 0.0:
            _start(m, j, people, xyz[j], C[j])
            found[j] = expected[j] = 0.0


@inner
def _rows_in(a: Array, row: int, source: Array, begin: int, count: int) -> None:
    """Each column of source[begin:] becomes a row."""
    for i in range(source.shape[1]):
        for k in range(count):
            a[row + i * L + k] = source[begin + k, i]


@inner
def _rows_out(a: Array, row: int, target: Array, begin: int, count: int) -> None:
    for i in range(target.shape[1]):
        for k in range(count):
            target[begin + k, i] = a[row + i * L + k]


@inner
def _start(m: int, j: int, people: State, point: Array, C: Array) -> None:
    """A joint without a prediction is where this frame sees it."""
    people.anew[m, j] = True
    people.pv[m, j] = 0.0
    for k in range(3):
        people.pos[m, j, k] = people.seen[m, j, k] = point[k]
    for k in range(6):
        people.pp[m, j, k] = people.blur[m, j, k] = C[k]


@inner
def _without_prediction(a: Array, count: int, share: float) -> None:
    """Take `share` of the prediction (mean, information W) out of points that contain it: Z, its covariance N."""
    s = share - FAINT
    for k in range(count):
        h0, h1, h2, h3, h4, h5 = inverse_sym3(
            a[N + k], a[N + L + k], a[N + 2 * L + k], a[N + 3 * L + k], a[N + 4 * L + k], a[N + 5 * L + k]
        )
        n0, n1, n2, n3, n4, n5 = inverse_sym3(
            h0 - s * a[W + k], h1 - s * a[W + L + k], h2 - s * a[W + 2 * L + k],
            h3 - s * a[W + 3 * L + k], h4 - s * a[W + 4 * L + k], h5 - s * a[W + 5 * L + k],
        )  # fmt: skip
        p0, p1, p2 = a[POS + k], a[POS + L + k], a[POS + 2 * L + k]
        x, y, w = a[Z + k] - p0, a[Z + L + k] - p1, a[Z + 2 * L + k] - p2
        b0, b1, b2 = h0 * x + h1 * y + h2 * w, h1 * x + h3 * y + h4 * w, h2 * x + h4 * y + h5 * w
        a[Z + k] = p0 + n0 * b0 + n1 * b1 + n2 * b2
        a[Z + L + k] = p1 + n1 * b0 + n3 * b1 + n4 * b2
        a[Z + 2 * L + k] = p2 + n2 * b0 + n4 * b1 + n5 * b2
        a[N + k], a[N + L + k], a[N + 2 * L + k] = n0, n1, n2
        a[N + 3 * L + k], a[N + 4 * L + k], a[N + 5 * L + k] = n3, n4, n5


@inner
def _update(a: Array, count: int, persistence: float, dt: float) -> None:
    """Kalman update by z - q times the last frame's = (1 - q) position + q dt velocity + noise of covariance `fresh` N.

    Of nested sets of rays, the smaller one's error is the larger one's plus something new, and the larger one's
    contains the smaller one's in proportion to their variances: q is `persistence` times that.
    """
    for k in range(count):
        n0, n1, n2 = a[N + k], a[N + L + k], a[N + 2 * L + k]
        n3, n4, n5 = a[N + 3 * L + k], a[N + 4 * L + k], a[N + 5 * L + k]
        before, now = a[BLUR + k] + a[BLUR + 3 * L + k] + a[BLUR + 5 * L + k], n0 + n3 + n5
        seen, anew = a[SIGHT + k] > 0.0, a[W + k] == 0.0
        goes_on = before > 0.0 and seen
        q = persistence * min(1.0, now / before) if goes_on else 0.0
        fresh = 1.0 - q * q * before / now if goes_on else 1.0
        h, g = 1.0 - q, q * dt
        p0, p1, p2 = a[PP + k], a[PP + L + k], a[PP + 2 * L + k]
        p3, p4, p5 = a[PP + 3 * L + k], a[PP + 4 * L + k], a[PP + 5 * L + k]
        v0, v1, v2 = a[VV + k], a[VV + L + k], a[VV + 2 * L + k]
        v3, v4, v5 = a[VV + 3 * L + k], a[VV + 4 * L + k], a[VV + 5 * L + k]
        x00, x01, x02 = a[PV + k], a[PV + L + k], a[PV + 2 * L + k]
        x10, x11, x12 = a[PV + 3 * L + k], a[PV + 4 * L + k], a[PV + 5 * L + k]
        x20, x21, x22 = a[PV + 6 * L + k], a[PV + 7 * L + k], a[PV + 8 * L + k]
        # Covariances of position (c) and velocity (d) with what is measured.
        c00, c01, c02 = h * p0 + g * x00, h * p1 + g * x01, h * p2 + g * x02
        c10, c11, c12 = h * p1 + g * x10, h * p3 + g * x11, h * p4 + g * x12
        c20, c21, c22 = h * p2 + g * x20, h * p4 + g * x21, h * p5 + g * x22
        d00, d01, d02 = h * x00 + g * v0, h * x10 + g * v1, h * x20 + g * v2
        d10, d11, d12 = h * x01 + g * v1, h * x11 + g * v3, h * x21 + g * v4
        d20, d21, d22 = h * x02 + g * v2, h * x12 + g * v4, h * x22 + g * v5
        s0, s1, s2, s3, s4, s5 = inverse_sym3(
            h * c00 + g * d00 + fresh * n0, h * c01 + g * d01 + fresh * n1, h * c02 + g * d02 + fresh * n2,
            h * c11 + g * d11 + fresh * n3, h * c12 + g * d12 + fresh * n4, h * c22 + g * d22 + fresh * n5,
        )  # fmt: skip
        k00, k01, k02 = _gain(c00, c01, c02, s0, s1, s2, s3, s4, s5)
        k10, k11, k12 = _gain(c10, c11, c12, s0, s1, s2, s3, s4, s5)
        k20, k21, k22 = _gain(c20, c21, c22, s0, s1, s2, s3, s4, s5)
        k30, k31, k32 = _gain(d00, d01, d02, s0, s1, s2, s3, s4, s5)
        k40, k41, k42 = _gain(d10, d11, d12, s0, s1, s2, s3, s4, s5)
        k50, k51, k52 = _gain(d20, d21, d22, s0, s1, s2, s3, s4, s5)
        p0, p1, p2 = (
            p0 - (k00 * c00 + k01 * c01 + k02 * c02),
            p1 - (k00 * c10 + k01 * c11 + k02 * c12),
            p2 - (k00 * c20 + k01 * c21 + k02 * c22),
        )
        p3, p4 = p3 - (k10 * c10 + k11 * c11 + k12 * c12), p4 - (k10 * c20 + k11 * c21 + k12 * c22)
        p5 = p5 - (k20 * c20 + k21 * c21 + k22 * c22)
        a[PP + k], a[PP + L + k], a[PP + 2 * L + k] = p0, p1, p2
        a[PP + 3 * L + k], a[PP + 4 * L + k], a[PP + 5 * L + k] = p3, p4, p5
        a[VV + k] = v0 if anew else v0 - (k30 * d00 + k31 * d01 + k32 * d02)
        a[VV + L + k] = v1 if anew else v1 - (k30 * d10 + k31 * d11 + k32 * d12)
        a[VV + 2 * L + k] = v2 if anew else v2 - (k30 * d20 + k31 * d21 + k32 * d22)
        a[VV + 3 * L + k] = v3 if anew else v3 - (k40 * d10 + k41 * d11 + k42 * d12)
        a[VV + 4 * L + k] = v4 if anew else v4 - (k40 * d20 + k41 * d21 + k42 * d22)
        a[VV + 5 * L + k] = v5 if anew else v5 - (k50 * d20 + k51 * d21 + k52 * d22)
        a[PV + k] = x00 - (k00 * d00 + k01 * d01 + k02 * d02)
        a[PV + L + k] = x01 - (k00 * d10 + k01 * d11 + k02 * d12)
        a[PV + 2 * L + k] = x02 - (k00 * d20 + k01 * d21 + k02 * d22)
        a[PV + 3 * L + k] = x10 - (k10 * d00 + k11 * d01 + k12 * d02)
        a[PV + 4 * L + k] = x11 - (k10 * d10 + k11 * d11 + k12 * d12)
        a[PV + 5 * L + k] = x12 - (k10 * d20 + k11 * d21 + k12 * d22)
        a[PV + 6 * L + k] = x20 - (k20 * d00 + k21 * d01 + k22 * d02)
        a[PV + 7 * L + k] = x21 - (k20 * d10 + k21 * d11 + k22 * d12)
        a[PV + 8 * L + k] = x22 - (k20 * d20 + k21 * d21 + k22 * d22)
        y0 = a[Z + k] - q * a[SEEN + k] - h * a[POS + k] - g * a[VEL + k]
        y1 = a[Z + L + k] - q * a[SEEN + L + k] - h * a[POS + L + k] - g * a[VEL + L + k]
        y2 = a[Z + 2 * L + k] - q * a[SEEN + 2 * L + k] - h * a[POS + 2 * L + k] - g * a[VEL + 2 * L + k]
        x, y, z = k00 * y0 + k01 * y1 + k02 * y2, k10 * y0 + k11 * y1 + k12 * y2, k20 * y0 + k21 * y1 + k22 * y2
        a[POS + k] += x
        a[POS + L + k] += y
        a[POS + 2 * L + k] += z
        a[VEL + k] += 0.0 if anew else k30 * y0 + k31 * y1 + k32 * y2
        a[VEL + L + k] += 0.0 if anew else k40 * y0 + k41 * y1 + k42 * y2
        a[VEL + 2 * L + k] += 0.0 if anew else k50 * y0 + k51 * y1 + k52 * y2
        w0, w1, w2 = a[W + k], a[W + L + k], a[W + 2 * L + k]
        w3, w4, w5 = a[W + 3 * L + k], a[W + 4 * L + k], a[W + 5 * L + k]
        two = a[SIGHT + k] >= 2.0
        found = (w0 * x + 2 * w1 * y + 2 * w2 * z) * x + (w3 * y + 2 * w4 * z) * y + w5 * z * z
        expected = 3.0 - (w0 * p0 + w3 * p3 + w5 * p5) - 2 * (w1 * p1 + w2 * p2 + w4 * p4)
        a[FOUND + k], a[EXPECTED + k] = found if two else 0.0, expected if two else 0.0
        a[BLUR + k], a[BLUR + L + k], a[BLUR + 2 * L + k] = (
            n0 if seen else 0.0,
            n1 if seen else 0.0,
            n2 if seen else 0.0,
        )
        a[BLUR + 3 * L + k], a[BLUR + 4 * L + k] = n3 if seen else 0.0, n4 if seen else 0.0
        a[BLUR + 5 * L + k] = n5 if seen else 0.0


@inner
def _gain(
    x: float, y: float, z: float, a: float, b: float, c: float, d: float, e: float, f: float
) -> tuple[float, float, float]:
    """A row times a symmetric matrix."""
    return x * a + y * b + z * c, x * b + y * d + z * e, x * c + y * e + z * f
