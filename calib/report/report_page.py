"""report.html: one page, no script, no other file; every name escaped."""

from __future__ import annotations

from html import escape

import numpy as np

from calib.board.target import Target
from calib.corners.corners import Corners
from calib.report import report_pictures
from calib.report.found_corners import found_corners
from calib.report.outcome import Outcome
from calib.solve.solve import Calibration
from multiview.common.counted import counted

__all__ = ["html_page", "page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1180px; padding: 24px; color: #1d2733; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; }
p { margin: 6px 0; max-width: 85ch; } .quiet { color: #64748b; font-size: 13px; }
.verdict { border-left: 8px solid; padding: 10px 16px; margin: 18px 0; background: #f8fafc; }
.good { border-color: #16a34a; } .usable { border-color: #d97706; } .record { border-color: #dc2626; }
table { border-collapse: collapse; } td, th { padding: 4px 14px 4px 0; text-align: right; }
tr { border-bottom: 1px solid #e2e8f0; } tr.bad { background: #fee2e2; } tr.poor { background: #fef3c7; }
td:first-child, th:first-child { text-align: left; } th { font-weight: 600; font-size: 13px; color: #475569; }
.row { display: flex; flex-wrap: wrap; gap: 22px; }
svg { max-width: 100%; height: auto; }
"""


def page(outcome: Outcome, calibration: Calibration, corners: Corners, board: Target, lengths: tuple[str, ...]) -> str:
    """The report as one HTML page."""
    parts = [
        f"<h1>Calibration of {counted(len(outcome.rig), 'camera')}</h1>",
        f'<p class="quiet">{escape(board.words())}</p>',
        _verdict(outcome, lengths),
        "<h2>Cameras</h2>",
        _table(outcome),
        "<h2>Expected 3D error in the volume</h2>",
        '<p class="quiet">The error of a 3D point due to this calibration alone, from the covariance of all its '
        "parameters. Left from above, right from the side; cameras as arrows, the board's path in grey.</p>",
        report_pictures.rig_views(outcome, calibration),
        "<h2>Boards observed by pairs of cameras</h2>",
        '<div class="row">' + report_pictures.links(outcome) + report_pictures.offsets(outcome) + "</div>",
        *_unsteady_clocks(outcome, calibration),
        "<h2>Corners in each image</h2>",
        '<p class="quiet">Dots are inlier corners, red crosses rejected ones, lines the remaining error, '
        "enlarged as stated. A good recording covers the image to its edges.</p>",
        report_pictures.coverage(calibration, corners),
        "<h2>Found corners</h2>",
        '<p class="quiet">The pictures with the most corners, for each quarter of an image. Green rings are inlier '
        "corners, red crosses rejected ones, blue dots those of instants that were not chosen.</p>",
        found_corners(calibration, corners),
        "<h2>Distribution of the errors</h2>",
        report_pictures.histograms(calibration, corners),
    ]
    return html_page(parts)


def _unsteady_clocks(outcome: Outcome, calibration: Calibration) -> list[str]:
    """What the stamps of unsteady clocks wander by; nothing where all are steady."""
    if not calibration.unsteady_clocks:
        return []
    told = [
        f"{escape(entry.name)} by a random walk of {1000 * entry.time_walk_s:.1f} ms per root second and jitter of "
        f"{1000 * entry.time_jitter_s:.1f} ms"
        for entry in outcome.cameras
        if entry.time_wander_s > 0
    ]
    return [
        "<h2>Unsteady clocks</h2>",
        '<p class="quiet">What has to be added to each stamp beyond the constant time offset, as the moving board '
        f"tells: {', '.join(told)}. The rig takes it into account; later recordings of these cameras will not.</p>",
        report_pictures.wander(calibration),
    ]


def html_page(parts: list[str]) -> str:
    """A report of these elements."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Calibration report</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _verdict(outcome: Outcome, lengths: tuple[str, ...]) -> str:
    because = "; ".join(outcome.reasons)
    lines = [f"<p><b>{escape(outcome.verdict.capitalize())}</b>: {escape(because)}.</p>"]
    lines += [f"<p>{escape(text)}</p>" for text in lengths]
    if outcome.advice:
        items = "".join(f"<li>{escape(text)}</li>" for text in outcome.advice)
        lines.append(f"<p>What to record next:</p><ul>{items}</ul>")
    return f'<div class="verdict {outcome.verdict.split()[0]}">{"".join(lines)}</div>'


def _table(outcome: Outcome) -> str:
    head = "<tr><th>camera</th><th>RMS px</th><th>noise px</th><th>images</th><th>corners</th><th>inliers</th>"
    head += "<th>covered</th><th>lens</th><th>focal px</th><th>time offset</th></tr>"
    rows = []
    for entry, camera in zip(outcome.cameras, outcome.rig.cameras, strict=True):
        step = "not estimated" if entry.time_offset_s == 0 and entry is not outcome.cameras[0] else "the reference"
        if entry.time_offset_sigma_s > 0:
            step = f"{1000 * entry.time_offset_s:+.2f} ± {1000 * entry.time_offset_sigma_s:.2f} ms"
        if entry.time_wander_s > 0:
            step += f", wanders by {1000 * entry.time_wander_s:.1f} ms"
        cells = (
            f"{entry.rms_px:.3f}", f"{entry.sigma_px:.3f}", entry.frames, entry.corners,
            f"{100 * entry.inlier_fraction:.1f} %", f"{100 * entry.coverage:.0f} %", entry.model,
            f"{np.mean(camera.K[[0, 1], [0, 1]]):.1f}", step,
        )  # fmt: skip
        problems = [found for found in outcome.verdicts if found.camera == entry.name]
        kind = "" if not problems else ' class="bad"' if any(found.unusable for found in problems) else ' class="poor"'
        rows.append(
            f"<tr{kind}><td>{escape(entry.name)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        )
        rows += [
            f'<tr{kind}><td></td><td colspan="9" style="text-align:left">{escape(found.problem)}: '
            f"{escape(found.remedy)}</td></tr>"
            for found in problems
        ]
    for name, why in outcome.left_out.items():
        rows.append(
            f'<tr class="poor"><td>{escape(name)}</td><td colspan="9" style="text-align:left">'
            f"left out: it {escape(why)}</td></tr>"
        )
    return f"<table>{head}{''.join(rows)}</table>"
