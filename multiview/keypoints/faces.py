"""Where faces are in a picture, from a body's joints or from a face's own, and 68 landmarks of a mesh of 468.

Source: the regions of MediaPipe's holistic graph (Grishchenko and Bazarevsky, MediaPipe Holistic, 2020), and the mesh
of Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, 2019. The 68 landmarks are
those of iBUG 300-W (Sagonas et al., 300 Faces in-the-Wild Challenge, 2013), as in COCO-WholeBody.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.keypoints.blazepose import Region

__all__ = ["LANDMARKS", "SMALL_FACE", "face_covariance", "face_height", "region_of_face", "region_of_head"]

LANDMARKS = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # the jaw, from the right ear on
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # the nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,  # lips, outer and inner
])  # fmt: skip
"""Of the mesh, those of iBUG 300-W in its order."""
SMALL_FACE = (8, 17, 21, 22, 26, 30, 36, 39, 42, 45, 48, 54)
"""Of the 68, those that tell a head's rotation: chin, ends of the brows, tip of the nose, corners of eyes and mouth."""
_EYES, _MOUTH = slice(1, 7), slice(9, 11)  # of BlazePose's eleven points of a head, after the nose; ears between
_FROM_BODY, _FROM_FACE = 4.0, 1.5  # of the way from eyes to mouth, and of the face's longer side
_DOWN = 0.3  # of the way from eyes to mouth lies the middle of a face
_RIGHT_EYE, _LEFT_EYE = 33, 263  # outer corners, of the mesh
# Error of a coordinate, as a fraction of the face's height: from ten moments of a real face in two views.
_LEAST_PX, _ERROR = 1.5, 0.033
_CONTOUR = 2.5  # the jaw's points lie where the face ends in each view, not at one place of it


def region_of_head(head: Float64[np.ndarray, "11 2"]) -> Region:
    """The square about the face of a body, from BlazePose's first eleven points, brows up."""
    eyes, mouth = head[_EYES].mean(axis=0), head[_MOUTH].mean(axis=0)
    down = mouth - eyes
    # Seen from the side a face is as high as from the front; seen from above it is not, but as wide.
    wide = head[1:7].max(axis=0) - head[1:7].min(axis=0)
    way = max(float(np.hypot(*down)), 0.7 * float(np.hypot(*wide)))
    return Region(eyes + _DOWN * down, _FROM_BODY * way, _upright(-down))


def region_of_face(mesh: Float64[np.ndarray, "468 2"]) -> Region:
    """The square about a face whose mesh is known, brows up."""
    across = mesh[_LEFT_EYE] - mesh[_RIGHT_EYE]
    angle = float(np.arctan2(across[1], across[0]))
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    inside = mesh @ axes.T
    low, high = inside.min(axis=0), inside.max(axis=0)
    return Region((low + high) / 2 @ axes, float((high - low).max()) * _FROM_FACE, angle)


def face_height(xy: Float64[np.ndarray, "68 2"]) -> float:
    """From the brows to the chin, px."""
    return float(np.hypot(*(xy[17:27].mean(axis=0) - xy[8])))


def face_covariance(xy: Float64[np.ndarray, "68 2"], sure: float) -> Float64[np.ndarray, "68 2 2"]:
    """Covariance of the landmarks' errors, px^2, by the face's height and how sure the network is, 0 to 1."""
    sigma = np.full(68, max(_LEAST_PX, _ERROR * face_height(xy) / max(sure, 0.1)))
    sigma[:17] *= _CONTOUR
    sigma[8] /= _CONTOUR  # the chin is a place
    return np.asarray(sigma[:, None, None] ** 2 * np.eye(2))


def _upright(up: Float64[np.ndarray, " 2"]) -> float:
    """The rotation of a region whose own up is this direction of the picture."""
    return float(np.pi / 2 - np.arctan2(-up[1], up[0]))
