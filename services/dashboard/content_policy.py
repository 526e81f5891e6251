"""The Content-Security-Policy of the pages: what a browser may load and run in them.

NiceGUI writes its start script into the page, so inline scripts need a nonce, which each page gets anew; whatever a
name or a note smuggled in would have none. Two things stay open: NiceGUI compiles its templates in the browser
('unsafe-eval'), and sets styles on elements ('unsafe-inline' for styles).
"""

from __future__ import annotations

import re
import secrets

__all__ = ["content_policy", "new_nonce", "with_nonce"]

# As NiceGUI writes its own, and nothing else in its pages: names and notes are in the page with < as &lt;.
_OWN_SCRIPT = re.compile(rb'<script(?=>| type="(?:importmap|module)">|(?: defer)? src="/_nicegui/)')


def new_nonce() -> str:
    """Text that nobody can guess."""
    return secrets.token_urlsafe(16)


def content_policy(nonce: str, host: str) -> str:
    """The header's value.

    Args:
        nonce: Of the scripts in the page.
        host: Host and port of the studio.

    Returns:
        One line.
    """
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' 'nonce-{nonce}' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self'",
        "font-src": "'self' data:",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def with_nonce(page: bytes, nonce: str) -> bytes:
    """A page whose own scripts may run."""
    return _OWN_SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), page)
