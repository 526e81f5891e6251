"""The buttons that edit a take, under its player: the same edits as `multiview edit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from multiview.common.counted import counted
from multiview.editing.edit_list import EditsFile, read_edits
from multiview.editing.edit_take import add_edit, move_edits, new_person
from multiview.editing.edits import edit_words, make_edit
from multiview.editing.take_poses import take_poses
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses
from services.dashboard.access import Role, Session
from services.dashboard.layout import act
from services.dashboard.take_view import TakeView

__all__ = ["TakeEdits"]

# kind: words of its button, its icon, what it does, whether it is of the span
_KINDS: dict[str, tuple[str, str, str, bool]] = {
    "trim": ("Trim", "crop", "Keep only the span.", True),
    "cut": ("Cut", "content_cut", "Remove the span; what follows keeps its times.", True),
    "swap": ("Swap", "swap_horiz", "Two people exchange their identities.", True),
    "split": ("Split", "call_split", "A person is somebody else, with a new number.", True),
    "merge": ("Merge", "call_merge", "Several numbers are one person, who gets the first.", False),
    "delete": ("Delete", "person_remove", "A person goes.", True),
    "name": ("Name", "badge", "What a person is called; empty takes a name away.", False),
    "mark_bad": ("Bad joints", "report", "Joints are wrong: they become unknown.", True),
    "fill_gaps": ("Fill gaps", "timeline", "Place joints that are unknown for a while.", True),
    "smooth": ("Smooth", "waves", "Filter positions without delay.", True),
    "fuse": ("Fuse anew", "autorenew", "Fuse the recorded 2D keypoints anew. Trims and cuts stay.", False),
    "refine_cameras": ("Refine cameras", "videocam", "Correct the cameras from the people, and fuse anew.", False),
}
_OF_SPAN = ("trim", "cut")  # of the whole take they make no sense
_NO_SPAN = "Mark a span first: From here and To here beside the time line, or the keys I and O."


class TakeEdits:
    """The panel of one take, for a session that controls.

    Args:
        folder: Of the take.
        session: Who edits.
        view: Its player.
        poses: Of the take, with its edits.
    """

    def __init__(self, folder: Path, session: Session, view: TakeView, poses: Poses) -> None:
        self._folder, self._session, self._view, self._poses = folder, session, view, poses
        self.changed: Callable[[Poses], None] = lambda poses: None
        ui.html("<h2>Edit</h2>", sanitize=False)
        with ui.element("div").classes("mv-cell mv-edit"):
            ui.label("Nothing that was recorded is changed: every edit can be undone.").classes("mv-quiet")
            with ui.element("div").classes("mv-row"):
                self._undo = ui.button("Undo", icon="undo", on_click=lambda: self._move(-1)).props("no-caps outline")
                self._redo = ui.button("Redo", icon="redo", on_click=lambda: self._move(1)).props("no-caps outline")
                self._from = ui.number("Span from, s", placeholder="the beginning", min=0, format="%.3f")
                self._to = ui.number("to, s", placeholder="the end", min=0, format="%.3f")
                for field in (self._from, self._to):
                    field.props("dense outlined clearable").classes("mv-time").on("blur", self._show_span)
                whole = ui.button("Whole take", on_click=lambda: self._set_span(None, None)).props("flat no-caps")
                whole.tooltip("Edits are then of the whole take")
            with ui.element("div").classes("mv-row"):
                for kind, (name, icon, what, _) in _KINDS.items():
                    button = ui.button(name, icon=icon).props("no-caps outline dense").tooltip(what)
                    button.on_click(lambda kind=kind: self._ask(kind))
            self._list = ui.element("ol").classes("mv-edits").props('aria-label="Edits"')
        view.on("span", self._marked)
        view.on("undo", lambda: self._move(-1))
        view.on("redo", lambda: self._move(1))
        self._show(read_edits(folder))

    def _marked(self, event: GenericEventArguments) -> None:
        """The player has marked an end of the span; numbers come from a browser."""
        span = event.args if isinstance(event.args, dict) else {}
        self._from.set_value(_seconds(span.get("from")))
        self._to.set_value(_seconds(span.get("to")))

    def _set_span(self, from_s: float | None, to_s: float | None) -> None:
        self._from.set_value(from_s)
        self._to.set_value(to_s)
        self._show_span()

    def _show_span(self) -> None:
        self._view.show_span(_seconds(self._from.value), _seconds(self._to.value))

    def _span_words(self, kind: str) -> str:
        from_s, to_s = _seconds(self._from.value), _seconds(self._to.value)
        if from_s is None and to_s is None:
            return _NO_SPAN if kind in _OF_SPAN else "In the whole take; mark a span for less."
        begins = "the beginning" if from_s is None else f"{from_s:g} s"
        return f"From {begins} to {'the end' if to_s is None else f'{to_s:g} s'}."

    def _ask(self, kind: str) -> None:
        """What an edit needs to know, in a dialog."""
        name, icon, what, spanned = _KINDS[kind]
        people = {person: self._poses.label(person) for person in self._poses.people.tolist()}
        fields: dict[str, Any] = {}
        with ui.dialog(value=True) as dialog, ui.card().classes("mv-dialog"):
            ui.label(name).classes("text-h6")
            ui.label(what)
            if kind in ("split", "delete", "name", "mark_bad"):
                fields["person"] = ui.select(people, label="Person", value=next(iter(people), None))
            if kind in ("swap", "merge"):
                first = list(people)[:2] if len(people) == 2 else []
                label = "Two people" if kind == "swap" else "People, the one who stays first"
                fields["people"] = ui.select(people, label=label, multiple=True, value=first).props("use-chips")
            if kind in ("fill_gaps", "smooth"):
                fields["people"] = ui.select(people, label="People (none: everybody)", multiple=True, value=[])
            if kind == "name":
                fields["name"] = ui.input("Name").props("maxlength=64")
            if kind == "mark_bad":
                joints = list(self._poses.joints)
                fields["joints"] = ui.select(joints, label="Joints", multiple=True, value=[]).props("use-chips")
            if kind == "fill_gaps":
                fields["max_s"] = ui.number("Gaps up to, s", value=0.5, min=0)
            if kind == "smooth":
                fields["hz"] = ui.number("Cut-off, Hz (6 is usual)", value=6, min=0)
            if kind in ("fuse", "refine_cameras"):
                fields["smooth"] = ui.checkbox("Smooth each pose with the whole take")
                ui.label("This may take as long as the take.").classes("mv-quiet")
            if spanned:
                ui.label(self._span_words(kind)).classes("mv-quiet")
            with ui.row():
                button = ui.button(name, icon=icon).props("no-caps")
                spanless = _seconds(self._from.value) is None and _seconds(self._to.value) is None
                button.set_enabled(kind not in _OF_SPAN or not spanless)
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def do() -> None:
            values = {field: element.value for field, element in fields.items()}
            if spanned:
                values |= {"from_s": _seconds(self._from.value), "to_s": _seconds(self._to.value)}
            done = await act(button, self._edit, kind, values)
            if done is not None:
                dialog.close()
                self._renew(*done)

        button.on_click(do)
        dialog.on("hide", dialog.delete)

    def _edit(self, kind: str, values: dict[str, Any]) -> tuple[EditsFile, Poses]:
        """In a thread; ConfigError in words for the person who pressed."""
        from multiview.commands.edit_run import fuse_anew, refine_cameras  # slow to import: not before somebody edits

        self._check()
        if kind in _OF_SPAN and values["from_s"] is None and values["to_s"] is None:
            raise ConfigError(_NO_SPAN)
        if kind == "fuse":
            return add_edit(self._folder, fuse_anew(self._folder, bool(values["smooth"])))
        if kind == "refine_cameras":
            return add_edit(self._folder, refine_cameras(self._folder, bool(values["smooth"]))[0])
        if kind == "swap" and len(values["people"]) != 2:
            raise ConfigError("choose two people")
        if kind == "split":
            values["into"] = new_person(self._folder, self._poses)
        return add_edit(self._folder, make_edit(kind, values))

    async def _move(self, steps: int) -> None:
        done = await act(self._undo if steps < 0 else self._redo, self._moved, steps)
        if done is not None:
            self._renew(*done)

    def _moved(self, steps: int) -> tuple[EditsFile, Poses]:
        self._check()
        edits = move_edits(self._folder, steps)
        return edits, take_poses(self._folder)[0]

    def _check(self) -> None:
        if self._session.role is not Role.CONTROL:
            raise ConfigError("this link may only view, not edit: ask for one that controls")

    def _renew(self, edits: EditsFile, poses: Poses) -> None:
        self._poses = poses
        self._show(edits)
        self._view.reload()
        self.changed(poses)

    def _show(self, edits: EditsFile | None) -> None:
        """The list, and what can be undone."""
        count = edits.applied if edits is not None else 0
        self._undo.set_enabled(count > 0)
        self._redo.set_enabled(edits is not None and bool(edits.undone))
        self._list.clear()
        with self._list:
            for number, edit in enumerate(edits.edits if edits is not None else (), start=1):
                words = edit_words(edit, self._poses.label)
                with ui.element("li").classes("mv-undone" if number > count else ""):
                    ui.label(f"{words} (undone)" if number > count else words)
        self._list.props(f'data-applied="{count}" title="{counted(count, "edit")} in force"')


def _seconds(value: Any) -> float | None:
    """What a field holds; None if that is nothing."""
    return round(float(value), 3) if isinstance(value, int | float) and not isinstance(value, bool) else None
