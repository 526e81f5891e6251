"""The report of a calibration, for machines (report.json) and for people (report.html)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calib.board.target import Target
from calib.corners.corners import Corners
from calib.report.marker_places import marker_places
from calib.report.outcome import Outcome
from calib.report.report_page import page
from calib.solve.solve import Calibration
from multiview.common.atomic_file import replacing
from multiview.common.json_file import write_json

__all__ = ["write_reports"]


def write_reports(
    out: Path,
    outcome: Outcome,
    calibration: Calibration,
    corners: Corners,
    board: Target,
    lengths: tuple[str, ...],
    seconds: float,
) -> None:
    """Write both reports into a folder; `seconds` is what the calibration took."""
    html = page(outcome, calibration, corners, board, lengths)
    with replacing(out / "report.html") as file:
        file.write_text(html, encoding="utf-8")
    summary = _summary(outcome, board, lengths, seconds)
    if places := marker_places(outcome, calibration, board):
        summary["markers"] = places
    write_json(out / "report.json", summary)


def _summary(outcome: Outcome, board: Target, lengths: tuple[str, ...], seconds: float) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict,
        "reasons": list(outcome.reasons),
        "advice": list(outcome.advice),
        "rms_px": outcome.rms_px,
        "inlier_fraction": outcome.inlier_fraction,
        "seconds": seconds,
        "expected_error_mm": {
            "median": outcome.volume.median_mm,
            "worst": outcome.volume.worst_mm,
        },
        "world": outcome.rig.world,
        "board": board.words(),
        "lengths": list(lengths),
        "problems": [
            {
                "camera": entry.camera,
                "problem": entry.problem,
                "remedy": entry.remedy,
                "unusable": entry.unusable,
                "start_s": entry.start_s,
                "end_s": entry.end_s,
                "start_between_s": entry.start_between_s,
                "end_between_s": entry.end_between_s,
            }
            for entry in outcome.verdicts
        ],
        "cameras": {
            camera.name: {
                "problems": [entry.problem for entry in outcome.verdicts if entry.camera == camera.name],
                "rms_px": camera.rms_px,
                "frames": camera.frames,
                "time_offset_s": camera.time_offset_s,
                "time_offset_sigma_s": camera.time_offset_sigma_s,
                "time_wander_s": camera.time_wander_s,
                "time_walk_s_per_root_s": camera.time_walk_s,
                "time_jitter_s": camera.time_jitter_s,
                "corners": camera.corners,
                "inlier_fraction": camera.inlier_fraction,
                "coverage": camera.coverage,
                "noise_px": camera.sigma_px,
                "model": camera.model,
                "held_out_px": camera.held_out_px,
            }
            for camera in outcome.cameras
        },
        "left_out": outcome.left_out,
        "links": [{"a": link.a, "b": link.b, "boards": link.boards, "weak": link.weak} for link in outcome.links],
    }
