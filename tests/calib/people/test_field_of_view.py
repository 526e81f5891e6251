"""Fields of view against tables of lenses."""

import pytest

from calib.people.field_of_view import field_of_view_deg
from multiview.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("70", 70.0),
        ("27mm", 65.3),  # 4:3: 34.6 mm of film, at 27 mm
        ("logitech_c920", 70.42),  # across, as the maker's table has it beside 78 across the diagonal
        ("iPhone_main", 67.3),
    ],
)
def test_field_of_view_is_read_as_people_know_it(text, degrees):
    assert field_of_view_deg(text) == pytest.approx(degrees, abs=0.05)


@pytest.mark.parametrize("text", ["wide", "0", "0mm", "nan", "-26mm", "179", "mm", ""])
def test_field_of_view_that_is_none_is_refused_with_what_can_be_given(text):
    with pytest.raises(ConfigError, match=r"as in 26mm, or one of iphone_main.*logitech_c920"):
        field_of_view_deg(text)
