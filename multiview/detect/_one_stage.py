"""One-stage detection: the whole picture once through the network, everyone in it with their joints out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Shaped

from multiview.body.skeleton import load_skeleton
from multiview.common.ranges import between
from multiview.data import Keypoints2D, VideoFrame
from multiview.errors import ConfigError
from multiview.keypoints.crop import invert_affine, letterbox_affine, transform_points
from multiview.keypoints.one_stage import Found
from multiview.keypoints.suppress import oks_nms
from multiview.models.card import ModelCard, model_file
from multiview.models.onnx import Device, OnnxModel
from multiview.models.tensor import network_input

__all__ = ["OneStage", "OneStageOptions"]

Probability = Annotated[float, between(0, 1)]


class OneStageOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every one-stage detector can be told."""

    device: Device = "auto"  # where the network runs
    threads: Annotated[int, between(1, 1024, "threads")] = 1  # of the CPU
    max_people: Annotated[int, between(0, 1024, "people")] = 0  # most people in one camera, the best first; 0: no limit
    min_person_score: Probability = 0.3  # of a person
    min_score: Probability = 0.05  # of a joint, below it the joint is missing
    same_person: Probability = 0.9  # similarity (OKS) from which two skeletons are one person


class OneStage:
    """The part that all one-stage detectors share; `decode` reads one picture's outputs, in pixels of the input."""

    def __init__(
        self,
        name: str,
        card: ModelCard,
        options: OneStageOptions,
        decode: Callable[[dict[str, Shaped[np.ndarray, ...]]], Found],
    ) -> None:
        self.card, self._options, self._decode = card, options, decode
        self.skeleton = load_skeleton(card.skeleton)
        self.model = OnnxModel(model_file(name, card.files[0]), options.device, options.threads)
        self.stage_ns: dict[str, int] = {}

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """Who is seen in each frame."""
        if not frames:
            return []
        t0 = perf_counter_ns()
        centred = self.card.crop == "letterbox_centred"
        affines = [
            letterbox_affine((f.image.shape[1], f.image.shape[0]), self.card.input_size, centred) for f in frames
        ]
        tensor = network_input([frame.image for frame in frames], affines, self.card)
        t1 = perf_counter_ns()
        outputs = self.model(tensor)
        t2 = perf_counter_ns()
        found = []
        for i, affine in enumerate(affines):
            one = self._decode({name: value[i] for name, value in outputs.items()})
            found.append(self._keypoints(one, invert_affine(affine)))
        self.stage_ns = {"crop": t1 - t0, "infer": t2 - t1, "decode": perf_counter_ns() - t2}
        return found

    def _keypoints(self, found: Found, back: np.ndarray) -> Keypoints2D:
        if found.xy.shape[1] != len(self.skeleton.joints):
            raise ConfigError(
                f"{self.model.path} gives {found.xy.shape[1]} joints and its card's skeleton {self.skeleton.name} "
                f"has {len(self.skeleton.joints)}"
            )
        score = np.where(found.joint_scores >= self._options.min_score, np.clip(found.joint_scores, 0.0, 1.0), 0.0)
        xy = np.where(score[..., None] > 0, transform_points(back, found.xy), np.nan)
        kept = oks_nms(xy, found.scores, self.skeleton.oks_sigmas, self._options.same_person)
        kept = kept[(score[kept] > 0).any(axis=1)][: self._options.max_people or None]
        return Keypoints2D(xy[kept], score[kept])
