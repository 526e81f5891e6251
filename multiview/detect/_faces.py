"""The faces of people whose bodies are known: 68 landmarks each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from multiview.keypoints.blazepose import Region, region_input
from multiview.keypoints.crop import transform_points
from multiview.keypoints.faces import LANDMARKS, face_covariance, face_height, region_of_face, region_of_head
from multiview.models.card import load_card, model_file
from multiview.models.tflite import TfliteModel

__all__ = ["CARD", "Face", "FaceFinder", "FaceMemory"]

CARD = "mediapipe-face"
MIN_PRESENCE = 0.5
MIN_HEIGHT_PX = 20.0  # from brows to chin: of a smaller face nothing was measured
MAX_NOSE_APART = 0.5  # of the face's height, of its nose from the body's
_BROWS_TO_CHIN = 1 / 2.2  # of a region


class Face(NamedTuple):
    """The landmarks of one face; `sure`, 0 to 1, that there is one."""

    xy: Float64[np.ndarray, "68 2"]
    cov: Float64[np.ndarray, "68 2 2"]
    sure: float


@dataclass(slots=True)
class FaceMemory:
    """Where one person's face was seen last."""

    region: Region | None = None


class FaceFinder:
    """Reads faces, one after the other."""

    def __init__(self, threads: int) -> None:
        name, card = load_card(CARD)
        self._mesh = TfliteModel(model_file(name, card.files[0]), (0, 1), threads)
        self._side = self._mesh.input_shape[1]

    def find(
        self, image: UInt8[np.ndarray, "H W 3"], memory: FaceMemory, head: Float64[np.ndarray, "11 2"]
    ) -> Face | None:
        """The face of a body whose head's eleven points are known; None where none is seen.

        It is looked for where it was last, else where the body says, and again in the region of what is found there.
        """
        if not np.isfinite(head).all():
            memory.region = None
            return None
        expected = region_of_head(head)
        remembered, memory.region = memory.region, None
        if expected.size * _BROWS_TO_CHIN < MIN_HEIGHT_PX:
            return None
        if remembered is not None and np.hypot(*(remembered.centre - expected.centre)) < 0.3 * expected.size:
            face, mesh = self._look(image, remembered, head[0])
        else:
            _, mesh = self._look(image, expected, head[0])
            face, mesh = self._look(image, region_of_face(mesh), head[0])
        if face is not None:
            memory.region = region_of_face(mesh)
        return face

    def _look(
        self, image: UInt8[np.ndarray, "H W 3"], region: Region, nose: Float64[np.ndarray, " 2"]
    ) -> tuple[Face | None, Float64[np.ndarray, "468 2"]]:
        """The face in a region, if there is one, and where its mesh would be in any case."""
        tensor, back = region_input(image, region, self._side)

        def read(outputs: list[Float32[np.ndarray, ...]]) -> tuple[Float64[np.ndarray, "468 2"], float]:
            mesh, logit = outputs
            return np.array(mesh, np.float64).reshape(468, 3)[:, :2], float(logit.item())

        inside, logit = self._mesh(tensor, read)
        mesh = transform_points(back, inside)
        sure = float(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))
        xy = mesh[LANDMARKS]
        if sure < MIN_PRESENCE or np.hypot(*(xy[30] - nose)) > MAX_NOSE_APART * face_height(xy):
            return None, mesh
        return Face(xy, face_covariance(xy, sure), sure), mesh
