"""A camera that goes away is said once, and so is its return."""

from __future__ import annotations

from types import SimpleNamespace

from services.capture.camera_news import CameraNews


def test_camera_news_says_once_what_happens() -> None:
    one = SimpleNamespace(name="cam01", trouble="", reconnects=0)
    two = SimpleNamespace(name="cam02", trouble="", reconnects=0)
    news = CameraNews([one, two])
    assert list(news.look(10.0)) == []
    two.trouble, two.reconnects = "it was unplugged; it is opened again", 1
    assert list(news.look(11.0)) == ["cam02: it was unplugged; it is opened again"]
    assert list(news.look(12.0)) == []
    two.trouble = ""
    assert list(news.look(12.5)) == ["cam02: it is back after 1.5 s"]
    assert list(news.look(13.0)) == []
    one.reconnects = 1  # it was gone for a moment, between two looks
    assert list(news.look(14.0)) == ["cam01: it broke off and is back"]
    assert list(news.look(15.0)) == []
