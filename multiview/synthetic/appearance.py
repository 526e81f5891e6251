"""What a rendered person looks like: build, skin, hair and clothes, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.synthetic import raycast_kernels as kernels

__all__ = ["Appearance", "sample_appearance"]


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Build, hair and clothes of one person; colours are RGB in [0, 1]."""

    girth: float
    skin: Float64[np.ndarray, " 3"]
    hair: Float64[np.ndarray, " 3"]
    long_hair: bool
    cap: bool
    top: Float64[np.ndarray, "2 3"]
    print_colour: Float64[np.ndarray, " 3"]
    top_pattern: tuple[int, float, float]
    top_feature: int
    sleeve: float
    trousers: Float64[np.ndarray, "2 3"]
    trouser_pattern: tuple[int, float, float]
    trouser_length: float
    skirt: bool
    shoes: Float64[np.ndarray, " 3"]
    backpack: Float64[np.ndarray, " 3"] | None
    bust: float
    gloss: float


_SKIN = np.array(
    [
        [0.98, 0.84, 0.75],
        [0.93, 0.74, 0.61],
        [0.82, 0.61, 0.46],
        [0.66, 0.45, 0.32],
        [0.45, 0.29, 0.2],
        [0.3, 0.19, 0.13],
    ]
)
_HAIR = np.array(
    [
        [0.06, 0.05, 0.05],
        [0.16, 0.1, 0.07],
        [0.32, 0.2, 0.12],
        [0.6, 0.45, 0.25],
        [0.82, 0.7, 0.45],
        [0.55, 0.22, 0.1],
        [0.7, 0.7, 0.7],
    ]
)


def _cloth_colour(rng: np.random.Generator) -> Float64[np.ndarray, " 3"]:
    """A dye: any hue, often dark, grey or white as clothes are."""
    if rng.random() < 0.35:
        return np.full(3, rng.uniform(0.04, 0.95)) * rng.uniform(0.93, 1.0, 3)
    hue, saturation, value = rng.random(), rng.uniform(0.3, 1.0), rng.uniform(0.15, 0.95)
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation * (1 - wheel))


def _pattern(rng: np.random.Generator, held_out: bool) -> tuple[int, float, float]:
    """A weave: kind, frequency, phase; some kinds are kept for held-out pictures and never trained on."""
    kinds = (
        [kernels.DOTS, kernels.CAMOUFLAGE]
        if held_out
        else [kernels.STRIPES, kernels.HOOPS, kernels.CHECKS, kernels.MOTTLED]
    )
    kind = kernels.PLAIN if rng.random() < 0.5 else int(rng.choice(kinds))
    return kind, float(rng.uniform(0.8, 4.0)), float(rng.uniform(0, 6.28))


def sample_appearance(rng: np.random.Generator, held_out: bool = False) -> Appearance:
    """Draw one person's build and clothes; `held_out` uses the weaves that training never shows."""
    top, trousers = _cloth_colour(rng), _cloth_colour(rng)
    short = rng.random()
    return Appearance(
        girth=float(np.clip(rng.normal(1.0, 0.11), 0.8, 1.4)),
        skin=np.clip(_SKIN[rng.integers(len(_SKIN))] + rng.normal(0, 0.03, 3), 0.05, 1),
        hair=np.clip(_HAIR[rng.integers(len(_HAIR))] + rng.normal(0, 0.03, 3), 0.02, 1),
        long_hair=bool(rng.random() < 0.35),
        cap=bool(rng.random() < 0.12),
        top=np.stack([top, _cloth_colour(rng)]),
        print_colour=_cloth_colour(rng),
        top_pattern=_pattern(rng, held_out),
        top_feature=int(rng.choice([kernels.NO_FEATURE, kernels.PLACKET, kernels.EMBLEM, kernels.COLLAR])),
        sleeve=float(rng.choice([0.1, 0.5, 0.8, 1.1, 2.0])),
        trousers=np.stack([trousers, _cloth_colour(rng)]),
        trouser_pattern=_pattern(rng, held_out),
        trouser_length=float(0.6 if short < 0.2 else 1.0 if short < 0.35 else 2.0),
        skirt=bool(rng.random() < 0.1),
        shoes=_cloth_colour(rng),
        backpack=_cloth_colour(rng) if rng.random() < 0.08 else None,
        bust=float(max(0.0, rng.normal(0.0, 0.5))),
        gloss=float(rng.uniform(0, 0.25)),
    )
