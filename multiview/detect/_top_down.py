"""Top-down detection: boxes about people, one crop each, one network for all crops of all frames at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Float32, Float64

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.common.ranges import between
from multiview.data import Keypoints2D, VideoFrame
from multiview.detect._person_boxes import PersonBoxes
from multiview.errors import ConfigError
from multiview.keypoints.crop import (
    crop_affine,
    crop_region,
    invert_affine,
    transform_covariance,
    transform_points,
)
from multiview.keypoints.heatmaps import Joints
from multiview.keypoints.suppress import box_iou, boxes_of, oks_nms
from multiview.models.card import ModelCard
from multiview.models.onnx import Device
from multiview.models.tensor import network_input

__all__ = ["TopDown", "TopDownOptions"]

SAME_BOX = 0.3  # overlap (intersection over union) from which two boxes are one person's
Probability = Annotated[float, between(0, 1)]
People = Annotated[int, between(0, 1024, "people")]
Count = Annotated[int, between(1, 1_000_000)]


class TopDownOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every top-down detector can be told."""

    person_detector: str = (
        ""  # card that finds people; empty: the model card's own; "none": one person fills the picture
    )
    device: Device = "auto"  # where the networks run
    threads: Count = 1  # of the CPU
    batch: Count = 32  # most crops in one pass
    max_people: Annotated[int, between(0, 1024, "people")] = (
        0  # most people in one camera, the best boxes first; 0: no limit
    )
    min_person_score: Probability = 0.4  # of the person detector
    min_score: Probability = 0.05  # of a joint, below it the joint is missing
    search_every: Count = 1  # frames between two searches; in between, people are looked for where they were
    search_every_expected: Count = 10  # the same, where fusion says in whose regions to look
    same_person: Probability = 0.9  # similarity (OKS) from which two skeletons are one person


class TopDown:
    """The part that all top-down detectors share; `infer` turns a batch of crops into joints in pixels of the crop."""

    def __init__(
        self,
        card: ModelCard,
        options: TopDownOptions,
        infer: Callable[[Float32[np.ndarray, "N _ _ _"]], Joints],
    ) -> None:
        self.card, self._options, self._infer = card, options, infer
        self.skeleton: Skeleton = load_skeleton(card.skeleton)
        self._finder: PersonBoxes | None = None
        finder = options.person_detector or card.person_detector
        if not finder:
            raise ConfigError(
                'this model\'s card names no person detector: set person_detector to a card, or to "none"'
            )
        if finder != "none":
            self._finder = PersonBoxes(finder, options.device, options.threads, options.min_person_score)
        self._last: dict[str, tuple[int, Float64[np.ndarray, "P 4"]]] = {}  # frames since a search, and boxes then
        self._expected: dict[str, Float64[np.ndarray, "P 4"]] = {}
        self.stage_ns: dict[str, int] = {}

    def expect(self, camera: str, boxes: Float64[np.ndarray, "P 4"]) -> None:
        """Where people will be in a camera's next frame (px): it then searches for new ones only now and then."""
        self._expected[camera] = boxes

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """Who is seen in each frame."""
        t0 = perf_counter_ns()
        boxes = [self._boxes(frame) for frame in frames]
        t1 = perf_counter_ns()
        owner = np.repeat(np.arange(len(frames)), [len(b) for b in boxes])
        affines = [self._affine(box) for b in boxes for box in b]
        crops, joints = 0, []
        infer_ns = 0
        for i in range(0, len(affines), self._options.batch):
            part = slice(i, i + self._options.batch)
            tensor = network_input([frames[k].image for k in owner[part]], affines[part], self.card)
            t2 = perf_counter_ns()
            joints.append(self._infer(tensor))
            infer_ns += perf_counter_ns() - t2
            crops += len(tensor)
        t3 = perf_counter_ns()
        found = [self._keypoints(frame, joints, affines, np.flatnonzero(owner == k)) for k, frame in enumerate(frames)]
        self.stage_ns = {
            "search": t1 - t0,
            "crop": t3 - t1 - infer_ns,
            "infer": infer_ns,
            "decode": perf_counter_ns() - t3,
        }
        return found

    def _boxes(self, frame: VideoFrame) -> Float64[np.ndarray, "P 4"]:
        height, width = frame.image.shape[:2]
        if self._finder is None:
            return np.array([[-0.5, -0.5, width - 0.5, height - 0.5]])  # to the outer edges of the outermost pixels
        since, boxes = self._last.get(frame.camera, (0, np.zeros((0, 4))))
        expected = self._expected.pop(frame.camera, None)
        patience = self._options.search_every
        if expected is not None:  # whoever fusion does not know yet is still looked for where they were
            boxes = _union(expected, boxes)
            patience = max(patience, self._options.search_every_expected)
        if not len(boxes) or since + 1 >= patience:
            boxes, since = self._finder.find(frame.image), -1
        boxes = boxes[: self._options.max_people or None]
        self._last[frame.camera] = (since + 1, boxes)
        return boxes

    def _affine(self, box: Float64[np.ndarray, " 4"]) -> Float64[np.ndarray, "2 3"]:
        centre, size = crop_region(box, self.card.input_size, self.card.padding)
        return crop_affine(centre, np.maximum(size, 1.0), self.card.input_size, udp=self.card.crop == "person_udp")

    def _keypoints(
        self, frame: VideoFrame, joints: list[Joints], affines: list[Float64[np.ndarray, "2 3"]], rows: np.ndarray
    ) -> Keypoints2D:
        if not len(rows):
            return Keypoints2D.nobody(len(self.skeleton.joints))
        xy, score, cov = (np.concatenate([getattr(j, name) for j in joints])[rows] for name in ("xy", "score", "cov"))
        if xy.shape[1] != len(self.skeleton.joints):
            raise ConfigError(
                f"the network gives {xy.shape[1]} joints and its card's skeleton {self.skeleton.name} "
                f"has {len(self.skeleton.joints)}"
            )
        for i, row in enumerate(rows):
            back = invert_affine(affines[row])
            xy[i], cov[i] = transform_points(back, xy[i]), transform_covariance(back, cov[i])
        score = np.where(np.isfinite(xy[..., 0]) & (score >= self._options.min_score), score, 0.0)
        xy = np.where(score[..., None] > 0, xy, np.nan)
        kept = oks_nms(xy, score.mean(axis=1), self.skeleton.oks_sigmas, self._options.same_person)
        kept = kept[score[kept].max(axis=1) > 0]
        since, _ = self._last.get(frame.camera, (0, None))
        self._last[frame.camera] = (since, boxes_of(xy[kept]))
        return Keypoints2D(xy[kept], score[kept], cov[kept])


def _union(first: Float64[np.ndarray, "N 4"], second: Float64[np.ndarray, "M 4"]) -> Float64[np.ndarray, "P 4"]:
    """All of the first boxes, and those of the second that are of nobody else."""
    new = box_iou(second, first).max(axis=1, initial=0.0) < SAME_BOX
    return np.concatenate([first, second[new]])
