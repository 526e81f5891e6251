"""The hands of people whose bodies are known: 21 landmarks each, looked at in turn within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from multiview.keypoints.blazepose import Region, region_input
from multiview.keypoints.crop import transform_points
from multiview.keypoints.hands import (
    hand_covariance,
    hand_extent,
    region_of_hand,
    region_of_palm,
    region_of_recrop,
    share_inside,
)
from multiview.models.card import load_card, model_file
from multiview.models.tflite import TfliteModel

__all__ = ["CARD", "AskedHand", "Hand", "HandFinder", "HandMemory"]

CARD = "mediapipe-hands"
LOOK_MS = {"full": 12.0, "lite": 6.5}
"""What one look costs on one core, ms: budgets are counted in these, so that the same pictures give the same hands."""
MIN_PRESENCE = 0.5
MIN_EXTENT_PX = 14.0  # of a smaller hand nothing can be told
MIN_INSIDE = 0.7  # of the region; a hand cut off further is a guess
MIN_WRIST_VISIBILITY = 0.1
MAX_WRIST_APART = 0.6  # of the hand's extent, of the hand's root from the body's wrist
_EXTENT_OF_REGION = 1 / 2.7  # of a region made from the body
_RECROP_SIZE = 256
_IN_TURN = 4.0  # times as much worth is a hand of the side whose turn it is


class Hand(NamedTuple):
    """The landmarks of one hand; `sure`, 0 to 1, that they are of the hand that was asked for."""

    xy: Float64[np.ndarray, "21 2"]
    cov: Float64[np.ndarray, "21 2 2"]
    sure: float


@dataclass(slots=True)
class HandMemory:
    """Of one person's hands, left and right: where they were seen last, and how many frames they have waited."""

    regions: list[Region | None] = field(default_factory=lambda: [None, None])
    waited: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(slots=True)
class AskedHand:
    """A hand that one would like to see: in which picture, of whom, where, and how much it is worth."""

    image: UInt8[np.ndarray, "H W 3"]
    memory: HandMemory
    side: int
    wrist: Float64[np.ndarray, " 2"]
    region: Region
    worth: float
    hand: Hand | None = None


class HandFinder:
    """Reads hands; of many, as many as `budget_ms` a call allows on average, the best and longest waiting first."""

    def __init__(self, lite: bool, budget_ms: float, threads: int) -> None:
        name, card = load_card(CARD)
        kind = "lite" if lite else "full"
        self.look_ms = LOOK_MS[kind]
        self._budget_ms, self._credit_ms, self._turn = budget_ms, 0.0, -1
        files = {file.name: model_file(name, file) for file in card.files}
        self._recrop = TfliteModel(files["hand_recrop.tflite"], (0,), threads)
        self._landmarks = TfliteModel(files[f"hand_landmark_{kind}.tflite"], (0, 1, 2), threads)
        self._side = self._landmarks.input_shape[1]

    def asked(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        memory: HandMemory,
        side: int,
        palm: Float64[np.ndarray, "3 2"],
        visibility: float,
    ) -> AskedHand | None:
        """A hand to look at, from the body's wrist, index and pinky; None where there is nothing to see."""
        memory.waited[side] += 1
        if visibility < MIN_WRIST_VISIBILITY or not np.isfinite(palm).all():
            memory.regions[side] = None
            return None
        region = region_of_palm(palm[0], palm[1], palm[2])
        extent = region.size * _EXTENT_OF_REGION
        inside = share_inside(region, (image.shape[1], image.shape[0]))
        if extent < MIN_EXTENT_PX or inside < MIN_INSIDE:
            memory.regions[side] = None
            return None
        worth = min(extent, 60.0) * visibility * memory.waited[side]
        return AskedHand(image, memory, side, palm[0], region, worth)

    def look(self, asked: list[AskedHand], frame: int) -> None:
        """Fill in the hands that are found, of as many as there is time for.

        Turns follow from the frames' numbers: in one frame all cameras look, and at the same side first, without a word
        between them, so that a hand is seen by several.
        """
        if self._budget_ms:
            self._credit_ms = min(self._credit_ms + self._budget_ms, max(2 * self._budget_ms, self.look_ms))
            before, self._turn = self._turn, int(frame * self._budget_ms / self.look_ms + 1e-6)
            if self._turn == before:
                return
        turn = self._turn % 2
        for one in sorted(asked, key=lambda hand: -hand.worth * (_IN_TURN if hand.side == turn else 1.0)):
            if self._budget_ms and self._credit_ms < self.look_ms - 1e-6:  # sums of shares are not exact
                return
            one.memory.waited[one.side] = 0
            one.hand = self._one(one)
            one.memory.regions[one.side] = None if one.hand is None else region_of_hand(one.hand.xy)

    def _one(self, asked: AskedHand) -> Hand | None:
        """From where the hand was last, else from where the body says; again from what is found there, if in doubt."""
        remembered = asked.memory.regions[asked.side]
        if remembered is not None and np.hypot(*(remembered.centre - asked.region.centre)) < 0.3 * asked.region.size:
            hand, _ = self._landmarked(asked, remembered)
            if hand is not None:
                return hand
        first, marks = self._landmarked(asked, self._recropped(asked))
        again, _ = self._landmarked(asked, region_of_hand(marks))
        return again or first

    def _recropped(self, asked: AskedHand) -> Region:
        tensor, back = region_input(asked.image, asked.region, _RECROP_SIZE)
        points = self._recrop(tensor, lambda outputs: np.array(outputs[0], np.float64).reshape(2, 2))
        centre, below = transform_points(back, points)
        return region_of_recrop(centre, below)

    def _landmarked(self, asked: AskedHand, region: Region) -> tuple[Hand | None, Float64[np.ndarray, "21 2"]]:
        """The hand in a region, if there is one, and where its landmarks would be in any case."""
        tensor, back = region_input(asked.image, region, self._side)

        def read(outputs: list[Float32[np.ndarray, ...]]) -> tuple[Float64[np.ndarray, "21 2"], float, float]:
            marks, presence, right = outputs
            return np.array(marks, np.float64).reshape(21, 3)[:, :2], float(presence.item()), float(right.item())

        self._credit_ms -= self.look_ms
        marks, presence, right = self._landmarks(tensor, read)
        xy = transform_points(back, marks)
        apart = float(np.hypot(*(xy[0] - asked.wrist)))
        if presence < MIN_PRESENCE or apart > MAX_WRIST_APART * hand_extent(xy):
            return None, xy
        # The network takes one hand for the other in a fifth of all cases: a doubt, not a verdict.
        sure = presence * (0.5 + 0.5 * (right if asked.side else 1.0 - right))
        return Hand(xy, hand_covariance(xy, sure), sure), xy
