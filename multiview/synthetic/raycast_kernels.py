"""Ray casting of rounded cones and ellipsoids into a depth buffer, and their shading (numba kernels only).

Every primitive is a sphere-swept segment in its own local frame: a sphere of radius `r0` at the origin that grows or
shrinks to `r1` at height `h` along z. An affine map takes camera coordinates to that frame, so that the same
primitive, squeezed, is an ellipsoid (h = 0) or a torso of elliptical section. A ray stays a straight line under an
affine map and keeps its parameter, so depths compare between primitives.

`affine` (K, 3, 4) local_from_camera; `shape` (K, 3) = h, r0, r1; `reach` (K, 4) = centre (camera, m) and radius of a
bounding sphere; `colour` (K, 3, 3) three RGB colours in [0, 1]; `style` (K, 8), see `_albedo`.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

Array = np.ndarray
F = TypeVar("F", bound=Callable[..., Any])

STYLE_PATTERN, STYLE_FREQUENCY, STYLE_PHASE, STYLE_CUT, STYLE_FEATURE, STYLE_GLOSS = range(6)
PLAIN, STRIPES, HOOPS, CHECKS, DOTS, MOTTLED, CAMOUFLAGE = range(7)
NO_FEATURE, PLACKET, EMBLEM, COLLAR, FACE, HAIR_CAP = range(6)


def _kernel(function: F) -> F:
    """Compiled once, kept on disk; pictures need no strict floating point."""
    compiled: Any = numba.njit(cache=True, fastmath=True, nogil=True)(function)
    return cast(F, compiled)


@_kernel
def _hit(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, h: float, r0: float, r1: float) -> float:
    """The nearest ray parameter on the rounded cone, or infinity; |d| = 1.

    With the swept radius r(s) = r0 + s (r1 - r0) and centre s h z, the envelope of the spheres is a cone whose
    tangent condition is s h^2 = h z - r r'; substituting it in |p - c(s)|^2 = r(s)^2 gives one quadratic in the ray
    parameter. Outside 0 <= s <= 1 the two end spheres take over.
    """
    best = math.inf
    od = ox * dx + oy * dy + oz * dz
    oo = ox * ox + oy * oy + oz * oz
    if h > 0.0:
        dr = r1 - r0
        q = h * h - dr * dr
        if q > 0.0:
            # f(s, p) = |p|^2 - 2 s h z + s^2 h^2 - (r0 + s dr)^2 is least at s = (h z + r0 dr) / q.
            a = 1.0 - (h * dz) ** 2 / q
            b = od - (h * dz) * (h * oz + r0 * dr) / q
            c = oo - r0 * r0 - (h * oz + r0 * dr) ** 2 / q
            disc = b * b - a * c
            if disc >= 0.0 and abs(a) > 1e-9:
                t = (-b - math.sqrt(disc)) / a
                s = (h * (oz + t * dz) + r0 * dr) / q
                if t > 0.0 and 0.0 <= s <= 1.0:
                    return t
        pz = oz - h
        b1 = od - h * dz
        disc = b1 * b1 - (ox * ox + oy * oy + pz * pz - r1 * r1)
        if disc >= 0.0:
            t = -b1 - math.sqrt(disc)
            if t > 0.0:
                best = t
    disc = od * od - (oo - r0 * r0)
    if disc >= 0.0:
        t = -od - math.sqrt(disc)
        if 0.0 < t < best:
            best = t
    return best


@_kernel
def _on_feature(feature: int, lx: float, azimuth: float, reach: float) -> bool:
    """Whether a point belongs to what only the front has: buttons, a print, a neckline, the face under the hair."""
    if lx <= 0.0:
        return False
    side = abs(azimuth)
    if feature == PLACKET:
        return side < 0.16
    if feature == EMBLEM:
        return side < 0.55 and 0.5 < reach < 0.8
    if feature == COLLAR:
        return side < 1.1 * (reach - 0.55)
    return feature == HAIR_CAP and reach < 0.8 - 0.25 * side


@_kernel
def cast_rays(
    affine: Array, shape: Array, reach: Array, fx: float, fy: float, cx: float, cy: float, depth: Array, owner: Array
) -> None:
    """Write the nearest primitive of every pixel: `depth` (H, W) z in metres, `owner` (H, W) its index."""
    height, width = depth.shape
    for k in range(affine.shape[0]):
        r = reach[k, 3]
        z = reach[k, 2]
        if shape[k, 1] <= 0.0 or z - r < 0.05:
            continue
        # A sphere's image reaches no further than its radius over the nearest depth, widened off the axis.
        u = reach[k, 0] / z
        v = reach[k, 1] / z
        spread = r / (z - r)
        rx = spread * (1.0 + abs(u)) * fx + 1.0
        ry = spread * (1.0 + abs(v)) * fy + 1.0
        x0 = max(0, math.floor(fx * u + cx - rx))
        x1 = min(width - 1, math.ceil(fx * u + cx + rx))
        y0 = max(0, math.floor(fy * v + cy - ry))
        y1 = min(height - 1, math.ceil(fy * v + cy + ry))
        m = affine[k]
        ox, oy, oz = m[0, 3], m[1, 3], m[2, 3]
        h, r0, r1 = shape[k, 0], shape[k, 1], shape[k, 2]
        for y in range(y0, y1 + 1):
            ry_ = (y - cy) / fy
            for x in range(x0, x1 + 1):
                rx_ = (x - cx) / fx
                dx = m[0, 0] * rx_ + m[0, 1] * ry_ + m[0, 2]
                dy = m[1, 0] * rx_ + m[1, 1] * ry_ + m[1, 2]
                dz = m[2, 0] * rx_ + m[2, 1] * ry_ + m[2, 2]
                norm = math.sqrt(dx * dx + dy * dy + dz * dz)
                t = _hit(ox, oy, oz, dx / norm, dy / norm, dz / norm, h, r0, r1) / norm
                if t < depth[y, x]:
                    depth[y, x] = t
                    owner[y, x] = k


@_kernel
def _hash(i: int, j: int, k: int) -> float:
    """A cheap pseudo-random number in [0, 1) of a lattice point."""
    n = (i * 374761393 + j * 668265263 + k * 1274126177) & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1103515245) & 0x7FFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65536.0


@_kernel
def _noise(x: float, y: float, z: float) -> float:
    """Value noise: the lattice's numbers, interpolated."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - i, y - j, z - k
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
                total += weight * _hash(i + a, j + b, k + c)
    return total


@_kernel
def _blend(pattern: int, x: float, y: float, z: float, azimuth: float, f: float, phase: float) -> float:
    """How much of the second colour a pattern shows at a local point, 0 to 1."""
    if pattern == STRIPES:
        return 1.0 if math.sin(azimuth * round(2 + f) + phase) > 0.3 else 0.0
    if pattern == HOOPS:
        return 1.0 if math.sin(z * f * 14.0 + phase) > 0.0 else 0.0
    if pattern == CHECKS:
        return 1.0 if math.sin(z * f * 12.0 + phase) * math.sin(azimuth * round(2 + f)) > 0.0 else 0.0
    if pattern == DOTS:
        return 1.0 if math.sin(z * f * 12.0) * math.sin(azimuth * round(3 + f) + phase) > 0.55 else 0.0
    if pattern == MOTTLED:
        return _noise(x * f * 8.0 + phase, y * f * 8.0, z * f * 8.0)
    if pattern == CAMOUFLAGE:
        return 1.0 if _noise(x * f * 5.0 + phase, y * f * 5.0, z * f * 5.0) > 0.55 else 0.0
    return 0.0


@_kernel
def shade(
    affine: Array,
    shape: Array,
    colour: Array,
    style: Array,
    light: Array,
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    depth: Array,
    owner: Array,
    image: Array,
) -> None:
    """Colour every owned pixel of `image` (H, W, 3), RGB in [0, 1].

    `light` (4, 3): direction towards the lamp (camera axes), its colour, the ambient colour, the world's up
    (camera axes). Lambert with a soft wrap, a sky that is brighter from above, and a little gloss.
    """
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            k = owner[y, x]
            if k < 0:
                continue
            t = depth[y, x]
            px, py = t * (x - cx) / fx, t * (y - cy) / fy
            m = affine[k]
            lx = m[0, 0] * px + m[0, 1] * py + m[0, 2] * t + m[0, 3]
            ly = m[1, 0] * px + m[1, 1] * py + m[1, 2] * t + m[1, 3]
            lz = m[2, 0] * px + m[2, 1] * py + m[2, 2] * t + m[2, 3]
            h, r0, r1 = shape[k, 0], shape[k, 1], shape[k, 2]
            s = 0.0
            if h > 0.0:
                dr = r1 - r0
                s = min(1.0, max(0.0, (h * lz + r0 * dr) / max(h * h - dr * dr, 1e-9)))
            gz = lz - s * h
            nx = m[0, 0] * lx + m[1, 0] * ly + m[2, 0] * gz
            ny = m[0, 1] * lx + m[1, 1] * ly + m[2, 1] * gz
            nz = m[0, 2] * lx + m[1, 2] * ly + m[2, 2] * gz
            norm = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
            nx, ny, nz = nx / norm, ny / norm, nz / norm

            reach = (lz + r0) / (h + r0 + r1) if h > 0.0 else 0.5 + 0.5 * lz / r0
            azimuth = math.atan2(ly, lx)
            c = colour[k]
            feature = int(style[k, STYLE_FEATURE])
            w = _blend(
                int(style[k, STYLE_PATTERN]), lx, ly, lz, azimuth, style[k, STYLE_FREQUENCY], style[k, STYLE_PHASE]
            )
            cut = style[k, STYLE_CUT]
            bare = reach > cut
            bare = reach > cut or _on_feature(feature, lx, azimuth, reach)
            red, green, blue = c[0, 0], c[0, 1], c[0, 2]
            red, green, blue = red + w * (c[1, 0] - red), green + w * (c[1, 1] - green), blue + w * (c[1, 2] - blue)
            if bare:
                red, green, blue = c[2, 0], c[2, 1], c[2, 2]

            lambert = max(0.0, (nx * light[0, 0] + ny * light[0, 1] + nz * light[0, 2] + 0.15) / 1.15)
            sky = 0.75 + 0.25 * (nx * light[3, 0] + ny * light[3, 1] + nz * light[3, 2])
            # The half vector between the lamp and the viewer, who looks along +z.
            gloss = (
                style[k, STYLE_GLOSS]
                * max(0.0, nx * light[0, 0] + ny * light[0, 1] + nz * (light[0, 2] - 1.0) / 2) ** 8
            )
            image[y, x, 0] = red * (light[1, 0] * lambert + light[2, 0] * sky) + gloss
            image[y, x, 1] = green * (light[1, 1] * lambert + light[2, 1] * sky) + gloss
            image[y, x, 2] = blue * (light[1, 2] * lambert + light[2, 2] * sky) + gloss


@_kernel
def facing(affine: Array, fx: float, fy: float, cx: float, cy: float, depth: Array, owner: Array, front: Array) -> None:
    """Mark in `front` (H, W) the pixels whose surface looks along its primitive's local +x."""
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            k = owner[y, x]
            if k >= 0:
                t = depth[y, x]
                m = affine[k]
                front[y, x] = m[0, 0] * t * (x - cx) / fx + m[0, 1] * t * (y - cy) / fy + m[0, 2] * t + m[0, 3] > 0.0
