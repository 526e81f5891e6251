"""Capture for a program that shows it: pictures, figures and the board, through a pipe."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from multiview.studio.studio_file import load_studio
from services.capture.capture_report import CameraReport, CaptureReport, report_message
from services.capture.captured import CapturedCamera, advice_for
from services.capture.capturing import capturing
from services.capture.coverage import ENOUGH_SHARED, Coverage
from services.capture.disk_watch import DiskWatch
from services.nodes.previews import jpeg
from services.runtime.process import Stopping
from services.supervise.watcher import rate_of

__all__ = ["report_captures", "report_of"]

REPORT_S, REPORT_PX = 0.25, 480  # how often is reported, and how wide the pictures are


def report_captures(file: Path, board: Path | None, name: str | None, notes: str = "", lossless: bool = False) -> int:
    """Capture, and tell the program at the other end of standard output, until it closes the pipe.

    Args:
        file: The studio's.
        board: A board file: also say what the cameras have seen of the board.
        name: Of the take; empty: the studio's, with the time. None records nothing.
        notes: To keep with it.
        lossless: Every pixel is kept as it is.

    Returns:
        The exit status: 0, or 3 where frames are lost.

    Raises:
        SourceError: A camera failed; the take has what came before.
    """
    studio, stopping, pipe = load_studio(file, check=False), Stopping(), sys.stdout.buffer
    warnings: list[str] = []
    with capturing(studio, board, name, notes, lossless, warnings.append) as capture:
        disk = DiskWatch(capture.take) if capture.take else None
        began_s = next_s = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            while not stopping.wait(0.05):
                if capture.coverage is not None:
                    capture.coverage.show({camera.name: camera.newest for camera in capture.cameras})
                if disk is not None and (warning := disk.look(time.monotonic())):
                    warnings.append(warning)
                if time.monotonic() >= next_s:
                    next_s = time.monotonic() + REPORT_S
                    seconds = 0.0 if capture.take is None else time.monotonic() - began_s
                    report = report_of(capture.cameras, capture.coverage, seconds, warnings)
                    pipe.write(report_message(report))
                    pipe.flush()
    if (finished := capture.finish()) is not None:
        with contextlib.suppress(BrokenPipeError):
            report = report_of(capture.cameras, capture.coverage, time.monotonic() - began_s, warnings)
            pipe.write(report_message(msgspec.structs.replace(report, take=str(finished.folder))))
            pipe.flush()
    return capture.status()


def report_of(
    cameras: list[CapturedCamera], coverage: Coverage | None, seconds: float, warnings: Iterable[str] = ()
) -> CaptureReport:
    """What the table says, for a program."""
    report = CaptureReport(cameras=[_camera_report(camera, coverage) for camera in cameras], seconds=seconds)
    report.warning = "; ".join(warnings)
    report.scene = next((scene for one in cameras if (scene := str(getattr(one.camera, "scene", "")))), "")
    if coverage is not None:
        report.pairs, report.enough_boards = coverage.pairs(), ENOUGH_SHARED
        report.linked, report.lacks, report.note = coverage.all_linked, coverage.lacks(), coverage.linked()
    return report


def _camera_report(camera: CapturedCamera, coverage: Coverage | None) -> CameraReport:
    quality, log, frame = camera.quality(), camera.log, camera.newest
    report = CameraReport(
        name=camera.name,
        size=camera.camera.size,
        rate_hz=rate_of(camera.arrivals),
        expected_hz=camera.camera.fps,
        frames=log.frames if log else camera.frames,
        dropped=camera.dropped,
        advice=advice_for(camera, quality),
        jpeg=b"" if frame is None else jpeg(frame.image, REPORT_PX),
    )
    if quality is not None:
        report.brightness, report.sharpness = quality.brightness, quality.sharpness
    if coverage is not None:
        seen = coverage.of(camera.name)
        report.corners, report.cells = seen.places, seen.cells.tolist()
        report.covered, report.boards = float(seen.cells.mean()), seen.views
        step = coverage.advice(camera.name)[2]
        report.next_step = "" if step == "covered" else step
    return report
