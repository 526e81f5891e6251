"""A detector of one's own: in a studio file write  detector = "./07_custom_detector.py",  or try

    multiview process --rig rig.toml --videos *.mp4 --detector ./07_custom_detector.py --option threshold=0.3 --out OUT

This one finds a bright spot with OpenCV and calls it a nose; put your network in its place.
"""

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.data import Keypoints2D, VideoFrame


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    threshold: float = 0.5  # of full brightness


class Detector:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.skeleton = load_skeleton("coco17")
        self.stage_ns: dict[str, int] = {}

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """One Keypoints2D per frame: xy px (people, joints, 2), score (people, joints); missing is NaN with score 0."""
        return [self._spot(frame) for frame in frames]

    def _spot(self, frame: VideoFrame) -> Keypoints2D:
        grey = cv2.GaussianBlur(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), (5, 5), 0)
        _, value, _, place = cv2.minMaxLoc(grey)
        if value < 255 * self.options.threshold:
            return Keypoints2D.nobody(17)
        xy, score = np.full((1, 17, 2), np.nan), np.zeros((1, 17))
        xy[0, 0], score[0, 0] = place, value / 255
        return Keypoints2D(xy, score)
