"""How far rays miss the joints that they share: what the noise of rays is learned from."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.fusion.estimation.measurement_noise_kernels import node_place, size_place, torso_centre
from multiview.fusion.state.measurement_noise import NoiseTables, ResidualStatistics
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.reprojection_kernels import camera_of, linearise_ray, project_ahead
from multiview.geometry.sym3_kernels import sym3, trace_of_product, vec3
from multiview.geometry.triangulate_kernels import RayBundle

MIN_VIEWS = 3  # of a joint whose rays tell of the noise
MAX_CHI2 = 50.0  # a ray further off than this, or behind its camera, is no measure of noise
MAX_TAKEN = 1.6  # a ray of whose two degrees of freedom the fit took more says nothing


@kernel
def accumulate(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    noise: NoiseTables,
    people: State,
    torso: Array,
    views: Array,
    last: Array,
    statistics: ResidualStatistics,
) -> None:
    """Sum up what the rays in table[n, c, j] to joints with at least three `views` say of the noise.

    `last[slot, camera, joint]` keeps whitened residuals from frame to frame, NaN where there are none.
    """
    bundle, score = ray_bundle(rays, rig), rays.score.reshape(-1)
    by_size, residuals = statistics.by_size, statistics.residuals
    _clear(statistics.chi2)
    _clear(statistics.expected_chi2)
    _clear(by_size)
    statistics.products[0], statistics.products[1] = 0.0, 0.0
    for n in range(table.shape[0]):
        m = slots[n]
        x, y, z = torso_centre(people.pos, m, torso)
        measurement, cov = people.measurement[m], people.measurement_cov[m]
        for c in range(table.shape[1]):
            _residuals(c, table[n, c], views[n], measurement, cov, bundle, residuals)
            _add_products(residuals, last[m, c], statistics.products)
            chi2, expected = _add_by_score(table[n, c], score, residuals, noise.scores, statistics)
            b, f = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, noise.sizes)
            by_size[b, 0] += (1 - f) * chi2
            by_size[b, 1] += (1 - f) * expected
            by_size[b + 1, 0] += f * chi2
            by_size[b + 1, 1] += f * expected


@inner
def _clear(a: Array) -> None:
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            a[i, k] = 0.0


@inner
def _residuals(c: int, rows: Array, views: Array, xyz: Array, cov: Array, bundle: RayBundle, out: Array) -> None:
    """Camera c's rays, rows[j] to joint j: whitened residual (2), chi-square, and what that should be, to out (J, 4).

    That is 2 minus what the joint took of it: tr(J' W J cov), with the ray's information W, the projection's derivative
    J, and Huber's weight as the fit had it. NaN, NaN, 0, 0 where a ray says nothing.
    """
    camera, pixel, info = camera_of(bundle.R[c], bundle.t[c]), bundle.xy, bundle.info
    for j in range(rows.shape[0]):
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = np.nan, np.nan, 0.0, 0.0
        if rows[j] < 0 or views[j] < MIN_VIEWS:
            continue
        x, y, z = vec3(xyz[j])
        p, q, r = vec3(info[rows[j]])
        su, sv = pixel[rows[j], 0], pixel[rows[j], 1]
        chi2, _, hessian = linearise_ray(camera, x, y, z, su, sv, p, q, r, 1.0)
        taken = trace_of_product(hessian, sym3(cov[j]))
        if taken < MAX_TAKEN and chi2 < MAX_CHI2:
            u, v, _ = project_ahead(camera, x, y, z)
            out[j, 0], out[j, 1] = math.sqrt(p) * (u - su), math.sqrt(r) * (v - sv)
            out[j, 2], out[j, 3] = chi2, 2.0 - taken


@inner
def _add_products(residuals: Array, last: Array, products: Array) -> None:
    """Add products of whitened residuals with the last frame's, and their mean squares; `last` becomes this frame's."""
    for j in range(residuals.shape[0]):
        u, v, before_u, before_v = residuals[j, 0], residuals[j, 1], last[j, 0], last[j, 1]
        if not math.isnan(u) and not math.isnan(before_u):
            products[0] += u * before_u + v * before_v
            products[1] += 0.5 * (u * u + v * v + before_u * before_u + before_v * before_v)
        last[j, 0], last[j, 1] = u, v


@inner
def _add_by_score(
    rows: Array, score: Array, residuals: Array, nodes: Array, statistics: ResidualStatistics
) -> tuple[float, float]:
    """Share chi-squares and their expectations out to the nodes that each ray's score lies between; their sums."""
    chi2, expected, chi2_sum, expected_sum = statistics.chi2, statistics.expected_chi2, 0.0, 0.0
    for j in range(rows.shape[0]):
        if residuals[j, 3] > 0.0:
            b, f = node_place(score[rows[j]], nodes)
            chi2[b, j] += (1 - f) * residuals[j, 2]
            chi2[b + 1, j] += f * residuals[j, 2]
            expected[b, j] += (1 - f) * residuals[j, 3]
            expected[b + 1, j] += f * residuals[j, 3]
            chi2_sum += residuals[j, 2]
            expected_sum += residuals[j, 3]
    return chi2_sum, expected_sum
