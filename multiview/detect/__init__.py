"""Plugins, pictures to 2D skeletons: each file has `Options` and a class `Detector` that follows `PoseDetector`."""

from __future__ import annotations

from multiview.detect._detector import ExpectsPeople, PoseDetector
from multiview.detect._make import detector_skeleton, make_detector

__all__ = ["ExpectsPeople", "PoseDetector", "detector_skeleton", "make_detector"]
