"""`multiview evaluate` against another system's markers: the figures, the table and the pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.common.plugins import plugin_names

if TYPE_CHECKING:
    from multiview.evaluation.agreement import Agreement

__all__ = ["MARKERS", "add_marker_arguments", "agreement_figures", "print_agreement", "run_markers", "save_pictures"]

MARKERS = tuple(f".{name}" for name in plugin_names("multiview.marker_files"))  # endings of their files


def add_marker_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments for truth of another system."""
    from multiview.common.ranges import ranged

    group = parser.add_argument_group("truth of another system", f"a file of markers: {', '.join(MARKERS)}")
    group.add_argument("--person", type=int, metavar="NUMBER", help="whose poses (default: the person who fits best)")
    group.add_argument(
        "--joints",
        type=Path,
        metavar="TOML",
        help='which marker is which joint: left_knee = "LKNE", or several markers, of which it is the middle '
        "(default: by the markers' names)",
    )
    group.add_argument(
        "--unit", choices=("m", "cm", "mm"), default="", help="of the markers (default: as the file says, or by size)"
    )
    group.add_argument(
        "--max-offset", type=ranged(float), metavar="S", help="the clocks differ by this at most, s (default: any)"
    )
    group.add_argument(
        "--offset", type=float, metavar="S", help="the markers' clock is ahead by this, s (default: found)"
    )
    group.add_argument("--out", type=Path, metavar="FOLDER", help="folder for pictures: distances, Bland-Altman plots")


def run_markers(args: argparse.Namespace) -> dict[str, Any]:
    """Compare, and save the pictures.

    Args:
        args: Of the command line.

    Returns:
        The figures.
    """
    import numpy as np

    from multiview.body.marker_joints import joints_of_markers
    from multiview.editing.take_poses import take_poses
    from multiview.evaluation.agreement import compare_markers
    from multiview.marker_files import read_markers

    markers = read_markers(args.truth, args.unit)
    joints, xyz = joints_of_markers(markers.xyz, markers.names, args.joints)
    poses, _ = take_poses(args.poses)
    limit = np.inf if args.max_offset is None else args.max_offset
    found = compare_markers(markers, joints, xyz, poses, args.person, limit, args.offset)
    figures = agreement_figures(found) | {"unit": markers.unit}
    if args.out is not None:
        figures["pictures"] = [str(path) for path in save_pictures(found, args.out)]
    return figures


def agreement_figures(found: Agreement) -> dict[str, Any]:
    """Every figure, by name: lengths in mm, angles in degrees, shares in percent."""
    import numpy as np

    distance, offset, spread = 1e3 * found.distance, 1e3 * found.offset, 1e3 * found.spread
    joints = {}
    for k, joint in enumerate(found.joints):
        known = distance[np.isfinite(distance[:, k]), k]
        if len(known):
            joints[joint] = {
                "instants": len(known),
                "mean_mm": float(known.mean()),
                "median_mm": float(np.median(known)),
                "p95_mm": float(np.percentile(known, 95)),
                "offset_mm": float(np.linalg.norm(offset[k])),
                "spread_mm": float(spread[k]),
            }
    known = distance[np.isfinite(distance)]
    without = np.linalg.norm(1e3 * found.error - offset, axis=-1)
    return {
        "person": found.person,
        "offset_s": found.alignment.offset_s,
        "other_offsets_s": list(found.alignment.others_s),
        "seconds": float(np.ptp(found.time_s[np.isfinite(distance).any(axis=1)])) if len(known) else 0.0,
        "mpjpe_mm": float(known.mean()) if len(known) else float("nan"),
        "mpjpe_without_offsets_mm": float(np.nanmean(without)) if len(known) else float("nan"),
        "pck3d": {
            f"{mm}mm": 100 * float((known <= mm).mean()) if len(known) else float("nan") for mm in (50, 100, 150)
        },
        "joints": joints,
        "angles": {
            angle.name.removesuffix("_deg"): {
                "mean_difference_deg": angle.mean_difference,
                "deviation_deg": angle.deviation,
                "rms_deg": angle.rms,
            }
            for angle in found.angles
        },
    }


def save_pictures(found: Agreement, folder: Path) -> list[Path]:
    """Distances of joints, and of angles where there are any, as PNG."""
    from matplotlib.figure import Figure

    from multiview.common.atomic_file import replacing
    from multiview.drawing.agreement import bland_altman, joint_distances

    pictures = [("joint_distances.png", Figure(figsize=(8, 1 + 0.3 * len(found.joints)), layout="constrained"))]
    joint_distances(pictures[0][1], found)
    if found.angles:
        figure = Figure(figsize=(10, 1 + 2.2 * -(-len(found.angles) // 3)), layout="constrained")
        bland_altman(figure, found.angles)
        pictures.append(("bland_altman.png", figure))
    paths = []
    for name, figure in pictures:
        with replacing(folder / name) as temporary:
            figure.savefig(temporary, dpi=120, format="png")
        paths.append(folder / name)
    return paths


def print_agreement(figures: dict[str, Any]) -> None:
    """A table of joints, one of angles, and where the pictures are."""
    from rich import box
    from rich.table import Table

    from multiview.common.console import plain_console
    from multiview.evaluation.agreement import LIMITS

    console = plain_console()
    console.print(
        f"person {figures['person']}, {figures['seconds']:.1f} s together; the markers' clock is ahead by "
        f"{figures['offset_s']:.4f} s; their lengths are in {figures['unit']}"
    )
    if others := figures["other_offsets_s"]:
        console.print(
            f"the movement repeats itself: {', '.join(f'{other:.2f}' for other in others)} s would fit as well, "
            "with less time together; give --offset if you know it"
        )
    table = Table(box=box.SIMPLE_HEAD, title="distances, mm (without: root mean square without the constant part)")
    for column in ("joint", "mean", "median", "95 %", "constant", "without"):
        table.add_column(column, justify="left" if column == "joint" else "right")
    for joint, one in figures["joints"].items():
        values = (one[f"{key}_mm"] for key in ("mean", "median", "p95", "offset", "spread"))
        table.add_row(joint, *(f"{value:.1f}" for value in values))
    console.print(table)
    pck = ", ".join(f"{limit.removesuffix('mm')} mm {share:.1f} %" for limit, share in figures["pck3d"].items())
    console.print(
        f"MPJPE {figures['mpjpe_mm']:.1f} mm, {figures['mpjpe_without_offsets_mm']:.1f} mm without constant "
        f"differences; within {pck}"
    )
    if figures["angles"]:
        table = Table(box=box.SIMPLE_HEAD, title="angles, degrees, ours minus theirs")
        for column in ("angle", "mean", "95 % limits", "RMS"):
            table.add_column(column, justify="left" if column == "angle" else "right")
        for name, one in figures["angles"].items():
            mean, half = one["mean_difference_deg"], LIMITS * one["deviation_deg"]
            table.add_row(name, f"{mean:+.1f}", f"{mean - half:+.1f} to {mean + half:+.1f}", f"{one['rms_deg']:.1f}")
        console.print(table)
    for path in figures.get("pictures", ()):
        console.print(f"picture -> {path}", soft_wrap=True)
