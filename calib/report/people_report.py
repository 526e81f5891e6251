"""The report of a calibration from people, for machines (report.json) and for people (report.html)."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from calib.report.people_outcome import PeopleOutcome, noise_words, summary_words
from calib.report.report_page import html_page
from calib.report.rig_pictures import bars_of_offsets, rig_with_errors, table_of_pairs
from multiview.common.atomic_file import replacing
from multiview.common.json_file import write_json

__all__ = ["write_people_reports"]

_MOST_DOTS = 4000


def write_people_reports(out: Path, outcome: PeopleOutcome, notes: tuple[str, ...], seconds: float) -> None:
    """Write both reports into a folder.

    Args:
        out: The folder.
        outcome: What was found.
        notes: Where the lenses and times are from.
        seconds: What the calibration took.
    """
    with replacing(out / "report.html") as file:
        file.write_text(_page(outcome, notes), encoding="utf-8")
    write_json(out / "report.json", _summary(outcome, notes, seconds))


def _summary(outcome: PeopleOutcome, notes: tuple[str, ...], seconds: float) -> dict[str, Any]:
    calibration = outcome.calibration
    ground, scale = calibration.ground, calibration.scale
    used = sum(fit.observations for fit in calibration.cameras)
    rejected = sum(fit.rejected for fit in calibration.cameras)
    return {
        "verdict": outcome.verdict,
        "reasons": list(outcome.reasons),
        "advice": list(outcome.advice),
        "median_px": outcome.median_px,
        "inlier_fraction": used / max(used + rejected, 1),
        "seconds": seconds,
        "expected_error_mm": {"median": outcome.volume_mm, "worst": outcome.worst_mm},
        "noise": {
            "assumed": noise_words(calibration),
            "correlation_factor": calibration.correlation,
            "bias_mm": 1000 * calibration.bias_m,
        },
        "world": outcome.rig.world,
        "scale": {"how": scale.how, "sigma": scale.sigma},
        "up": None if ground is None else {"how": ground.how, "sigma_deg": ground.sigma_deg},
        "people": {"at_once": calibration.people, "seconds": calibration.seconds},
        "notes": list(notes),
        "cameras": {
            fit.name: {
                "median_px": fit.median_px,
                "noise_px": fit.noise_px,
                "observations": fit.observations,
                "rejected": fit.rejected,
                "used_share": fit.used_share,
                "rotation_sigma_deg": fit.turn_sigma_deg,
                "position_sigma_mm": fit.place_sigma_mm,
                "covariance": calibration.covariance[c, :, c].tolist(),
                "time_offset_s": fit.offset_s,
                "time_offset_sigma_s": fit.offset_sigma_s,
                "clock_drift_ppm": fit.drift_ppm,
                "clock_drift_sigma_ppm": fit.drift_sigma_ppm,
                "lens": fit.lens,
                "focal_sigma_px": fit.focal_sigma_px,
            }
            for c, fit in enumerate(calibration.cameras)
        },
        "links": [{"a": link.a, "b": link.b, "seconds": link.seconds, "weak": link.weak} for link in outcome.links],
    }


def _page(outcome: PeopleOutcome, notes: tuple[str, ...]) -> str:
    calibration = outcome.calibration
    ground = calibration.ground
    scale = calibration.scale
    how = [f"Lengths: {scale.how}" + (f", within {100 * scale.sigma:.1f} %." if scale.sigma else ".")]
    if ground is not None:
        up = f", up within {ground.sigma_deg:.1f} degrees." if ground.sigma_deg else "."
        how.append(f"Up and floor: {ground.how}{up}")
    how.append(f"Deviations assume that {noise_words(calibration)}.")
    parts = [
        f"<h1>Calibration of {len(outcome.rig)} cameras from people</h1>",
        f'<p class="quiet">{escape(summary_words(calibration.cameras, calibration))}</p>',
        _verdict(outcome),
        *(f"<p>{escape(text)}</p>" for text in (*how, *notes)),
        "<h2>Cameras</h2>",
        _table(outcome),
        "<h2>Expected 3D error where people walked</h2>",
        '<p class="quiet">The error of a 3D point due to this calibration alone, from the covariance of all its '
        "parameters. Left from above, right from the side; cameras as arrows, the people's ways in grey.</p>",
        _rig_views(outcome),
        "<h2>People seen by pairs of cameras, time offsets</h2>",
        '<div class="row">' + _links(outcome) + _offsets(outcome) + "</div>",
    ]
    return html_page(parts)


def _verdict(outcome: PeopleOutcome) -> str:
    lines = [f"<p><b>{escape(outcome.verdict.capitalize())}</b>: {escape('; '.join(outcome.reasons))}.</p>"]
    if outcome.advice:
        items = "".join(f"<li>{escape(text)}</li>" for text in outcome.advice)
        lines.append(f"<p>What to do next:</p><ul>{items}</ul>")
    return f'<div class="verdict {outcome.verdict.split()[0]}">{"".join(lines)}</div>'


def _table(outcome: PeopleOutcome) -> str:
    head = (
        "<tr><th>camera</th><th>median px</th><th>noise px</th><th>keypoints</th><th>rejected</th><th>people used</th>"
    )
    head += "<th>turn ± deg</th><th>place ± mm</th><th>focal px</th><th>lens</th><th>time offset</th></tr>"
    rows = []
    for fit, camera in zip(outcome.calibration.cameras, outcome.rig.cameras, strict=True):
        offset = "the reference"
        if fit.offset_sigma_s > 0:
            offset = f"{1000 * fit.offset_s:+.1f} ± {1000 * fit.offset_sigma_s:.1f} ms"
        focal = f"{camera.K[0, 0]:.1f}" + (f" ± {fit.focal_sigma_px:.1f}" if fit.focal_sigma_px else "")
        cells = (
            f"{fit.median_px:.2f}", f"{fit.noise_px:.2f}", fit.observations, fit.rejected,
            f"{100 * fit.used_share:.0f} %", f"{fit.turn_sigma_deg:.3f}", f"{fit.place_sigma_mm:.1f}", focal, fit.lens,
            offset,
        )  # fmt: skip
        cell_text = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        rows.append(f"<tr><td>{escape(fit.name)}</td>{cell_text}</tr>")
    return f"<table>{head}{''.join(rows)}</table>"


def _rig_views(outcome: PeopleOutcome) -> str:
    rig, calibration = outcome.rig, outcome.calibration
    ways = calibration.ways[:: max(1, len(calibration.ways) // _MOST_DOTS)]
    error_mm = 1000 * calibration.error_m
    return rig_with_errors(rig, ways, calibration.points, error_mm, digits=1)


def _links(outcome: PeopleOutcome) -> str:
    shared = [(link.a, link.b, link.seconds, link.weak) for link in outcome.links]
    words = "seconds of people shared by each pair;\nred: too few to determine a pose"
    return table_of_pairs(outcome.rig.names, shared, 0.6, words)


def _offsets(outcome: PeopleOutcome) -> str:
    fits = outcome.calibration.cameras
    return bars_of_offsets(outcome.rig.names, [fit.offset_s for fit in fits], [fit.offset_sigma_s for fit in fits])
