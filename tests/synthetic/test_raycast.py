"""The ray caster against a slow twin that knows nothing of its algebra."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.synthetic import raycast_kernels as kernels

K = (40.0, 42.0, 15.5, 11.0)


def swept_spheres(affine, shape, steps=4001):
    """Depth of one primitive (H, W): the nearest of many spheres along its axis, in the primitive's own frame."""
    y, x = np.mgrid[:24, :32]
    d = np.stack([(x - K[2]) / K[0], (y - K[3]) / K[1], np.ones_like(x, float)], -1) @ affine[:, :3].T
    o = affine[:, 3]
    depth = np.full(x.shape, np.inf)
    for s in np.linspace(0, 1, steps):
        p = o - [0, 0, s * shape[0]]
        a, b, c = (d * d).sum(-1), d @ p, p @ p - (shape[1] + s * (shape[2] - shape[1])) ** 2
        disc = b * b - a * c
        t = np.where(disc >= 0, (-b - np.sqrt(np.maximum(disc, 0))) / a, np.inf)
        depth = np.minimum(depth, np.where(t > 0, t, np.inf))
    return depth


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(0.0, 1.0, 1.0), (3.0, 1.0, 1.0), (2.0, 1.0, 0.4), (1.0, 0.5, 1.2)])
def test_depth_is_that_of_the_swept_spheres(shape):
    rng = np.random.default_rng(int(10 * sum(shape)))
    for _ in range(3):
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        linear = q / np.array([0.2, 0.3, 0.25])[:, None]
        centre = np.array([*rng.normal(0, 0.15, 2), 2.5])
        affine = np.hstack([linear, -(linear @ centre)[:, None]])
        depth, owner = np.full((24, 32), np.inf, np.float32), np.full((24, 32), -1, np.int64)
        reach = np.append(centre, 2.0)
        kernels.cast_rays(affine[None], np.array([shape]), reach[None], *K, depth, owner)
        expected = swept_spheres(affine, np.array(shape))
        both = np.isfinite(depth) & np.isfinite(expected)
        assert both.sum() > 20
        # Only rays that graze the silhouette may differ.
        assert (np.isfinite(depth) != np.isfinite(expected)).mean() < 0.01
        np.testing.assert_allclose(depth[both], expected[both], atol=2e-4)
        assert (owner[both] == 0).all()


def test_the_nearer_primitive_owns_the_pixel():
    sphere = lambda z: np.hstack([np.eye(3) / 0.5, -np.array([[0], [0], [z]]) / 0.5])
    affine = np.stack([sphere(3.0), sphere(2.0)])
    depth, owner = np.full((24, 32), np.inf, np.float32), np.full((24, 32), -1, np.int64)
    reach = np.array([[0, 0, 3, 0.5], [0, 0, 2, 0.5]], float)
    kernels.cast_rays(affine, np.tile([0.0, 1, 1], (2, 1)), reach, *K, depth, owner)
    assert owner[11, 15] == 1
    assert depth[11, 15] == pytest.approx(1.5, abs=1e-3)
