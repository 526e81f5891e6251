"""BlazePose: 33 joints of several people on a CPU, 21 of each of their hands, and 12 or 68 of their faces.

One network finds people in square tiles of the picture; a second reads 33 landmarks in an upright square region about
each. From then on a person's region follows from their last landmarks, and tiles are searched one at a time, in turn,
for whoever is new. Two regions that come to show one person are one person.

Source: Bazarevsky et al., BlazePose: On-device Real-time Body Pose Tracking, 2020. Weights: the cards `blazepose` and,
with `hands = true`, `mediapipe-hands`, with `face = true`, `mediapipe-face`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import msgspec
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from multiview.body.skeleton import load_skeleton
from multiview.common.ranges import between
from multiview.data import Keypoints2D, VideoFrame
from multiview.detect import _faces, _hands
from multiview.detect._faces import Face, FaceFinder, FaceMemory
from multiview.detect._hands import AskedHand, HandFinder, HandMemory
from multiview.keypoints.blazepose import (
    Landmarks,
    Region,
    decode_landmarks,
    decode_people,
    overlapping_tiles,
    region_of_axis,
    region_of_box,
    ssd_anchors,
)
from multiview.keypoints.crop import crop_affine, invert_affine, transform_covariance, transform_points, warp
from multiview.keypoints.faces import SMALL_FACE
from multiview.keypoints.suppress import boxes_of, oks
from multiview.models.card import load_card, model_file
from multiview.models.tflite import TfliteModel

__all__ = ["Detector", "Options", "cards_of", "skeleton_of"]

FINDER_SIZE = 224
_HEAD, _FACE_AT = 11, 75  # the body's first joints; where a face's begin, behind both hands
_PALMS = ((15, 19, 17), (16, 20, 18))  # wrist, index and pinky, left and right
Probability = Annotated[float, between(0, 1)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How BlazePose looks for people."""

    max_people: Annotated[int, between(0, 1024, "people")] = 8  # most people followed in one camera; 0: no limit
    min_person_score: Probability = 0.5  # of the person finder, for a new person
    min_pose_score: Probability = 0.5  # of the landmark network, below it a person is lost
    min_presence: Probability = 0.1  # of a joint, below it the joint is missing
    search_every: Annotated[int, between(1, 1_000_000)] = 5  # frames between two tiles searched for new people
    search_every_expected: Annotated[int, between(1, 1_000_000)] = 15  # the same, where fusion says where people are
    # Searched for people: 1, the whole picture; 2, also squares of its short side; 3, also squares of 2/3 of it.
    tiles: Annotated[int, between(1, 5)] = 3
    same_person: Probability = 0.5  # similarity (OKS) from which two regions are taken for one person
    threads: Annotated[int, between(1, 1024, "threads")] = 1  # of the CPU, for each network
    hands: bool = False  # whether hands are read, too: 75 joints
    hands_lite: bool = False  # by the smaller network, twice as fast and a little less sure
    # ms a frame for hands on average, at 12 ms a look (lite: 6.5), the best seen and longest waiting first; 0: no limit
    hands_budget_ms: Annotated[float, between(0, 10_000, "ms")] = 0.0
    face: bool = False  # whether faces are read, too: 87 joints, those of hands among them, or
    face_points: Literal[12, 68] = 12  # 143, with expressions of eyes and mouth


DEFAULTS = Options()


class _Person(NamedTuple):
    region: Region  # where to look next
    score: float
    xy: Float64[np.ndarray, "J 2"]
    joint_score: Float64[np.ndarray, " J"]
    visibility: Float64[np.ndarray, " J"]
    cov: Float64[np.ndarray, "J 2 2"]
    hands: HandMemory
    face: FaceMemory


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera between frames."""

    size: tuple[int, int]
    tiles: list[Region]
    people: list[_Person] = field(default_factory=list)
    frames: int = 0
    next_tile: int = 0


ROUNDED_EVERY = 10  # frames, by their numbers
SIZE_STEP, CENTRE_STEP, ROTATION_STEP = 1.12, 1 / 12, float(np.deg2rad(8.0))  # a ratio; a share of the size; rad


def skeleton_of(options: Options) -> str:
    """The skeleton of what it finds: its card's.

    Args:
        options: Any.

    Returns:
        Its name.
    """
    if options.face and options.face_points == 12:
        return "blazepose87"
    return load_card(cards_of(options)[-1])[1].skeleton


def cards_of(options: Options) -> tuple[str, ...]:
    """The cards of the networks that it runs.

    Args:
        options: Any.

    Returns:
        Their names.
    """
    hands, face = (_hands.CARD,) if options.hands else (), (_faces.CARD,) if options.face else ()
    return ("blazepose", *hands, *face)


class Detector:
    """Follows people in each camera by name; a frame of another size starts that camera anew."""

    def __init__(self, options: Options = DEFAULTS) -> None:
        self.options = options
        name, card = load_card("blazepose")
        self.skeleton = load_skeleton(skeleton_of(options))
        self._sigmas = load_skeleton(card.skeleton).oks_sigmas
        self._body = len(self._sigmas)
        self._hands = (
            HandFinder(options.hands_lite, options.hands_budget_ms, options.threads) if options.hands else None
        )
        self._face = FaceFinder(options.threads) if options.face else None
        self._face_points = np.array(SMALL_FACE) if options.face_points == 12 else np.arange(68)
        finder, landmarks = (model_file(name, file) for file in card.files)
        self._finder = TfliteModel(finder, (0, 1), options.threads)
        # Output 2 is a mask and 4 a second set of landmarks, in metres; leaving them out saves 40 % of the time.
        self._landmarks = TfliteModel(landmarks, (0, 1, 3), options.threads)
        self._tensor = np.empty(self._landmarks.input_shape, np.float32)
        self._anchors = ssd_anchors(FINDER_SIZE)
        self._cameras: dict[str, _Camera] = {}
        self._expected: dict[str, Float64[np.ndarray, "N 4"]] = {}
        self.stage_ns: dict[str, int] = {}
        # The kernel is compiled or loaded now, not when the first person comes.
        decode_landmarks(np.zeros((1, 195), np.float32), np.zeros((64, 64, 39), np.float32), 256)

    def expect(self, camera: str, boxes: Float64[np.ndarray, "N 4"]) -> None:
        """Where people will be in a camera's next frame (px): whoever was lost there is found again at once."""
        self._expected[camera] = boxes

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """Who is seen in each frame."""
        self.stage_ns = dict.fromkeys(("crop", "search", "infer", "decode"), 0)
        people = [self._one(frame) for frame in frames]
        found = [_with_room(self._keypoints(those), len(self.skeleton.joints)) for those in people]
        if self._hands is not None:
            start = perf_counter_ns()
            asked = [self._asked_hands(frame.image, those) for frame, those in zip(frames, people, strict=True)]
            wanted = [hand for those in asked for hand in those.values() if hand is not None]
            self._hands.look(wanted, max((frame.index for frame in frames), default=0))
            for keypoints, hands in zip(found, asked, strict=True):
                self._put_hands(hands, keypoints)
            self.stage_ns["hands"] = perf_counter_ns() - start
        if self._face is not None:
            start = perf_counter_ns()
            for frame, those, keypoints in zip(frames, people, found, strict=True):
                for p, person in enumerate(those):
                    face = self._face.find(frame.image, person.face, person.xy[:_HEAD])
                    if face is not None:
                        self._put_face(p, face, keypoints)
            self.stage_ns["face"] = perf_counter_ns() - start
        return found

    def _asked_hands(
        self, image: UInt8[np.ndarray, "H W 3"], people: list[_Person]
    ) -> dict[tuple[int, int], AskedHand | None]:
        """By person and side, what there is to look at."""
        assert self._hands is not None
        return {
            (p, side): self._hands.asked(
                image, person.hands, side, person.xy[list(palm)], float(person.visibility[palm[0]])
            )
            for p, person in enumerate(people)
            for side, palm in enumerate(_PALMS)
        }

    def _put_hands(self, hands: dict[tuple[int, int], AskedHand | None], keypoints: Keypoints2D) -> None:
        """Write the hands that were found, left ones first, behind the body's joints."""
        assert keypoints.cov is not None
        for (person, side), asked in hands.items():
            if asked is not None and asked.hand is not None:
                at = slice(self._body + 21 * side, self._body + 21 * (side + 1))
                keypoints.xy[person, at], keypoints.cov[person, at] = asked.hand.xy, asked.hand.cov
                keypoints.score[person, at] = asked.hand.sure

    def _put_face(self, person: int, face: Face, keypoints: Keypoints2D) -> None:
        """Write a face behind the joints of the hands."""
        assert keypoints.cov is not None
        at, points = slice(_FACE_AT, _FACE_AT + len(self._face_points)), self._face_points
        keypoints.xy[person, at], keypoints.cov[person, at] = face.xy[points], face.cov[points]
        keypoints.score[person, at] = face.sure

    def _one(self, frame: VideoFrame) -> list[_Person]:
        size = (frame.image.shape[1], frame.image.shape[0])
        camera = self._cameras.get(frame.camera)
        if camera is None or camera.size != size:
            camera = self._cameras[frame.camera] = _Camera(size, overlapping_tiles(size, self.options.tiles))
        before = len(camera.people)
        people = [
            p._replace(hands=person.hands, face=person.face)
            for person in camera.people
            if (p := self._look(frame.image, _region_at(frame.index, person.region))) is not None
        ]
        lost = before - len(people)
        people = self._distinct(people)
        expected = self._expected.pop(frame.camera, None)
        for region in map(region_of_box, () if expected is None else expected):
            people = self._add(frame.image, region, people)
        if not self.options.max_people or len(people) < self.options.max_people:
            for tile in self._tiles_to_search(camera, lost, expected is not None):
                people = self._search(frame.image, tile, people)
        people = people[: self.options.max_people or None]
        camera.people, camera.frames = people, camera.frames + 1
        return people

    def _tiles_to_search(self, camera: _Camera, lost: int, expecting: bool) -> list[Region]:
        """All tiles in the first frame, the whole picture when someone was lost, else one now and then, in turn."""
        if camera.frames == 0:
            return camera.tiles
        if lost and not expecting:
            return camera.tiles[:1]
        every = self.options.search_every_expected if expecting else self.options.search_every
        if camera.people and camera.frames % every:
            return []
        camera.next_tile = (camera.next_tile + 1) % len(camera.tiles)
        return [camera.tiles[camera.next_tile]]

    def _search(self, image: UInt8[np.ndarray, "H W 3"], tile: Region, people: list[_Person]) -> list[_Person]:
        """`people` and whoever else is found in the tile."""
        start = perf_counter_ns()
        affine = crop_affine(tile.centre, np.full(2, tile.size), (FINDER_SIZE, FINDER_SIZE), tile.rotation)
        crop = warp(image, affine, (FINDER_SIZE, FINDER_SIZE))
        tensor = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32)[None] * np.float32(1 / 127.5) - np.float32(1)
        axes = self._finder(tensor, self._read_people) * FINDER_SIZE
        axes = transform_points(invert_affine(affine), axes)
        self.stage_ns["search"] += perf_counter_ns() - start
        for hips, top in axes:
            people = self._add(image, region_of_axis(hips, top), people)
        return people

    def _add(self, image: UInt8[np.ndarray, "H W 3"], region: Region, people: list[_Person]) -> list[_Person]:
        """`people` and whoever else is in the region."""
        if any(_shows(region, person) for person in people):
            return people
        person = self._look(image, region)
        # The network reads the landmarks better from a region of its own making.
        person = person and self._look(image, person.region)
        return self._distinct([*people, person] if person else people)

    def _read_people(self, outputs: list[Float32[np.ndarray, ...]]) -> Float64[np.ndarray, "P 2 2"]:
        raw, logits = outputs
        return decode_people(raw[0], logits[0, :, 0], self._anchors, self.options.min_person_score)

    def _read_landmarks(self, outputs: list[Float32[np.ndarray, ...]]) -> tuple[int, float, Landmarks | None]:
        """When the network was done, how sure it is of a person, and their landmarks if it is sure enough."""
        done = perf_counter_ns()
        raw, flag, heatmaps = outputs
        score = float(flag.item())
        if score < self.options.min_pose_score:
            return done, score, None
        return done, score, decode_landmarks(raw, heatmaps[0], self._landmarks.input_shape[1])

    def _look(self, image: UInt8[np.ndarray, "H W 3"], region: Region) -> _Person | None:
        """The person in a region, or None if there is none."""
        t0 = perf_counter_ns()
        height, width = self._landmarks.input_shape[1:3]
        affine = crop_affine(region.centre, np.full(2, region.size), (width, height), region.rotation)
        crop = warp(image, affine, (width, height))
        np.multiply(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), np.float32(1 / 255), out=self._tensor[0])
        t1 = perf_counter_ns()
        t2, score, marks = self._landmarks(self._tensor, self._read_landmarks)
        person = None
        if marks is not None:
            back = invert_affine(affine)
            joints = self._body
            xy = transform_points(back, marks.xy)
            person = _Person(
                region_of_axis(xy[joints], xy[joints + 1]),
                score,
                xy[:joints],
                marks.presence[:joints],
                marks.visibility[:joints],
                transform_covariance(back, marks.cov[:joints]),
                HandMemory(),
                FaceMemory(),
            )
        t3 = perf_counter_ns()
        for stage, ns in (("crop", t1 - t0), ("infer", t2 - t1), ("decode", t3 - t2)):
            self.stage_ns[stage] += ns
        return person

    def _distinct(self, people: list[_Person]) -> list[_Person]:
        """Of people too alike to be two, the one followed for longer (they stand in that order)."""
        kept: list[_Person] = []
        for person in people:
            boxes = boxes_of(np.stack([p.xy for p in [person, *kept]]))
            area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            alike = (
                oks(person.xy[None], other.xy[None], area[[0, i]].mean(keepdims=True), self._sigmas)[0, 0]
                for i, other in enumerate(kept, start=1)
            )
            if not any(similarity >= self.options.same_person for similarity in alike):
                kept.append(person)
        return kept

    def _keypoints(self, people: list[_Person]) -> Keypoints2D:
        if not people:
            return Keypoints2D.nobody(self._body)
        stack: Any = lambda name: np.stack([getattr(person, name) for person in people])
        score, xy = stack("joint_score") * np.array([[person.score] for person in people]), stack("xy")
        there = score >= self.options.min_presence
        return Keypoints2D(
            np.where(there[..., None], xy, np.nan), np.where(there, score, 0.0), stack("cov"), stack("visibility")
        )


def _with_room(body: Keypoints2D, joints: int) -> Keypoints2D:
    """The body's joints first, as the skeleton has them, then room for those of hands and face."""
    people, own = body.score.shape
    if own == joints:
        return body
    xy, score = np.full((people, joints, 2), np.nan), np.zeros((people, joints))
    cov, visibility = np.tile(np.eye(2), (people, joints, 1, 1)), np.ones((people, joints))
    xy[:, :own], score[:, :own] = body.xy, body.score
    if body.cov is not None and body.visibility is not None:
        cov[:, :own], visibility[:, :own] = body.cov, body.visibility
    return Keypoints2D(xy, score, cov, visibility)


def _region_at(index: int, region: Region) -> Region:
    """Where to look in a frame: now and then in rounded regions, so that whoever begins at another frame sees the same.

    The network reads landmarks a few pixels off in a slightly other region, and the next region comes of these: without
    rounding, two runs over one video that began at different frames would never agree.
    """
    if index % ROUNDED_EVERY:
        return region
    size = SIZE_STEP ** round(np.log(region.size) / np.log(SIZE_STEP))
    step = CENTRE_STEP * size
    centre = np.round(region.centre / step) * step
    return region._replace(centre=centre, size=size, rotation=ROTATION_STEP * round(region.rotation / ROTATION_STEP))


def _shows(region: Region, person: _Person) -> bool:
    """Whether a region found anew is that of a person already followed: about their hips, and of their size."""
    distance = float(np.hypot(*(region.centre - person.region.centre)))
    return distance < 0.15 * person.region.size and 0.5 < region.size / person.region.size < 2.0
