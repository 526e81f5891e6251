"""Links and cookies: who gets one, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.errors import ConfigError
from services.dashboard import access as module
from services.dashboard.access import COOKIE_S, Access, Role, signing_key
from services.dashboard.limits import RateLimit

KEY = b"k" * 32


@pytest.mark.parametrize("role", list(Role))
def test_link_lets_one_browser_in(role: Role) -> None:
    access = Access(KEY)
    token = access.new_token(role)
    cookie = access.redeem(token)
    assert cookie is not None
    session = access.session(cookie)
    assert session is not None
    assert session.role is role
    assert access.redeem(token) is None
    assert access.redeem("") is None


def test_cookies_differ_and_outlive_a_restart() -> None:
    access = Access(KEY)
    cookies = [access.redeem(access.new_token(Role.VIEW)) or "" for _ in range(2)]
    sessions = [Access(KEY).session(cookie) for cookie in cookies]
    assert None not in sessions
    assert len({session.number for session in sessions if session}) == 2
    assert Access(b"other" * 8).session(cookies[0]) is None


def test_cookie_that_was_changed_is_none() -> None:
    access = Access(KEY)
    cookie = access.redeem(access.new_token(Role.VIEW)) or ""
    for changed in (cookie.replace("view", "control"), cookie[:-1], f"{cookie}0", "", ".", "...", "é.1.2.3", "a.b.c.d"):
        assert access.session(changed) is None, changed


def test_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(KEY)
    cookie = access.redeem(access.new_token(Role.CONTROL)) or ""
    began = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: began + COOKIE_S - 10.0)
    assert access.session(cookie) is not None
    monkeypatch.setattr(module.time, "time", lambda: began + COOKIE_S + 10.0)
    assert access.session(cookie) is None


def test_links_that_nobody_opens_are_bounded() -> None:
    access = Access(KEY)
    tokens = [access.new_token(Role.VIEW) for _ in range(module.MAX_LINKS + 1)]
    assert access.redeem(tokens[0]) is None
    assert access.redeem(tokens[1]) is not None


def test_signing_key_is_kept_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "user_config", lambda: tmp_path / "config")
    first = signing_key(tmp_path)
    assert signing_key(tmp_path) == first
    assert signing_key(tmp_path / "other") != first
    path = tmp_path / "config" / "browser.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        signing_key(tmp_path)


def test_rate_limit_gives_a_burst_then_a_rate() -> None:
    limit = RateLimit(burst=3, rate_hz=2.0)
    assert [limit.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.allows("b", 0.0)
    assert [limit.allows("a", 0.5) for _ in range(2)] == [True, False]
    assert sum(limit.allows("a", 10.0) for _ in range(9)) == 3
