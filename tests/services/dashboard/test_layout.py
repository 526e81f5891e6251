"""What names can do to a page: nothing."""

from __future__ import annotations

import pytest
from nicegui import Client, ui
from nicegui.page import page

from services.dashboard.layout import called

NAMES = ("cam 1", 'a" onclick="alert(1)', "<script>alert(1)</script>", "a' b", "x=1 :y=2", "相机1")


@pytest.mark.parametrize("name", NAMES)
def test_name_in_a_label_is_that_label_and_no_other_attribute(name: str) -> None:
    with Client(page("/")):
        button = called(ui.button("x").props("flat dense"), f"Leave out {name}")
    assert button.props["aria-label"] == f"Leave out {name}"
    assert {"onclick", ":y", "x", "b"}.isdisjoint(button.props)
