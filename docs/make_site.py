"""Builds the documentation site into build/site, without the internet: `python docs/make_site.py` (or `make site`).

Pages are written to be read where they stand (README.md, docs/*.md). This copies them into one folder, rewrites their
links, adds the API pages, and calls Zensical, which rejects links that lead nowhere. Needs `pip install -e .[docs]`.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

import multiview

REPOSITORY = Path(__file__).parents[1]
SETTINGS = REPOSITORY / "docs" / "zensical.toml"
BUILD = REPOSITORY / "build" / "docs"

# What a user may call, by page: every name that these modules list in `__all__`, or those named after the colon.
API: dict[str, tuple[str, ...]] = {
    "Data and errors": ("multiview.data", "multiview.errors"),
    "Cameras": (
        "multiview.cameras.camera",
        "multiview.cameras.rig_file: load_rig save_rig dumps",
        "multiview.cameras.reprojection: ReprojectionErrors reprojection_errors",
    ),
    "People": (
        "multiview.body.skeleton: Skeleton load_skeleton skeleton_names mapping",
        "multiview.body.kinematics: Humanoid Motion RotationSolver forward_kinematics humanoid points",
        "multiview.biomechanics.joint_angles",
        "multiview.body.actor: Actor actor_names load_actor measure actor_probabilities save_actor",
    ),
    "Recordings": (
        "multiview.recordings.pose_table: Poses read_poses write_poses write_ticks to_table",
        "multiview.recordings.keypoint_folder",
        "multiview.recordings.recorded_keypoints: Recording folder_recordings folder_views recorded_views",
        "multiview.recordings.take: Take TakeInfo open_take",
        "multiview.recordings.unedited_poses",
        "multiview.editing.take_poses: take_poses take_rig",
        "multiview.editing.edit_take",
        "multiview.editing.edit_list",
        "multiview.editing.edits: edit_words make_edit",
        "multiview.recordings.resample",
        "multiview.recordings.ground_truth: Truth read_truth write_truth",
    ),
    "Fusion": (
        "multiview.fusion.pipeline",
        "multiview.fusion.smoother: Smoothed",
        "multiview.fusion.tracker: TrackerOptions",
        "multiview.cameras.capture_volume",
    ),
    "Live": ("multiview.client",),
    "Pictures and detectors": ("multiview.sources: FrameSource open_source", "multiview.detect"),
    "Geometry": (
        "multiview.geometry.triangulate",
        "multiview.geometry.rigid: alignment compose invert left_jacobian nearest_rotation rotation_angle "
        "rotation_from_vector transform vector_from_rotation",
        "multiview.geometry.lens",
        "multiview.geometry.bundle",
        "multiview.geometry.least_squares",
    ),
    "Synthetic studios": ("multiview.synthetic",),
    "Evaluation and export": (
        "multiview.evaluation.metrics",
        "multiview.export: Exporter exporter_names load_exporter",
    ),
    "Calibration": (
        "calib.board.board: Board",
        "calib.board.target: finder_of load_target load_targets",
        "calib.corners.corners: Corners BoardViews read_corners write_corners",
        "calib.corners.detect",
        "calib.solve.solve",
        "calib.solve.check",
    ),
}

API_HEAD = """# API

`import multiview as mv` offers these names, and imports each of them on first use. Everything else that a program may
call is on the pages that follow, with the module it is imported from; [examples](../examples/01_fuse_keypoints.md)
show them at work. Shapes, units and terms are those of the [conventions](../conventions.md).

| name | what it is |
|---|---|"""

_FENCE = re.compile(r"^( *)(```+|~~~+)(.*?)\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)((?:\s+\"[^\"]*\")?\))")


def main() -> int:
    """Assemble the pages and build the site; the exit code of Zensical."""
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = assemble(settings, BUILD / "pages")
    settings["project"]["nav"] = navigation(settings["project"]["nav"], pages)
    (BUILD / "zensical.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    code = subprocess.run(command, cwd=BUILD, check=False).returncode
    print(f"site: {BUILD / 'site' / 'index.html'}" if code == 0 else "the site was not built", file=sys.stderr)
    return code


def assemble(settings: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write every page of the navigation into `folder`; {path in the repository: path in the site}."""
    pages = {source: _target(source) for source in sources(settings["project"]["nav"])}
    for source, target in pages.items():
        _write(folder / target, with_links(page_text(source), source, pages, folder))
    for name, text in api_pages().items():
        pages[f"api/{name}"] = f"api/{name}"
        _write(folder / "api" / name, text)
    for name in ("site.css", "iframe-worker.js"):
        shutil.copy(REPOSITORY / "docs" / name, folder)
    return pages


def sources(nav: list[Any]) -> Iterator[str]:
    """The pages of the repository that the navigation names; those of a folder in the order of their names."""
    for entry in nav:
        (value,) = entry.values()
        if isinstance(value, list):
            yield from sources(value)
        elif value.endswith("/"):
            found = [path for path in (REPOSITORY / value).glob("*") if path.suffix in (".md", ".py")]
            found.sort(key=lambda path: (path.name != "index.md", path.name))
            yield from (path.relative_to(REPOSITORY).as_posix() for path in found)
        elif (REPOSITORY / value).is_file():
            yield value


def navigation(nav: list[Any], pages: dict[str, str]) -> list[Any]:
    """The same with the site's paths, folders listed, and what does not exist left out."""
    found: list[Any] = []
    for entry in nav:
        ((title, value),) = entry.items()
        if isinstance(value, list):
            inside: Any = navigation(value, pages)
        elif value.endswith("/"):
            inside = [target for source, target in pages.items() if source.startswith(value)]
        else:
            inside = pages.get(value)
        if inside:
            found.append({title: inside})
    return found


def page_text(source: str) -> str:
    """The Markdown of a page; a program becomes one with its docstring as the text above it."""
    text = (REPOSITORY / source).read_text(encoding="utf-8")
    if not source.endswith(".py"):
        return text
    number, _, title = Path(source).stem.partition("_")
    code = text[text.index('"""', 3) + 3 :].strip()
    lead = ast.get_docstring(ast.parse(text))
    return f"# {int(number)}. {title.replace('_', ' ').capitalize()}\n\n{lead}\n\n```python\n{code}\n```\n"


def _target(source: str) -> str:
    name = source.removeprefix("docs/").removesuffix(".py")
    if source.endswith(".py"):
        return f"{name}.md"
    return "index.md" if name == "README.md" else name.lower() if name.isupper() or "/" not in source else name


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def with_links(text: str, source: str, pages: dict[str, str], folder: Path) -> str:
    """The page with its links as the site has them; other files of the repository that it links to go along.

    Raises SystemExit for a link to what is not there.
    """
    here = PurePosixPath(pages[source]).parent

    def relink(match: re.Match[str]) -> str:
        address, hash_, part = match[2].partition("#")
        if "://" in address or address.startswith("mailto:") or not address:
            return match[0]
        path = Path(os.path.normpath(Path(source).parent / address)).as_posix()
        target = pages.get(path)
        if target is None:
            if path.endswith(".md") or not (REPOSITORY / path).is_file():
                raise SystemExit(f"{source}: the link to {address} leads to no page and no file")
            target = f"files/{path}"
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / path, folder / target)
        return f"{match[1]}{os.path.relpath(target, here).replace(os.sep, '/')}{hash_}{part}{match[3]}"

    return outside_code(text, lambda prose: _LINK.sub(relink, prose))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """`change` applied to everything but code, fenced or inline."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\x00{len(kept) - 1}\x00"

    changed = change(_CODE.sub(keep, _FENCE.sub(keep, text)))
    while "\x00" in changed:
        changed = re.sub("\x00(\\d+)\x00", lambda m: kept[int(m[1])], changed)
    return changed


def api_pages() -> dict[str, str]:
    """One page per group of `API`, and one of what `import multiview` gives."""
    pages = {"index.md": api_index()}
    for title, modules in API.items():
        parts = [f"# {title}\n"]
        for entry in modules:
            module, _, names = entry.partition(":")
            members = f"\n      members: [{', '.join(names.split())}]" if names else ""
            parts.append(f"::: {module}\n    options:\n      show_root_full_path: true{members}\n")
        pages[f"{title.lower().replace(' ', '_')}.md"] = "\n".join(parts)
    return pages


def api_index() -> str:
    """A table of the public names with the first line of what each says of itself."""
    rows = []
    for name in multiview.__all__:
        value = getattr(multiview, name)
        line = (inspect.getdoc(value) or "").splitlines()[0].replace("|", r"\|")
        rows.append(f"| [`{name}`][{value.__module__}.{name}] | {line} |")
    return "\n".join([API_HEAD, *rows, ""])


if __name__ == "__main__":
    sys.exit(main())
