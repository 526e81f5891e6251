"""What all pages have: the header with the menu, links for further browsers, and errors as messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import segno
from nicegui import run, ui

from multiview.errors import MultiviewError, one_line, os_error_words
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage

__all__ = ["MENU", "SHOWN", "STATIC", "act", "called", "page_frame"]

STATIC = Path(__file__).with_name("static")
MENU: dict[str, str] = {
    "Cameras": "/cameras",
    "Calibrate": "/calibrate",
    "Live": "/",
    "Takes": "/takes",
    "Health": "/health",
}
SHOWN = ["3D", "Pictures", "Both"]  # of people, live or in a take
P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=ui.element)


@contextmanager
def page_frame(here: str, backstage: Backstage, session: Session) -> Iterator[None]:
    """The header of a page, around its content.

    Args:
        here: The page's name in the menu.
        backstage: What the pages share.
        session: Who looks.
    """
    ui.add_head_html('<link rel="stylesheet" href="/own/studio.css">')
    ui.colors(primary="#1d5f9e")
    dark = ui.dark_mode(None)
    with ui.header(elevated=False).classes("mv-header"):
        for name, path in MENU.items():
            link = ui.link(name, path).classes("mv-here" if name == here else "")
            if name == here:
                link.props('aria-current="page"')
        ui.space()
        name = backstage.studio.name if backstage.studio is not None else ""
        ui.label(name).classes("mv-studio")
        if session.role is Role.VIEW:
            ui.badge("view only", color="grey-7")
        else:
            _icon("add_link", "Let another browser in", lambda: _invite(backstage))
        _icon("contrast", "Dark or light", lambda: dark.set_value(not dark.value))
    yield


def _icon(name: str, words: str, do: Callable[[], object]) -> None:
    with ui.button(icon=name, on_click=do).props(f'flat round dense color=white aria-label="{words}"'):
        ui.tooltip(words)


def called(element: E, words: str) -> E:
    """Tell who cannot see it what an element is; words may be names of people and cameras, with any characters."""
    element.props["aria-label"] = words
    return element


def _invite(backstage: Backstage) -> None:
    """A dialog with links that each let one more browser in."""
    with ui.dialog(value=True) as dialog, ui.card().style("max-width: 26rem"):
        ui.label("Let another browser in").classes("text-h6")
        ui.label("Scan or open the link there. Each link works once.").classes("mv-quiet")
        place = ui.column().style("width: 100%; align-items: center")

        def show(role: Role) -> None:
            link = backstage.link(role)
            place.clear()
            with place:
                code = ui.element("img").props('width="240" alt="QR code of the link"')
                code.props["src"] = segno.make(link).svg_data_uri(scale=5, light="white")
                ui.input("Link", value=link).props("readonly outlined dense").style("width: 100%")
                if "//127." in link or "//localhost" in link:
                    ui.label(
                        "It works on this machine alone. For a phone, start multiview studio with --host, "
                        "--certificate and --key."
                    ).classes("mv-quiet")

        with ui.row():
            ui.button("To view", on_click=lambda: show(Role.VIEW)).props("outline no-caps")
            ui.button("To control", on_click=lambda: show(Role.CONTROL)).props("outline no-caps")
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
    dialog.on("hide", dialog.delete)


async def act(button: ui.button, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Do something that takes a while, in a thread, while a button turns; what goes wrong is shown.

    Returns:
        What it gives; None if it went wrong.
    """
    button.props("loading")
    try:
        return await run.io_bound(do, *args, **kwargs)
    except (MultiviewError, OSError) as error:
        words = os_error_words(error) if isinstance(error, OSError) else one_line(error)
        logging.warning("%s", words)
        ui.notify(words, type="negative", multi_line=True, timeout=10_000, close_button="OK")
        return None
    finally:
        if not button.is_deleted:  # by what it has done
            button.props(remove="loading")
