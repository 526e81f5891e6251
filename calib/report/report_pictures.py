"""The pictures of report.html as SVG: rig and expected error, links, time offsets, coverage, error histograms."""

from __future__ import annotations

from html import escape

import numpy as np
from jaxtyping import Float64

from calib.corners.corners import Corners
from calib.report.outcome import Outcome
from calib.solve.solve import Calibration

__all__ = ["coverage", "histogram", "links", "offsets", "rig_views"]

_INK, _QUIET, _BLUE, _RED = "#1d2733", "#94a3b8", "#2563eb", "#dc2626"
# Viridis in nine steps (Smith and van der Walt 2015): even in lightness, readable without colour vision.
_SCALE = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")


def rig_views(outcome: Outcome, calibration: Calibration) -> str:
    """From above and from the side, in the rig's world."""
    rig, world_from_solved = outcome.rig, _world_from_solved(outcome, calibration)
    R, t = world_from_solved
    points, path = outcome.volume.points @ R.T + t, calibration.state.target_t @ R.T + t
    used = np.unique(calibration.bundle.knot[(calibration.bundle.weight > 0).any(axis=1)])
    centres = np.stack([camera.centre for camera in rig.cameras])
    looks = np.stack([camera.R[2] for camera in rig.cameras])
    # In a camera's world, down is its y; in a levelled one, up is z.
    views = (((0, 2), (1, 1), "from above"), ((0, 1), (1, -1), "from behind the first camera"))
    if rig.world != "camera":
        views = (((0, 1), (1, 1), "from above"), ((0, 2), (1, 1), "from the side"))
    return "".join(
        _rig_view(outcome, points, path[used], centres, looks, axes, np.array(signs, dtype=np.float64), title)
        for axes, signs, title in views
    ) + _legend(outcome.volume.error_mm)


def links(outcome: Outcome) -> str:
    """Cameras on a circle, a line for every pair as wide as the boards they share."""
    names = outcome.rig.names
    size, radius = 420, 150
    angle = 2 * np.pi * np.arange(len(names)) / len(names) - np.pi / 2
    place = dict(zip(names, np.column_stack([np.cos(angle), np.sin(angle)]) * radius + size / 2, strict=True))
    most = max([link.boards for link in outcome.links], default=1)
    parts = []
    for link in outcome.links:
        (x1, y1), (x2, y2) = place[link.a], place[link.b]
        colour, width = (_RED, 2.0) if link.weak else (_BLUE, 0.6 + 6 * link.boards / most)
        dash = ' stroke-dasharray="5 4"' if link.weak else ""
        title = f"{link.a} and {link.b}: {link.boards} boards"
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width:.1f}" stroke-opacity="0.45"{dash}><title>{escape(title)}</title></line>'
        )
        if len(outcome.links) <= 15:
            x, y = place[link.a] * 0.62 + place[link.b] * 0.38
            parts.append(_text(x, y, str(link.boards), 11, _INK))
    for name, (x, y) in place.items():
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{_INK}"/>')
        outward = (np.array([x, y]) - size / 2) / radius
        parts.append(_text(x + 26 * outward[0], y + 18 * outward[1] + 4, name, 12, _INK))
    return _figure(size, size, parts, "boards shared by each pair; red: too few to hang a camera on")


def offsets(outcome: Outcome) -> str:
    """Time offsets as bars with two deviations."""
    entries = outcome.cameras
    if not any(entry.time_offset_sigma_s for entry in entries):
        return "<p>Time offsets were not estimated: the board stood still between pictures, or it was asked not to.</p>"
    most = max(max(abs(e.time_offset_s) + 2 * e.time_offset_sigma_s for e in entries), 1e-4)
    width, row = 420, 24
    middle, scale = 220, 110 / most
    parts = [f'<line x1="{middle}" y1="4" x2="{middle}" y2="{row * len(entries) + 4}" stroke="{_QUIET}"/>']
    for i, entry in enumerate(entries):
        y, x = 16 + i * row, middle + scale * entry.time_offset_s
        spread = 2 * scale * entry.time_offset_sigma_s
        parts.append(_text(2, y + 4, entry.name, 12, _INK, "start"))
        parts.append(f'<line x1="{middle}" y1="{y}" x2="{x:.1f}" y2="{y}" stroke="{_BLUE}" stroke-width="8"/>')
        parts.append(
            f'<line x1="{x - spread:.1f}" y1="{y}" x2="{x + spread:.1f}" y2="{y}" stroke="{_INK}" stroke-width="2"/>'
        )
        parts.append(_text(width - 4, y + 4, f"{1000 * entry.time_offset_s:+.1f} ms", 12, _INK, "end"))
    return _figure(width, row * len(entries) + 10, parts, "time offset of each camera, to be added to its stamps")


def coverage(calibration: Calibration, corners: Corners, i: int) -> str:
    """A camera's picture with its corners and enlarged errors."""
    c = calibration.cameras[i]
    w, h = corners.sizes[c]
    scale = 340 / w
    bundle = calibration.bundle
    own = bundle.camera == i
    inlier = bundle.weight[own] > 0
    xy = bundle.xy[own][inlier] * scale
    error = bundle.residuals(calibration.state)[own][inlier]
    typical = float(np.sqrt(np.mean(error**2))) if error.size else 1.0
    enlarged = float(10 ** np.floor(np.log10(12 / max(typical * scale, 1e-6))))
    rng = np.random.default_rng(0)
    shown = rng.permutation(len(xy))[:1500]  # more than that is a solid colour
    parts = [f'<rect width="{w * scale:.0f}" height="{h * scale:.0f}" fill="#f1f5f9"/>']
    dots = "".join(f"M{x:.1f} {y:.1f}h.01" for x, y in xy[shown])
    lines = "".join(
        f"M{x:.1f} {y:.1f}l{dx:.1f} {dy:.1f}"
        for (x, y), (dx, dy) in zip(xy[shown], error[shown] * scale * enlarged, strict=True)
    )
    out = corners.xy[(corners.camera == c) & ~calibration.inlier][:400] * scale
    crosses = "".join(f"M{x - 2:.1f} {y - 2:.1f}l4 4m0 -4l-4 4" for x, y in out)
    parts.append(f'<path d="{lines}" stroke="{_BLUE}" stroke-width="0.6" stroke-opacity="0.5" fill="none"/>')
    parts.append(f'<path d="{dots}" stroke="{_INK}" stroke-width="2" stroke-linecap="round"/>')
    parts.append(f'<path d="{crosses}" stroke="{_RED}" fill="none"/>')
    caption = f"{corners.names[c]}: {len(xy)} corners, errors x {enlarged:g}"
    return _figure(round(w * scale), round(h * scale), parts, caption)


def histogram(calibration: Calibration, corners: Corners, i: int) -> str:
    """Errors of a camera's corners, with what pure noise of the same size would give."""
    bundle = calibration.bundle
    own = bundle.camera == i
    errors = calibration.errors()[own][bundle.weight[own] > 0]
    width, height = 260, 130
    sigma = calibration.sigma[i]
    top = 4.5 * sigma
    counts, edges = np.histogram(errors, bins=30, range=(0, top))
    middle = (edges[1:] + edges[:-1]) / 2
    expected = len(errors) * (edges[1] - edges[0]) * middle / sigma**2 * np.exp(-(middle**2) / (2 * sigma**2))
    tallest = max(counts.max(initial=1), expected.max())
    step = width / len(counts)
    bars = [
        f'<rect x="{k * step:.1f}" y="{height - 110 * n / tallest:.1f}" width="{step - 1:.1f}" '
        f'height="{110 * n / tallest:.1f}" fill="{_BLUE}" fill-opacity="0.55"/>'
        for k, n in enumerate(counts)
    ]
    curve = "M" + "L".join(f"{(k + 0.5) * step:.1f} {height - 110 * e / tallest:.1f}" for k, e in enumerate(expected))
    bars.append(f'<path d="{curve}" stroke="{_INK}" fill="none"/>')
    bars.append(_text(width - 2, 12, f"to {top:.2f} px", 11, _INK, "end"))
    return _figure(width, height, bars, f"{corners.names[calibration.cameras[i]]}; line: pure noise of {sigma:.2f} px")


def _world_from_solved(
    outcome: Outcome, calibration: Calibration
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    camera, R, t = outcome.rig.cameras[0], calibration.state.R[0], calibration.state.t[0]
    return camera.R.T @ R, camera.R.T @ (t - camera.t)


def _rig_view(
    outcome: Outcome,
    points: Float64[np.ndarray, "P 3"],
    path: Float64[np.ndarray, "K 3"],
    centres: Float64[np.ndarray, "C 3"],
    looks: Float64[np.ndarray, "C 3"],
    axes: tuple[int, int],
    signs: Float64[np.ndarray, " 2"],
    title: str,
) -> str:
    size, margin = 430, 46

    def flat(x: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 2"]:
        return x[:, list(axes)] * signs

    everything = np.concatenate([flat(x) for x in (points, path, centres)])
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = (size - 2 * margin) / max((high - low).max(), 1e-6)
    middle = (low + high) / 2

    def place(xy: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
        return (xy - middle) * [scale, -scale] + size / 2  # y of a picture runs down

    parts = []
    error = outcome.volume.error_mm
    spots, way = place(flat(points)), place(flat(path))
    low_mm, high_mm = (error.min(), error.max()) if error.size else (0, 1)
    order = np.argsort(error)  # the worst on top
    for (x, y), e in zip(spots[order], error[order], strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{_colour(e, low_mm, high_mm)}" fill-opacity="0.8"/>'
        )
    dots = "".join(f"M{x:.1f} {y:.1f}h.01" for x, y in way)
    parts.append(f'<path d="{dots}" stroke="{_QUIET}" stroke-width="2.5" stroke-linecap="round"/>')
    for name, at, towards in zip(outcome.rig.names, place(flat(centres)), flat(looks) * [1, -1], strict=True):
        length = np.linalg.norm(towards)
        ahead = towards / length if length > 1e-6 else np.array([0.0, -1.0])
        aside = np.array([-ahead[1], ahead[0]])
        corners = [at, at + 22 * ahead * length + 9 * aside, at + 22 * ahead * length - 9 * aside]
        shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polygon points="{shape}" fill="{_INK}" fill-opacity="0.25" stroke="{_INK}"/>')
        parts.append(_text(at[0] - 14 * ahead[0], at[1] - 14 * ahead[1] + 4, name, 11, _INK))
    bar = 10 ** np.floor(np.log10(120 / scale))
    parts.append(f'<path d="M12 {size - 12}h{bar * scale:.1f}" stroke="{_INK}" stroke-width="2"/>')
    parts.append(_text(16 + bar * scale, size - 8, f"{bar:g} m", 11, _INK, "start"))
    return _figure(size, size, parts, title)


def _legend(error: Float64[np.ndarray, " P"]) -> str:
    if not error.size:
        return "<p>No point is seen by two cameras.</p>"
    step = 22
    parts = [
        f'<rect x="0" y="{(8 - k) * step}" width="18" height="{step}" fill="{colour}"/>'
        for k, colour in enumerate(_SCALE)
    ]
    parts.append(_text(24, 12, f"{error.max():.2f} mm", 12, _INK, "start"))
    parts.append(_text(24, 9 * step - 2, f"{error.min():.2f} mm", 12, _INK, "start"))
    parts.append(_text(24, 4.5 * step + 4, f"median {np.median(error):.2f}", 12, _INK, "start"))
    return _figure(110, 9 * step, parts, "expected error")


def _colour(value: float, low: float, high: float) -> str:
    return _SCALE[int(np.clip(9 * (value - low) / max(high - low, 1e-12), 0, 8))]


def _text(x: float, y: float, text: str, size: int, colour: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _figure(width: int, height: int, parts: list[str], caption: str) -> str:
    return (
        f'<figure><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
