"""A wand: two or three bright balls on a stick, which a large room sees better than any board, and from all sides.

What turns about its own axis looks alike, so that a frame tells of three points on a line. Middles of balls are
those of their outlines: `calib/solve/wand.py` tells them from the pictures of the balls' middles once lenses are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.found import Found, Identified, Samples, nothing

__all__ = ["Wand", "WandFinder", "WandTable", "how_to_build", "identify_wand"]

_LONGEST_M, _LONGEST_CM = 5.0, 100.0  # no wand is longer, nor shorter in millimetres
_UNEQUAL = 0.1  # of the length: by so much two spacings must differ, so that the ends can be told apart
_UNLIKE = 1.25  # or so many times one end's ball is larger than the other's
_APART = 1.5  # radii of neighbours, at least, from one middle to the other
_LEAST_PX, _LARGEST_SHARE = 1.5, 0.03  # radius of a ball, and its share of the picture's area
_MOST_BLOBS = 40  # that are looked at, the largest first
_RAYS, _PER_RAY = 48, 33
_MIN_CONTRAST = 20.0  # grey levels
_GOOD_RAYS = 0.7  # share of an outline that must be seen
_ROUND = 0.2  # share of the radius, by which an outline may be longer one way than the other
_ROUGH = (0.35, 0.05)  # px and share of the radius, of an outline about its ellipse
_SIZE_PX, _SIZE_SHARE = 0.5, 0.08  # how well a radius is known
_LINE_PX, _LINE_SHARE = 1.0, 0.015  # how well three middles lie on a line, beside a lens that bends it
_WIDEST = 0.5  # focal length over the longer side of a picture, at least
_SHORTEST = 0.15  # share of its length to which a wand that points at the camera may shrink
_RIVAL = 3.0  # a second choice whose misfit is within so many times that of the first leaves both


@dataclass(frozen=True, slots=True)
class Wand:
    """Bright balls on a straight stick.

    Attributes:
        balls: Where their middles are along the stick, m, rising.
        diameters: Of each, m.
    """

    balls: tuple[float, ...]
    diameters: tuple[float, ...]

    LENGTHS: ClassVar[tuple[str, ...]] = ("balls", "diameters")
    kind: ClassVar[str] = "wand"
    symmetric: ClassVar[bool] = False

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Middles of the balls, m: x along the stick."""
        return np.array([[x, 0.0, 0.0] for x in self.balls])

    @property
    def front_corners(self) -> int:
        """Number of balls."""
        return len(self.balls)

    def words(self) -> str:
        """Description for a user."""
        places = ", ".join(f"{1000 * (x - self.balls[0]):g}" for x in self.balls)
        sizes = " and ".join(f"{1000 * size:g}" for size in dict.fromkeys(self.diameters))
        return f"a wand with balls of {sizes} mm at {places} mm"


class WandTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml of kind "wand", with the fields of `Wand`."""

    kind: Literal["wand"]
    """`wand`: two or three bright balls on a stick."""
    balls: Annotated[list[Annotated[float, msgspec.Meta(ge=-5000, le=5000)]], msgspec.Meta(min_length=2, max_length=3)]
    """m. Where the middles of the balls are along the stick, rising; of three, the middle one nearer to one end."""
    diameters: Annotated[list[Annotated[float, msgspec.Meta(gt=0, le=5000)]], msgspec.Meta(min_length=2, max_length=3)]
    """m. Diameter of each ball; of two balls, one clearly larger than the other."""

    def __post_init__(self) -> None:
        if len(self.balls) != len(self.diameters):
            raise ValueError(f"balls has {len(self.balls)} numbers, diameters {len(self.diameters)}: give one for each")
        length = self.balls[-1] - self.balls[0]
        if length > _LONGEST_M:
            unit, per_m = ("cm", 100) if length <= _LONGEST_CM else ("mm", 1000)
            raise ValueError(
                f"balls must be in metres: {length:g} m looks like {length:g} {unit} = {length / per_m:g} m"
            )
        for i in range(len(self.balls) - 1):
            apart, least = self.balls[i + 1] - self.balls[i], _APART * (self.diameters[i] + self.diameters[i + 1]) / 2
            if not apart >= least:
                raise ValueError(
                    f"balls {i + 1} and {i + 2} are {apart:g} m apart: they must rise, and be {least:g} m apart or more"
                )
        ends = max(self.diameters[0], self.diameters[-1]) / min(self.diameters[0], self.diameters[-1])
        gaps = np.diff(self.balls)
        if ends < _UNLIKE and abs(gaps[0] - gaps[-1]) < _UNEQUAL * length:
            raise ValueError(
                "the ends of the wand look alike: put the ball between them nearer to one end, at 0.4 of the length"
                if len(self.balls) == 3
                else f"the ends of the wand look alike: make one ball {_UNLIKE:g} times as large as the other"
            )

    def board(self) -> Wand:
        return Wand(tuple(self.balls), tuple(self.diameters))


def how_to_build(wand: Wand) -> tuple[str, ...]:
    """What a user does to have such a wand, in sentences.

    Args:
        wand: As its file says.

    Returns:
        Lines.
    """
    places = ", ".join(f"{1000 * x:g}" for x in wand.balls)
    return (
        f"Put {len(wand.balls)} bright balls on a straight, thin, dark stick, their middles at {places} mm.",
        "Matt white balls do; lamps within or retro-reflective ones beside a lamp at each lens carry further.",
        "Measure from middle to middle to half a millimetre, and write what you measured into board.toml (m).",
        "Lenses must be known: calibrate them with a board, and give them to solve as --lenses. Wave the wand through",
        "the whole room, tilted every way, before what is darker than the balls.",
    )


@dataclass(slots=True)
class WandFinder:
    """Detector of a wand whose balls are all in view."""

    board: Wand
    _blobs: Any = field(init=False, default=None)

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """Middles of the balls' outlines.

        Args:
            grey: The picture.

        Returns:
            One for each ball; nothing where a ball is hidden, or other bright things may be meant as well.
        """
        blobs = [blob for x, y, r in self._rough(grey) if (blob := _outline(grey, x, y, r)) is not None]
        choices = sorted(_choices(self.board, np.array(blobs).reshape(-1, 3), max(grey.shape)))
        if not choices:
            return nothing()
        if len(choices) > 1 and choices[1][0] < _RIVAL * choices[0][0] + 1.0:
            return nothing(rejected=len(self.board.balls))
        xy = np.array([blobs[i][:2] for i in choices[0][1]])
        return Found(np.arange(len(xy)), xy, 0, 0)

    def _rough(self, grey: UInt8[np.ndarray, "H W"]) -> list[tuple[float, float, float]]:
        """Places and radii of round bright things."""
        import cv2

        if self._blobs is None:
            made: Any = cv2  # whose stubs lack this detector
            parameters = made.SimpleBlobDetector_Params()
            parameters.minArea, parameters.maxArea = np.pi * _LEAST_PX**2, _LARGEST_SHARE * grey.size
            parameters.minThreshold, parameters.maxThreshold, parameters.thresholdStep = 40, 240, 20
            parameters.minDistBetweenBlobs, parameters.minRepeatability = 3.0, 2
            parameters.filterByColor, parameters.blobColor = True, 255
            parameters.filterByInertia, parameters.minInertiaRatio = True, 0.4
            parameters.filterByConvexity, parameters.minConvexity = True, 0.8
            self._blobs = made.SimpleBlobDetector_create(parameters)
        found = [(*blob.pt, blob.size / 2) for blob in self._blobs.detect(grey)]
        return sorted(found, key=lambda one: -one[2])[:_MOST_BLOBS]


def identify_wand(samples: Samples, stated: Wand) -> Identified[Wand]:
    """Whether pictures show the wand.

    Args:
        samples: A few pictures of each camera.
        stated: What its file says.

    Returns:
        The same wand.
    """
    finder = WandFinder(stated)
    seen = any(len(finder.find(grey).corner) for own in samples.values() for grey in own)
    hint = "hold it before what is darker than its balls, all of them in view, and check their places in the board file"
    return Identified(stated, frozenset(), (), seen, hint)


def _outline(grey: UInt8[np.ndarray, "H W"], x: float, y: float, r: float) -> tuple[float, float, float] | None:
    """Middle and mean radius of the ellipse on which a bright thing ends; None for what is none.

    Along rays from the middle the outline is where the grey level is half way from that inside to that outside, ray by
    ray, so that a shaded ball is not drawn to its bright side. The radius of an ellipse about its middle is the same
    in opposite directions: its first harmonic says where the middle is.
    """
    import cv2

    angle = 2 * np.pi * np.arange(_RAYS) / _RAYS
    basis = np.column_stack([np.ones(_RAYS), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    good = np.zeros(_RAYS, dtype=bool)
    for _ in range(4):
        far = np.linspace(0.0, r + max(0.6 * r, 4.0), _PER_RAY)
        at_x, at_y = x + far * basis[:, 1:2], y + far * basis[:, 2:3]
        if min(at_x.min(), at_y.min()) < 0 or at_x.max() > grey.shape[1] - 1 or at_y.max() > grey.shape[0] - 1:
            return None
        level = cv2.remap(grey, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR).astype(np.float64)
        within = (far >= 0.5 * r) & (far <= max(0.8 * r, r - 2.5))
        inside = level[:, within].mean(axis=1) if r > 5 else np.full(_RAYS, level[:, far <= max(0.4 * r, 0.5)].mean())
        outside = level[:, far >= r + max(0.25 * r, 2.0)].mean(axis=1)
        below = level < (inside + outside)[:, None] / 2
        below[:, far < 0.4 * r] = False
        first = np.maximum(below.argmax(axis=1), 1)
        row = np.arange(_RAYS)
        high, low = level[row, first - 1], level[row, first]
        share = (high - (inside + outside) / 2) / np.maximum(high - low, 1e-9)
        radius = far[first - 1] + np.clip(share, 0, 1) * (far[1] - far[0])
        good = below.any(axis=1) & (inside - outside > _MIN_CONTRAST)
        if good.sum() < _GOOD_RAYS * _RAYS:
            return None
        fit = np.linalg.lstsq(basis[good], radius[good], rcond=None)[0]
        off = np.abs(basis @ fit - radius)
        good &= off < max(3 * float(np.median(off[good])), 0.3)
        fit = np.linalg.lstsq(basis[good], radius[good], rcond=None)[0]
        x, y, r = x + float(fit[1]), y + float(fit[2]), float(fit[0])
        if not _LEAST_PX < r < max(grey.shape):
            return None
    rough = float(np.sqrt(np.mean((basis @ fit - radius)[good] ** 2)))
    sound = good.sum() >= _GOOD_RAYS * _RAYS and rough < _ROUGH[0] + _ROUGH[1] * r
    return (x, y, r) if sound and float(np.hypot(fit[3], fit[4])) < _ROUND * r else None


def _choices(wand: Wand, blobs: Float64[np.ndarray, "n 3"], longer_px: int) -> list[tuple[float, tuple[int, ...]]]:
    """Misfits (squared deviations) of the blobs that may be the balls, in their order."""
    s, size = np.array(wand.balls), np.array(wand.diameters)
    found: list[tuple[float, tuple[int, ...]]] = []
    for i, j in permutations(range(len(blobs)), 2):
        (xi, yi, ri), (xj, yj, rj) = blobs[i], blobs[j]
        way = np.array([xj - xi, yj - yi])
        length = float(np.hypot(*way))
        # Balls are as far away as they look small; a stick points at the camera or away by no more than its length.
        nearer = float(np.log(ri / size[0]) - np.log(rj / size[-1]))  # of log distance, from first to last
        unsure = np.hypot(_SIZE_PX / ri, _SIZE_PX / rj) + _SIZE_SHARE
        scale = (ri / size[0] + rj / size[-1]) * (s[-1] - s[0])  # px of a wand across the view
        steepest = scale / (_WIDEST * longer_px)
        if not _SHORTEST * scale < length < (1 + 2 * unsure) * scale or abs(nearer) > steepest + 3 * unsure:
            continue
        if len(s) == 2:
            found.append(((nearer / unsure) ** 2, (i, j)))
            continue
        part = (s[1] - s[0]) / (s[2] - s[0])
        along = (blobs[:, :2] - blobs[i, :2]) @ way / length**2
        across = np.abs((blobs[:, :2] - blobs[i, :2]) @ np.array([-way[1], way[0]])) / length
        for k in np.flatnonzero((along > 0.05) & (along < 0.95) & (across < 3 * (_LINE_PX + _LINE_SHARE * length))):
            if k in (i, j):
                continue
            told = float(np.log(along[k] * (1 - part) / (part * (1 - along[k]))))  # what the ball between them says
            between = (1 - part) * size[0] / ri + part * size[2] / rj  # its distance, as of the others
            middle = float(np.log(blobs[k, 2] * between / size[1]))
            own = np.hypot(_SIZE_PX / blobs[k, 2], unsure)
            if abs(told) > steepest + 0.1 or abs(middle) > 3 * own or abs(told - nearer) > 3 * unsure + 0.1:
                continue
            misfit = (middle / own) ** 2 + ((told - nearer) / unsure) ** 2 + (told / (steepest + 0.1)) ** 2
            misfit += float(across[k] / (_LINE_PX + _LINE_SHARE * length)) ** 2
            found.append((misfit, (i, int(k), j)))
    return found
