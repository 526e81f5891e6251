"""Where people go in a synthetic studio and what they do there: walk, pass each other, turn, sit, reach, leave, return.

A small simulation, one step per frame. People steer towards a goal with a limited rate of turn, give way to the right,
and are kept `passing_distance` apart (measured between the axes of their bodies).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from multiview.synthetic.options import StudioOptions

__all__ = ["MAX_TURN_RATE", "Paths", "simulate_paths"]

MAX_TURN_RATE = 2.5  # rad/s
_ABSENCE_S = 3.0
_THIGH_M = 0.41  # how far the hips go back when sitting down
_ACTIVITIES = ("walk", "cross", "stand", "reach", "turn", "sit")
_LIKELIHOOD = (0.34, 0.22, 0.12, 0.12, 0.10, 0.10)
_WALKING = (0.6, 0.4, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """T instants of P people; `sit` and `reach` (left, right) are 0 to 1, `speed` m/s along the heading."""

    position: Float64[np.ndarray, "P T 2"]
    heading: Float64[np.ndarray, "P T"]
    speed: Float64[np.ndarray, "P T"]
    present: Bool[np.ndarray, "P T"]
    sit: Float64[np.ndarray, "P T"]
    reach: Float64[np.ndarray, "P T 2"]
    reach_height: Float64[np.ndarray, "P T"]


@dataclass(slots=True)
class _Person:
    """What one person is about."""

    doing: str
    until: float  # s, when a pause ends
    goal: np.ndarray
    pace: float
    leave_at: float = np.inf
    side: int = 0
    height: float = 1.5  # of a reach: shoulder angle, rad
    away_since: float = field(default=np.nan)


class _Crowd:
    def __init__(
        self, people: int, side: float, options: StudioOptions, leave_at: list[float], rng: np.random.Generator
    ) -> None:
        self.rng = rng
        self.likelihood = _WALKING if options.only_walking else _LIKELIHOOD
        self.side = side
        self.apart = 1.08 * options.passing_m  # smoothing the paths takes some of it away
        self.position = self._apart_from_each_other(people)
        self.heading = rng.uniform(-np.pi, np.pi, people)
        self.turn_rate = np.zeros(people)
        self.speed = np.zeros(people)
        self.sit, self.sit_rate = np.zeros(people), np.zeros(people)
        self.people = [
            _Person("stand", rng.uniform(0, 2), self.position[i], rng.uniform(*options.pace_m_s)) for i in range(people)
        ]
        for person, when in zip(self.people, leave_at, strict=False):
            person.leave_at = when

    def _anywhere(self, shrink: float = 0.85) -> np.ndarray:
        return self.rng.uniform(-0.5, 0.5, 2) * self.side * shrink

    def _apart_from_each_other(self, people: int) -> np.ndarray:
        """The best of many draws for each next person: furthest from those already placed."""
        chosen = [self._anywhere()]
        while len(chosen) < people:
            draws = np.stack([self._anywhere() for _ in range(20)])
            nearest = np.linalg.norm(draws[:, None] - np.stack(chosen), axis=-1).min(axis=1)
            chosen.append(draws[nearest.argmax()])
        return np.stack(chosen)

    @property
    def away(self) -> np.ndarray:
        return np.array([person.doing == "away" for person in self.people])

    def decide(self, now: float) -> None:
        """Whoever has arrived, or has paused long enough, does the next thing."""
        for i, person in enumerate(self.people):
            if person.doing == "away":
                if now - person.away_since >= _ABSENCE_S and self._free_around(i):
                    person.doing, person.goal = "walk", self._anywhere(0.6)
                    self.heading[i] = np.arctan2(*(person.goal - self.position[i])[::-1])
            elif now >= person.leave_at and person.doing != "sit":
                person.leave_at = np.inf
                outwards = self.position[i] / max(float(np.abs(self.position[i]).max()), 1e-9)
                person.doing, person.goal = "leave", outwards * (self.side * 0.5 + 0.5)
            elif person.doing in ("walk", "cross", "leave"):
                if np.linalg.norm(person.goal - self.position[i]) < 0.15 or now > person.until:
                    self._arrived(i, now)
            elif now >= person.until:
                self._next(i, now)

    def _free_around(self, i: int) -> bool:
        """Whether there is room to come in again."""
        distance = np.linalg.norm(self.position - self.position[i], axis=1)
        return bool((distance[~self.away] > self.apart + 0.2).all())

    def _arrived(self, i: int, now: float) -> None:
        person = self.people[i]
        if person.doing == "leave":
            person.doing, person.away_since = "away", now
            person.until = np.inf
            self.speed[i] = self.turn_rate[i] = 0.0
        else:
            self._next(i, now)

    def _next(self, i: int, now: float) -> None:
        person, rng = self.people[i], self.rng
        person.doing = str(rng.choice(_ACTIVITIES, p=self.likelihood))
        person.until = now + {"stand": 1.5, "reach": 2.0, "turn": 2.0, "sit": 5.0}.get(person.doing, 7.0)
        if person.doing == "reach":
            person.side, person.height = int(rng.integers(3)), rng.uniform(0.9, 2.6)
        elif person.doing == "turn":
            angle = self.heading[i] + rng.choice([-1, 1]) * rng.uniform(1.2, 3.0)
            person.goal = self.position[i] + 3 * np.array([np.cos(angle), np.sin(angle)])
        elif person.doing == "walk":
            person.goal = self._anywhere()
        elif person.doing == "cross":
            self._cross(i, now)

    def _cross(self, i: int, now: float) -> None:
        """Change places with someone who is free, so that the two meet half-way."""
        free = [
            j
            for j, other in enumerate(self.people)
            if j != i
            and other.doing in ("stand", "walk", "reach", "turn")
            and np.linalg.norm(self.position[j] - self.position[i]) > 1.2
        ]
        person = self.people[i]
        if not free:
            person.doing, person.goal = "walk", self._anywhere()
            return
        j = int(self.rng.choice(free))
        other = self.people[j]
        person.goal, other.goal = self.position[j].copy(), self.position[i].copy()
        other.doing, other.until = "cross", now + 7.0

    def step(self, now: float, dt: float) -> None:
        """Turn, walk, make room."""
        walking = np.array([person.doing in ("walk", "cross", "leave") for person in self.people])
        turning = walking | np.array([person.doing == "turn" for person in self.people])
        goal = np.stack([person.goal for person in self.people]) - self.position
        distance = np.linalg.norm(goal, axis=1)
        wanted = np.arctan2(goal[:, 1], goal[:, 0]) + self._give_way(goal, distance)
        error = np.where(turning, (wanted - self.heading + np.pi) % (2 * np.pi) - np.pi, 0.0)
        rate = np.clip(4.0 * error, -0.92 * MAX_TURN_RATE, 0.92 * MAX_TURN_RATE)
        self.turn_rate += (rate - self.turn_rate) * dt / 0.12
        self.heading += self.turn_rate * dt
        pace = np.array([person.pace for person in self.people])
        target = walking * pace * np.clip(np.cos(error), 0, 1) ** 2 * np.clip(distance / 0.4, 0.25, 1)
        self.speed += (target - self.speed) * dt / 0.25
        forward = self.speed - _THIGH_M * self._sit_down(now, dt)
        self.position += (forward * dt)[:, None] * np.stack([np.cos(self.heading), np.sin(self.heading)], axis=-1)
        for _ in range(4):
            self._make_room()

    def _sit_down(self, now: float, dt: float) -> np.ndarray:
        """Down or up in about a second, critically damped; returns the rate."""
        target = np.array([person.doing == "sit" and now < person.until - 1.5 for person in self.people])
        self.sit_rate += (20.0 * (target - self.sit) - 9.0 * self.sit_rate) * dt
        self.sit += self.sit_rate * dt
        return self.sit_rate

    def _give_way(self, goal: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """How far to turn right of the goal, so as to clear whoever stands in the way by half the passing distance."""
        between = self.position - self.position[:, None]
        range_ = np.linalg.norm(between, axis=-1) + 1e-9
        bearing = np.arctan2(between[..., 1], between[..., 0]) - np.arctan2(goal[:, 1], goal[:, 0])[:, None]
        bearing = (bearing + np.pi) % (2 * np.pi) - np.pi
        clearance = np.arcsin(np.clip(0.6 * self.apart / range_, 0, 1))
        blocking = (range_ < np.minimum(1.6, distance[:, None])) & ~self.away[None, :]
        np.fill_diagonal(blocking, False)
        turn = np.where(blocking & (np.abs(bearing) < clearance), bearing - clearance, 0.0)
        return np.asarray(turn.min(axis=1))

    def _make_room(self) -> None:
        between = self.position[:, None] - self.position
        range_ = np.linalg.norm(between, axis=-1)
        near = (range_ < self.apart) & ~self.away[:, None] & ~self.away[None, :]
        np.fill_diagonal(near, False)
        if near.any():
            push = np.where(near, 0.5 * (self.apart - range_) / (range_ + 1e-9), 0.0)
            self.position += (push[..., None] * between).sum(axis=1)


def simulate_paths(
    people: int, instants: int, fps: float, side: float, options: StudioOptions, rng: np.random.Generator
) -> Paths:
    """Let `people` move about a square of `side` m for `instants` steps, as the options say."""
    seconds = instants / fps
    leave_at = [float(rng.uniform(0.15, 0.5)) * seconds for _ in range(min(options.leaving, people))]
    crowd = _Crowd(people, side, options, leave_at, rng)
    position = np.empty((people, instants, 2))
    heading, speed, height = (np.empty((people, instants)) for _ in range(3))
    present = np.empty((people, instants), dtype=bool)
    sit = np.empty((people, instants))
    reach = np.zeros((people, instants, 2))
    for k in range(instants):
        crowd.decide(k / fps)
        crowd.step(k / fps, 1 / fps)
        position[:, k], heading[:, k], speed[:, k] = crowd.position, crowd.heading, crowd.speed
        present[:, k], sit[:, k] = ~crowd.away, crowd.sit
        for i, person in enumerate(crowd.people):
            height[i, k] = person.height
            if person.doing == "reach" and k / fps < person.until - 0.5:
                reach[i, k] = (person.side != 1, person.side != 0)
    return Paths(
        position=smoothed(position, 0.10 * fps, axis=1),
        heading=heading,
        speed=speed,
        present=present,
        sit=sit,
        reach=smoothed(reach, 0.16 * fps, axis=1),
        reach_height=smoothed(height, 0.3 * fps, axis=1),
    )


def smoothed(
    values: np.ndarray, sigma: float, axis: int = -1, mode: Literal["nearest", "reflect", "wrap"] = "nearest"
) -> np.ndarray:
    """Averaged by a Gaussian of `sigma` steps; `mode` says what lies beyond the ends."""
    from scipy.ndimage import gaussian_filter1d  # slow to import, and a rig needs no motion

    return np.asarray(gaussian_filter1d(values, sigma, axis=axis, mode=mode))
