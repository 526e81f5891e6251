"""The Kalman filter of each joint: a point with nearly constant velocity, measured with an autocorrelated error.

Two-dimensional detectors err alike from frame to frame, so what the rays of one frame say together has an error e that
is a first-order Markov process. A filter that takes frames for independent is overconfident. With the step h and the
power spectral density s of the random acceleration, the model of a joint is

    v[k] = v[k-1] + w[k],         w ~ N(0, s h I)                               (1)
    p[k] = p[k-1] + h v[k]                                                      (2)
    z[k] = p[k] + e[k],           e[k] = q e[k-1] + white noise                 (3)

Measurement differencing (Bryson and Henrikson 1968; Bar-Shalom, Li and Kirubarajan, Estimation with Applications to
Tracking and Navigation, 2001, section 8.5) makes the error white: from (2) and (3)

    z[k] - q z[k-1] = (1 - q) p[k] + q h v[k] + white noise                     (4)

is a measurement of position and velocity with the matrix H = [(1 - q) I, q h I]. It is exact because (2) moves the
joint with its new velocity. With q = 0 this is the plain Kalman filter.
"""

from __future__ import annotations

from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    Sym3,
    Vec3,
    add,
    add_vec,
    full,
    inverse_sym3,
    mat3,
    mul,
    mul_t,
    mul_vec,
    put_mat3,
    put_sym3,
    put_vec3,
    quadratic_sym3,
    scale,
    sub,
    sub_vec,
    sym3,
    trace_of_product,
    transpose,
    upper,
    vec3,
)

FAINT = 1e-3  # of the prediction's information: what is added where rays leave a direction open


@kernel
def predict(slots: Array, dt: float, people: State) -> None:
    """Carry the joints of `slots` forward by dt s, (1) and (2)."""
    h = dt
    for m in slots:
        pos, vel, psd = people.pos[m], people.vel[m], people.acceleration_psd[m]
        cov_pp, cov_pv, cov_vv = people.cov_pp[m], people.cov_pv[m], people.cov_vv[m]
        information, reinitialised = people.predicted_information[m], people.reinitialised[m]
        for j in range(pos.shape[0]):
            for a in range(3):
                pos[j, a] += h * vel[j, a]
            cov_vv[j, 0] += psd[j] * h
            cov_vv[j, 3] += psd[j] * h
            cov_vv[j, 5] += psd[j] * h
            P, X, V = full(sym3(cov_pp[j])), mat3(cov_pv[j]), full(sym3(cov_vv[j]))
            P = add(P, add(scale(h, add(X, transpose(X))), scale(h * h, V)))  # F P F', F = [[I, h I], [0, I]]
            put_sym3(cov_pp[j], upper(P))
            put_mat3(cov_pv[j], add(X, scale(h, V)))
            put_sym3(information[j], inverse_sym3(*upper(P)))
            reinitialised[j] = False


@kernel
def update_joints(
    m: int, dt: float, autocorrelation: float, share: float, views: Array, people: State, fit: FitScratch
) -> None:
    """Update the joints of slot m by the frame's skeleton: `fit.xyz` with covariance `fit.cov`, which `views` measure.

    These still contain `share` of the prediction's information. `fit.innovation_sq` gets the squared shift of the
    position under the predicted covariance, `fit.expected_innovation_sq` what that should be. Limbs that nobody sees
    only keep the lengths of their bones: these are in their covariance already.
    """
    xyz, cov = fit.xyz, fit.cov
    pos, information = people.pos[m], people.predicted_information[m]
    for j in range(views.shape[0]):
        fit.innovation_sq[j], fit.expected_innovation_sq[j] = 0.0, 0.0
        if information[j, 0] == 0.0:
            _initialise(m, j, vec3(xyz[j]), sym3(cov[j]), people)
            continue
        if fit.swings[j]:
            put_vec3(pos[j], vec3(xyz[j]))
            put_sym3(people.measurement_cov[m, j], (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
            continue
        W, p = sym3(information[j]), vec3(pos[j])
        z, R = _without_prediction(vec3(xyz[j]), sym3(cov[j]), p, W, share - FAINT)
        x, y, w = _update(m, j, z, R, views[j] > 0, autocorrelation, dt, people)
        if views[j] >= 2:
            fit.innovation_sq[j] = quadratic_sym3(W, x, y, w)
            fit.expected_innovation_sq[j] = 3.0 - trace_of_product(W, sym3(people.cov_pp[m, j]))


@inner
def _initialise(m: int, j: int, z: Vec3, R: Sym3, people: State) -> None:
    """A joint without a prediction is where this frame sees it, independently of its velocity, which stays."""
    put_vec3(people.pos[m, j], z)
    put_sym3(people.cov_pp[m, j], R)
    put_mat3(people.cov_pv[m, j], (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    put_vec3(people.measurement[m, j], z)
    put_sym3(people.measurement_cov[m, j], R)


@inner
def _without_prediction(x: Vec3, cov: Sym3, prediction: Vec3, W: Sym3, share: float) -> tuple[Vec3, Sym3]:
    """Take `share` of the prediction's information W out of point x, which contains it; with its covariance then."""
    H = full(inverse_sym3(*cov))
    R = inverse_sym3(*upper(sub(H, scale(share, full(W)))))
    return add_vec(prediction, mul_vec(full(R), mul_vec(H, sub_vec(x, prediction)))), R


@inner
def _update(m: int, j: int, z: Vec3, R: Sym3, measured: bool, autocorrelation: float, dt: float, people: State) -> Vec3:
    """Kalman update of joint j by z with covariance R, as (4) if the last frame measured it, too; how far it moves.

    The rays of two frames need not be the same. Of nested sets of rays, the smaller one's error is the larger one's
    plus something new, and the larger one's contains the smaller one's in proportion to their variances: that is the
    factor on the autocorrelation.
    """
    before, now = _trace(sym3(people.measurement_cov[m, j])), _trace(R)
    q, white = 0.0, 1.0
    if measured and before > 0.0:
        q = autocorrelation * min(now / before, 1.0)
        white = 1.0 - q * q * before / now
    h, g = 1.0 - q, q * dt  # H = [h I, g I]
    P, X, V = full(sym3(people.cov_pp[m, j])), mat3(people.cov_pv[m, j]), full(sym3(people.cov_vv[m, j]))
    C = add(scale(h, P), scale(g, X))  # cov(position, measurement)
    D = add(scale(h, transpose(X)), scale(g, V))  # cov(velocity, measurement)
    S = add(add(scale(h, C), scale(g, D)), scale(white, full(R)))  # innovation covariance
    S_inverse = full(inverse_sym3(*upper(S)))
    K, L = mul(C, S_inverse), mul(D, S_inverse)  # gains of position and velocity
    put_sym3(people.cov_pp[m, j], upper(sub(P, mul_t(K, C))))
    put_mat3(people.cov_pv[m, j], sub(X, mul_t(K, D)))
    put_sym3(people.cov_vv[m, j], upper(sub(V, mul_t(L, D))))
    p, v, last = vec3(people.pos[m, j]), vec3(people.vel[m, j]), vec3(people.measurement[m, j])
    innovation = (
        z[0] - q * last[0] - h * p[0] - g * v[0],
        z[1] - q * last[1] - h * p[1] - g * v[1],
        z[2] - q * last[2] - h * p[2] - g * v[2],
    )
    shift = mul_vec(K, innovation)
    put_vec3(people.pos[m, j], add_vec(p, shift))
    put_vec3(people.vel[m, j], add_vec(v, mul_vec(L, innovation)))
    put_vec3(people.measurement[m, j], z)
    put_sym3(people.measurement_cov[m, j], R if measured else (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    return shift


@inner
def _trace(m: Sym3) -> float:
    return m[0] + m[3] + m[5]
