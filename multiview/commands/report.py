"""`multiview report TAKE`: a page about how people walk, for clinicians and coaches."""

from __future__ import annotations

import argparse
import base64
import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.commands.arguments import add_person_numbers
from multiview.common.ranges import ranged
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.biomechanics.gait import Gait, Parameter
    from multiview.biomechanics.movement import Movement

__all__ = ["add_arguments", "run", "write_report"]

_DPI = 110
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .9rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}img{width:100%;margin:.5rem 0 1.5rem}p.small{color:#666;font-size:13px}
@media print{h2{break-before:page}body{margin:0}}"""
_NAMES = {
    "speed": "speed",
    "cadence": "cadence",
    "step_length": "step length",
    "step_width": "step width",
    "step_time": "step time",
    "stride_length": "stride length",
    "stride_time": "stride time",
    "stance": "stance, share of the cycle",
    "swing": "swing, share of the cycle",
    "double_support": "both feet on the floor",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="a take, its poses.parquet, or the output of `fuse`")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html beside the poses)")
    add_person_numbers(parser)
    parser.add_argument(
        "--lowpass",
        type=ranged(float),
        default=6.0,
        metavar="HZ",
        help="cut-off frequency of a zero-phase Butterworth filter (default: 6; 0 filters nothing)",
    )
    parser.add_argument(
        "--sex",
        choices=("female", "male", "unknown"),
        default="unknown",
        help="whose table of masses (default: the mean)",
    )


def run(args: argparse.Namespace) -> int:
    from multiview.commands.progress import progress_bar

    with progress_bar("report") as progress:
        path = write_report(args.take, args.out, args.person, args.lowpass, args.sex, progress)
    print(path)
    return 0


def write_report(
    take: Path, out: Path | None, people: list[int], lowpass_hz: float, sex: Any, progress: Callable[[float], None]
) -> Path:
    """Write a page about everyone's walk.

    Args:
        take: Folder of a take, or its poses.parquet.
        out: The page; None: report.html beside the poses.
        people: Numbers of those it is about; empty: all.
        lowpass_hz: Cut-off frequency of the filter, Hz; 0 filters nothing.
        sex: Whose table of masses: "female", "male" or "unknown".
        progress: Told which share, 0 to 1, is done.

    Returns:
        The page.

    Raises:
        ConfigError: There is nobody, or the skeleton lacks a limb.
    """
    from multiview.biomechanics.movement import movement
    from multiview.common.atomic_file import replacing
    from multiview.editing.take_poses import take_poses
    from multiview.recordings.resample import ResampleOptions, evenly_timed, resample_poses

    poses, table = take_poses(take)
    if not len(poses):
        raise ConfigError(f"{take} holds no people: nothing to report")
    poses = resample_poses(poses, ResampleOptions(people=tuple(people), lowpass_hz=lowpass_hz))
    poses, _ = evenly_timed(poses)
    sections = []
    for i, number in enumerate(poses.people):
        sections.append(_section(movement(poses, int(number)), sex))
        progress((i + 1) / len(poses.people))
    title = html.escape(take.resolve().name)
    who = "one person" if len(poses.people) == 1 else f"{len(poses.people)} people"
    filtered = f"filtered at {lowpass_hz:g} Hz" if lowpass_hz else "not filtered"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{who}, {poses.frames_per_second:g} frames per second, skeleton "
        f"{html.escape(poses.skeleton or 'unknown')}, {filtered}.</p>{''.join(sections)}</html>"
    )
    path = out or table.parent / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _section(person: Movement, sex: Any) -> str:
    from multiview.biomechanics.centre_of_mass import centre_of_mass
    from multiview.biomechanics.contacts import find_contacts
    from multiview.biomechanics.gait import analyse_gait
    from multiview.biomechanics.measured_angles import measured_angles
    from multiview.drawing import gait as draw
    from multiview.errors import SourceError

    title = f"<h2>{html.escape(person.label)}</h2>"
    angles = measured_angles(person)
    try:
        contacts = find_contacts(person)
    except SourceError as error:
        return f"{title}<p>{html.escape(str(error))}.</p>{_measured(person)}"
    gait = analyse_gait(person, contacts)
    mass = centre_of_mass(person, sex)
    height = mass.xyz @ contacts.floor.up - contacts.floor.height
    pictures = (
        ("At every heel strike, from the right", (10, 3.4), lambda f: draw.figures(f, person, contacts, gait)),
        ("Footprints", (10, 2.6), lambda f: draw.footprints(f, person, contacts, gait)),
        ("Joint angles over the gait cycle", (10, 10), lambda f: draw.angle_curves(f, person, gait, angles)),
        ("Feet on the floor", (10, 2.2), lambda f: draw.contact_times(f, person, contacts)),
    )
    shown = "".join(f"<h3>{name}</h3>{_picture(name, size, drawing)}" for name, size, drawing in pictures)
    bands = (
        "<p class=small>Lines are means over the cycles of each foot (their number in brackets), bands one standard "
    )
    bands += "deviation of single cycles. 0 % is the foot's own heel strike.</p>"
    return f"{title}{_parameters(gait)}{_mass(height)}{shown}{bands}{_measured(person)}{_unknown(person)}"


def _parameters(gait: Gait) -> str:
    if not gait.steps:
        return "<p>No steps were found: the person does not walk, or the feet are not seen.</p>"
    head = "<tr><th><th>both<th>left<th>right<th>unit"
    rows = []
    for name, words in _NAMES.items():
        cells = [gait.parameters.get(key) for key in (name, f"left_{name}", f"right_{name}")]
        unit = next(cell.unit for cell in cells if cell is not None)
        rows.append(f"<tr><td>{words}{''.join(f'<td>{_number(cell)}' for cell in cells)}<td>{unit}")
    note = (
        "mean ± its uncertainty by measurement (one standard deviation, from the joints' covariance and the time "
        "between frames); in brackets how much single steps vary, and their number"
    )
    return f"<h3>Steps</h3><table>{head}{''.join(rows)}</table><p class=small>{note}</p>"


def _number(cell: Parameter | None) -> str:
    if cell is None or not cell.n:
        return "-"
    digits = 1 if cell.mean > 10 else 3
    spread = f"{cell.spread:.{digits}f}" if cell.spread == cell.spread else "-"
    return f"{cell.mean:.{digits}f} ± {cell.uncertainty:.{digits}f} ({spread}; {cell.n})"


def _mass(height: Any) -> str:
    import numpy as np

    known = height[np.isfinite(height)]
    if not len(known):
        return ""
    low, high = np.quantile(known, [0.02, 0.98])
    return f"<p>Centre of mass: {known.mean():.3f} m above the floor, {1e3 * (high - low):.0f} mm up and down.</p>"


def _measured(person: Movement) -> str:
    import numpy as np

    rows = []
    for i, joint in enumerate(person.joints):
        if joint.startswith("face_") or joint[-1].isdigit():
            continue
        known = np.isfinite(person.xyz[:, i, 0])
        filled = known & person.filled[:, i]
        sigma = person.sigma(joint)[known & ~filled]
        sigma = sigma[np.isfinite(sigma)]
        shares = [f"{100 * marks.mean():.0f}" for marks in (known & ~filled, filled, ~known)]
        cells = [joint.replace("_", " "), *shares, f"{1e3 * float(np.median(sigma)):.0f}" if len(sigma) else "-"]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells))
    head = "<tr><th>joint<th>measured, %<th>filled, %<th>unknown, %<th>median sigma, mm"
    note = "Filled joints are placed by bones and motion, not by cameras."
    return f"<h3>What was measured</h3><table>{head}{''.join(rows)}</table><p class=small>{note}</p>"


def _unknown(person: Movement) -> str:
    from multiview.biomechanics.joint_angles import ANGLES, known_angles

    known = set(known_angles(person.joints))
    names = sorted({name.removeprefix("left_").removeprefix("right_") for name in ANGLES if name not in known})
    words = ", ".join(name.removesuffix("_deg").replace("_", " ") for name in names)
    pelvis = "Hip flexion is against a pelvis that tilts with the trunk."
    return f"<p class=small>Not determined by the joints of this skeleton, and left out: {words}. {pelvis}</p>"


def _picture(name: str, size: tuple[float, float], draw: Callable[[Any], None]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    draw(figure)
    memory = io.BytesIO()
    figure.savefig(memory, format="png")
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(memory.getvalue()).decode()}">'
