"""Sample pictures of a calibration with the corners that were found in them, as SVG."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from calib.corners.corners import Corners
from calib.corners.sample_pictures import SamplePicture
from calib.report.figures import BLUE, RED
from calib.solve.solve import Calibration

__all__ = ["found_corners"]

_GREEN = "#16a34a"
_SHOWN_WIDTH = 270  # px in the page


def found_corners(calibration: Calibration, corners: Corners) -> str:
    """Rings: corners that are used, crosses: rejected ones, dots: of instants that were not chosen.

    Args:
        calibration: The solved rig.
        corners: Its table.

    Returns:
        Elements of a page; a sentence where the table has no pictures.
    """
    if not corners.pictures:
        return '<p class="quiet">The corner table has no pictures: detect the corners again.</p>'
    inlier = {
        (corners.names[camera], frame, corner): used
        for camera, frame, corner, used in zip(
            corners.camera.tolist(), corners.frame.tolist(), corners.corner.tolist(), calibration.inlier.tolist(),
            strict=True,
        )
    }  # fmt: skip
    sizes = dict(zip(corners.names, corners.sizes, strict=True))
    shown = [_picture(one, sizes[one.camera], inlier) for one in corners.pictures if one.camera in sizes]
    return f'<div class="row">{"".join(shown)}</div>'


def _picture(one: SamplePicture, size: tuple[int, int], inlier: dict[tuple[str, int, int], bool]) -> str:
    width, height = size
    r = width / 90
    marks = []
    for corner, (x, y) in zip(one.corner, one.xy, strict=True):
        used = inlier.get((one.camera, one.frame, corner))
        if used is None:
            marks.append(f'<circle cx="{x:g}" cy="{y:g}" r="{r / 2:g}" fill="{BLUE}"/>')
        elif used:
            marks.append(
                f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="none" stroke="{_GREEN}" stroke-width="{r / 3:g}"/>'
            )
        else:
            cross = f"M{x - r:g} {y - r:g}l{2 * r:g} {2 * r:g}m0 {-2 * r:g}l{-2 * r:g} {2 * r:g}"
            marks.append(f'<path d="{cross}" stroke="{RED}" stroke-width="{r / 3:g}" fill="none"/>')
    picture = b64encode(one.jpeg).decode("ascii")
    return (
        f'<div><svg width="{_SHOWN_WIDTH}" viewBox="-0.5 -0.5 {width} {height}">'
        f'<image x="-0.5" y="-0.5" width="{width}" height="{height}" href="data:image/jpeg;base64,{picture}"/>'
        f"{''.join(marks)}</svg>"
        f'<p class="quiet">{escape(one.camera)}, frame {one.frame}: {len(one.corner)} corners</p></div>'
    )
