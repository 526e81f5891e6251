"""Who is whom in the views: the kernels for people who are known, and plugins for detections of nobody known.

A plugin, a file without `_kernels` in its name, has `Options` and a class `Associator` (`DetectionAssociator`).
"""

from __future__ import annotations

from multiview.fusion.association._associator import DetectionAssociator
from multiview.fusion.association._make import associator_options, make_associator

__all__ = ["DetectionAssociator", "associator_options", "make_associator"]
