"""Colours that tell people apart, on dark and light grounds alike."""

from __future__ import annotations

__all__ = ["RGB", "blend", "hex_colours", "person_colour", "side_colour"]

RGB = tuple[float, float, float]  # each in [0, 1]

# Close in lightness, far apart in hue, the first eight told apart with red-green blindness by lightness and blue.
_PEOPLE: tuple[str, ...] = (
    "#4cb4ff",
    "#ff9d42",
    "#5fd68b",
    "#f2739f",
    "#b794f6",
    "#f5d34f",
    "#45d3d3",
    "#ff7a66",
    "#9bd34a",
    "#d99cec",
    "#8fb3c9",
    "#d9a679",
)


def hex_colours() -> tuple[str, ...]:
    """The colours of identities as #rrggbb, for pages that draw them."""
    return _PEOPLE


def person_colour(person: int) -> RGB:
    """The colour of an identity; it comes round again after twelve."""
    text = _PEOPLE[person % len(_PEOPLE)]
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def side_colour(colour: RGB, joint: str) -> RGB:
    """A person's own left a little lighter, their right a little darker, so that one sees which way they face."""
    if joint.startswith("left_"):
        return blend(colour, (1.0, 1.0, 1.0), 0.35)
    if joint.startswith("right_"):
        return blend(colour, (0.0, 0.0, 0.0), 0.28)
    return colour


def blend(a: RGB, b: RGB, amount: float) -> RGB:
    """`a` at amount 0, `b` at 1."""
    return (a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount)
