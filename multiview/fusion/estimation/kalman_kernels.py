"""Each joint as a point with nearly constant velocity, seen with an error that persists.

Two-dimensional detectors err alike from frame to frame: what the rays of one frame say together has an error that is a
first-order Markov process. A filter that takes each frame for independent believes itself too much. The difference
between what this frame says and `error_autocorrelation` times what the last one said has a white error, and is a
measurement of position and velocity (measurement differencing: Bryson and Henrikson 1968; Bar-Shalom, Li and
Kirubarajan 2001, section 8.5). That is exact because a joint gets from frame to frame with its new velocity: the
random acceleration changes the velocity first. Without error_autocorrelation this is the plain Kalman filter.
"""

from __future__ import annotations

from multiview.fusion.estimation.lane_group_kernels import Group
from multiview.fusion.state.track_state import State
from multiview.geometry.four import Four, choose, load, store
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.row_kernels import Three, six, store_six, store_three, three
from multiview.geometry.sym3_kernels import Sym3, inverse_sym3

FAINT = 1e-3  # of the prediction's information: what is added where rays leave a direction open


@kernel
def predict(slots: Array, dt: float, people: State) -> None:
    """Carry the joints of `slots` forward by dt s, each with its own acceleration."""
    for m in slots:
        pos, vel, anew = people.pos[m].reshape(-1), people.vel[m].reshape(-1), people.reinitialised[m]
        for i in range(pos.shape[0]):
            pos[i] += dt * vel[i]
        for j in range(anew.shape[0]):
            anew[j] = False
            _spread(
                people.cov_pp[m, j],
                people.cov_pv[m, j],
                people.cov_vv[m, j],
                people.predicted_information[m, j],
                people.acceleration_psd[m, j],
                dt,
            )


@inlined
def _spread(p: Array, x: Array, v: Array, prior: Array, agility: float, h: float) -> None:
    """A joint's covariance h s later, and its inverse; all is read before anything is written, so it is read once."""
    p0, p1, p2, p3, p4, p5 = p[0], p[1], p[2], p[3], p[4], p[5]
    x0, x1, x2, x3, x4, x5, x6, x7, x8 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8]
    more = agility * h
    v0, v1, v2, v3, v4, v5 = v[0] + more, v[1], v[2], v[3] + more, v[4], v[5] + more
    p0 += 2 * h * x0 + h * h * v0
    p1 += h * (x1 + x3) + h * h * v1
    p2 += h * (x2 + x6) + h * h * v2
    p3 += 2 * h * x4 + h * h * v3
    p4 += h * (x5 + x7) + h * h * v4
    p5 += 2 * h * x8 + h * h * v5
    v[0], v[3], v[5] = v0, v3, v5
    x[0], x[1], x[2] = x0 + h * v0, x1 + h * v1, x2 + h * v2
    x[3], x[4], x[5] = x3 + h * v1, x4 + h * v3, x5 + h * v4
    x[6], x[7], x[8] = x6 + h * v2, x7 + h * v4, x8 + h * v5
    p[0], p[1], p[2], p[3], p[4], p[5] = p0, p1, p2, p3, p4, p5
    prior[0], prior[1], prior[2], prior[3], prior[4], prior[5] = inverse_sym3(p0, p1, p2, p3, p4, p5)


@kernel
def measure(people: Group, error_autocorrelation: float, share: float) -> None:
    """Update four people by where this frame sees their joints: `xyz` with covariances C.

    These still contain `share` of the prediction's information. `found` gets the squared shift of the position under
    the predicted covariance, `expected` what that should be.
    """
    for j in range(people.views.shape[0]):
        Z, N = _without_prediction(j, people, share)
        _update(j, people, Z, N, error_autocorrelation)


@inlined
def _without_prediction(j: int, people: Group, share: float) -> tuple[Three, Sym3]:
    """Take `share` of the prediction out of the points of joint j, which contain it; with their covariance then."""
    s = share - FAINT
    h0, h1, h2, h3, h4, h5 = inverse_sym3(*six(people.C, 6 * j))
    w0, w1, w2, w3, w4, w5 = six(people.predicted_information, 6 * j)
    n0, n1, n2, n3, n4, n5 = inverse_sym3(h0 - s * w0, h1 - s * w1, h2 - s * w2, h3 - s * w3, h4 - s * w4, h5 - s * w5)
    p0, p1, p2 = three(people.pos, 3 * j)
    z0, z1, z2 = three(people.xyz, 3 * j)
    x, y, w = z0 - p0, z1 - p1, z2 - p2
    b0, b1, b2 = h0 * x + h1 * y + h2 * w, h1 * x + h3 * y + h4 * w, h2 * x + h4 * y + h5 * w
    point = (
        p0 + n0 * b0 + n1 * b1 + n2 * b2,
        p1 + n1 * b0 + n3 * b1 + n4 * b2,
        p2 + n2 * b0 + n4 * b1 + n5 * b2,
    )
    return point, (n0, n1, n2, n3, n4, n5)


@inlined
def _update(j: int, people: Group, Z: Three, N: Sym3, error_autocorrelation: float) -> None:
    """Kalman update by z - q times the last frame's = (1 - q) position + q dt velocity + noise of covariance `fresh` N.

    Of nested sets of rays, the smaller one's error is the larger one's plus something new, and the larger one's
    contains the smaller one's in proportion to their variances: q is `error_autocorrelation` times that. A joint
    without a prediction is where this frame sees it, velocity aside.
    """
    n0, n1, n2, n3, n4, n5 = N
    w0, w1, w2, w3, w4, w5 = six(people.predicted_information, 6 * j)
    sight = load(people.views, j)
    before, now = _trace(people.measurement_cov, 6 * j), n0 + n3 + n5
    seen, anew = sight > 0.0, w0 == 0.0
    goes_on = (before > 0.0) & seen
    ratio = now / before
    q = choose(goes_on, error_autocorrelation * choose(ratio < 1.0, ratio, 1.0), 0.0)
    fresh = choose(goes_on, 1.0 - q * q * before / now, 1.0)
    h, g = 1.0 - q, q * load(people.dt, 0)
    p0, p1, p2, p3, p4, p5 = six(people.cov_pp, 6 * j)
    v0, v1, v2, v3, v4, v5 = six(people.cov_vv, 6 * j)
    x00, x01, x02 = three(people.cov_pv, 9 * j)
    x10, x11, x12 = three(people.cov_pv, 9 * j + 3)
    x20, x21, x22 = three(people.cov_pv, 9 * j + 6)
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
    v0 = choose(anew, v0, v0 - (k30 * d00 + k31 * d01 + k32 * d02))
    v1 = choose(anew, v1, v1 - (k30 * d10 + k31 * d11 + k32 * d12))
    v2 = choose(anew, v2, v2 - (k30 * d20 + k31 * d21 + k32 * d22))
    v3 = choose(anew, v3, v3 - (k40 * d10 + k41 * d11 + k42 * d12))
    v4 = choose(anew, v4, v4 - (k40 * d20 + k41 * d21 + k42 * d22))
    v5 = choose(anew, v5, v5 - (k50 * d20 + k51 * d21 + k52 * d22))
    store_six(people.cov_vv, 6 * j, v0, v1, v2, v3, v4, v5)
    store(people.cov_pv, 9 * j, choose(anew, 0.0, x00 - (k00 * d00 + k01 * d01 + k02 * d02)))
    store(people.cov_pv, 9 * j + 1, choose(anew, 0.0, x01 - (k00 * d10 + k01 * d11 + k02 * d12)))
    store(people.cov_pv, 9 * j + 2, choose(anew, 0.0, x02 - (k00 * d20 + k01 * d21 + k02 * d22)))
    store(people.cov_pv, 9 * j + 3, choose(anew, 0.0, x10 - (k10 * d00 + k11 * d01 + k12 * d02)))
    store(people.cov_pv, 9 * j + 4, choose(anew, 0.0, x11 - (k10 * d10 + k11 * d11 + k12 * d12)))
    store(people.cov_pv, 9 * j + 5, choose(anew, 0.0, x12 - (k10 * d20 + k11 * d21 + k12 * d22)))
    store(people.cov_pv, 9 * j + 6, choose(anew, 0.0, x20 - (k20 * d00 + k21 * d01 + k22 * d02)))
    store(people.cov_pv, 9 * j + 7, choose(anew, 0.0, x21 - (k20 * d10 + k21 * d11 + k22 * d12)))
    store(people.cov_pv, 9 * j + 8, choose(anew, 0.0, x22 - (k20 * d20 + k21 * d21 + k22 * d22)))
    z0, z1, z2 = Z
    a0, a1, a2 = three(people.pos, 3 * j)
    u0, u1, u2 = three(people.vel, 3 * j)
    e0, e1, e2 = three(people.measurement, 3 * j)
    y0 = z0 - q * e0 - h * a0 - g * u0
    y1 = z1 - q * e1 - h * a1 - g * u1
    y2 = z2 - q * e2 - h * a2 - g * u2
    x, y, z = k00 * y0 + k01 * y1 + k02 * y2, k10 * y0 + k11 * y1 + k12 * y2, k20 * y0 + k21 * y1 + k22 * y2
    t0, t1, t2 = three(people.xyz, 3 * j)
    store_three(people.pos, 3 * j, choose(anew, t0, a0 + x), choose(anew, t1, a1 + y), choose(anew, t2, a2 + z))
    store_three(people.measurement, 3 * j, choose(anew, t0, z0), choose(anew, t1, z1), choose(anew, t2, z2))
    u0 += choose(anew, 0.0, k30 * y0 + k31 * y1 + k32 * y2)
    u1 += choose(anew, 0.0, k40 * y0 + k41 * y1 + k42 * y2)
    u2 += choose(anew, 0.0, k50 * y0 + k51 * y1 + k52 * y2)
    store_three(people.vel, 3 * j, u0, u1, u2)
    judged = (sight >= 2.0) & ~anew
    found = (w0 * x + 2 * w1 * y + 2 * w2 * z) * x + (w3 * y + 2 * w4 * z) * y + w5 * z * z
    expected = 3.0 - (w0 * p0 + w3 * p3 + w5 * p5) - 2 * (w1 * p1 + w2 * p2 + w4 * p4)
    store(people.innovation_sq, j, choose(judged, found, 0.0))
    store(people.expected_innovation_sq, j, choose(judged, expected, 0.0))
    c0, c1, c2, c3, c4, c5 = six(people.C, 6 * j)
    store_six(
        people.cov_pp, 6 * j,
        choose(anew, c0, p0), choose(anew, c1, p1), choose(anew, c2, p2),
        choose(anew, c3, p3), choose(anew, c4, p4), choose(anew, c5, p5),
    )  # fmt: skip
    store_six(
        people.measurement_cov, 6 * j,
        choose(anew, c0, choose(seen, n0, 0.0)), choose(anew, c1, choose(seen, n1, 0.0)),
        choose(anew, c2, choose(seen, n2, 0.0)), choose(anew, c3, choose(seen, n3, 0.0)),
        choose(anew, c4, choose(seen, n4, 0.0)), choose(anew, c5, choose(seen, n5, 0.0)),
    )  # fmt: skip


@inner
def _trace(lanes: Array, row: int) -> Four:
    """The trace of a symmetric matrix."""
    return load(lanes, row) + load(lanes, row + 3) + load(lanes, row + 5)


@inner
def _gain(x: Four, y: Four, z: Four, a: Four, b: Four, c: Four, d: Four, e: Four, f: Four) -> Three:
    """A row times a symmetric matrix."""
    return x * a + y * b + z * c, x * b + y * d + z * e, x * c + y * e + z * f
