"""`multiview evaluate`: compare poses with ground truth."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.commands.evaluate_markers import MARKERS, add_marker_arguments, print_agreement, run_markers
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.evaluation.metrics import Comparison

__all__ = ["add_arguments", "report", "run"]

_PERCENTILES = {"median": 50, "p95": 95, "p99": 99, "p99.99": 99.99, "worst": 100}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="FILE",
        help="true joints (.npz: frame, actor, xyz (m), joints), or another system's markers "
        f"({', '.join(MARKERS)}): offset in time and place are found",
    )
    parser.add_argument(
        "--poses", type=Path, required=True, metavar="PARQUET", help="poses.parquet of `multiview fuse`, or its folder"
    )
    parser.add_argument(
        "--actors", metavar="0,1,2", help="mean PCP3D over these actors only (default: all in the truth)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    add_marker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    import msgspec

    from multiview.editing.take_poses import take_poses
    from multiview.evaluation.metrics import compare
    from multiview.recordings.ground_truth import read_truth

    folder = args.poses if args.poses.is_dir() else args.poses.parent
    if args.truth.suffix.lower() in MARKERS:
        figures, show = run_markers(args), print_agreement
    else:
        figures, show = (
            report(compare(read_truth(args.truth), take_poses(args.poses)[0]), _actors(args.actors), folder),
            _print,
        )
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode() + "\n")
    else:
        show(figures)
    return 0


def _actors(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ConfigError(f"--actors takes numbers separated by commas, as in 0,1,2, not {text!r}") from None


def report(comparison: Comparison, actors: list[int] | None = None, folder: Path = Path()) -> dict[str, Any]:
    """Every figure about the poses, by name; lengths in mm, shares in percent. `folder` is where the poses are."""
    import numpy as np

    from multiview.evaluation import metrics

    parts = metrics.pcp3d(comparison)
    for actor in actors or ():
        if actor not in parts:
            known = ", ".join(map(str, parts)) or "none"
            raise ConfigError(f"the ground truth has no actor {actor}; use one of {known}")
    chosen = actors or list(parts)
    switches = metrics.identity_switches(comparison)
    error, measured = comparison.error_m * 1e3, comparison.measured
    nees = metrics.nees(comparison)
    views = comparison.of_joints(comparison.poses.views, 0)
    by_views = {"2": views == 2, "3": views == 3, "4+": views >= 4}
    known = ~np.isnan(comparison.truth.xyz).any(axis=-1)[comparison.truth_row][comparison.found]
    return {
        "frames": len(np.unique(comparison.truth.frame)),
        "true_people": len(comparison.truth.frame),
        "recall": 100 * comparison.recall,
        "precision": 100 * comparison.precision,
        "identity_switches": len(switches),
        "switches": [dict(zip(("frame", "actor", "from", "to"), switch, strict=True)) for switch in switches],
        "mpjpe_mm": comparison.mpjpe * 1e3,
        "errors_mm": {
            "all": _percentiles(error),
            "measured": _percentiles(error[measured]),
            "measured_after_third_frame": _percentiles(error[measured & (comparison.age >= 3)[:, None]]),
        },
        "finite": 100 * float(np.isfinite(error[comparison.found]).sum() / max(known.sum(), 1)),
        "measured": 100 * float(measured.sum() / max(np.isfinite(error[:, comparison.own_joints]).sum(), 1)),
        "pck3d": {f"{mm}mm": 100 * metrics.pck3d(comparison, mm / 1e3) for mm in (50, 100, 150)},
        "pcp3d": 100 * float(np.mean([parts[actor] for actor in chosen])) if chosen else float("nan"),
        "pcp3d_by_actor": {str(actor): 100 * parts[actor] for actor in chosen},
        "bone_length_spread": _bone_spread(comparison, folder),
        "nees": {
            "all": metrics.trimmed_mean(nees),
            **{f"{views} views": metrics.trimmed_mean(nees[which]) for views, which in by_views.items()},
        },
        "inside_90_ellipsoid": 100 * metrics.share_inside_ellipsoid(nees, 0.9),
        "rmse_over_cramer_rao": metrics.normalised_rmse(comparison),
    }


def _percentiles(error: Any) -> dict[str, float]:
    import numpy as np

    known = error[np.isfinite(error)]
    if not len(known):
        return dict.fromkeys(_PERCENTILES, float("nan"))
    values = np.percentile(known, list(_PERCENTILES.values()))
    return {name: float(value) for name, value in zip(_PERCENTILES, values, strict=True)}


def _bone_spread(comparison: Comparison, folder: Path) -> float:
    """Median over people and bones, percent of the bone's length."""
    import numpy as np

    from multiview.body.skeleton import find_skeleton
    from multiview.evaluation.metrics import bone_length_spread

    if not comparison.poses.skeleton:
        return float("nan")
    spread = bone_length_spread(comparison.poses, find_skeleton(comparison.poses.skeleton, folder))
    return 100 * float(np.nanmedian(spread)) if np.isfinite(spread).any() else float("nan")


def _print(figures: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from multiview.common.console import plain_console

    title = f"{figures['true_people']} true people in {figures['frames']} frames"
    if not figures["recall"]:
        title += "; none of them was found"
    table = Table(box=box.SIMPLE_HEAD, title=title, show_header=False)

    def row(name: str, value: str, meaning: str) -> None:
        value, meaning = (re.sub(r"\bnan\b", "-", text) for text in (value, meaning))
        table.add_row(name, Text(value, "bold"), Text(meaning, "dim"))

    row("recall", f"{figures['recall']:.2f} %", "true people found within 0.5 m")
    row("precision", f"{figures['precision']:.2f} %", "found people who are true ones")
    switches = ", ".join(f"actor {s['actor']} at {s['frame']}" for s in figures["switches"][:3])
    row("identity switches", str(figures["identity_switches"]), switches or "an actor under another number")
    table.add_section()
    row("MPJPE", f"{figures['mpjpe_mm']:.1f} mm", "mean over joints of those found")
    for name, which in (
        ("worst joint", "all"),
        ("measured", "measured"),
        ("4th frame on", "measured_after_third_frame"),
    ):
        errors = figures["errors_mm"][which]
        spread = f"median {errors['median']:.1f}, p99 {errors['p99']:.0f}, p99.99 {errors['p99.99']:.0f} mm"
        row(name, f"{errors['worst']:.0f} mm", spread)
    pck = ", ".join(f"{limit.removesuffix('mm')} mm {figures['pck3d'][limit]:.1f} %" for limit in ("50mm", "100mm"))
    row("PCK3D at 150 mm", f"{figures['pck3d']['150mm']:.2f} %", pck)
    parts = [f"{actor}: {share:.1f}" for actor, share in figures["pcp3d_by_actor"].items()]
    row(
        "PCP3D",
        f"{figures['pcp3d']:.2f} %",
        f"ten parts; by actor {', '.join(parts)}" if len(parts) < 5 else "ten parts",
    )
    table.add_section()
    row("known", f"{figures['finite']:.2f} %", f"of joints; {figures['measured']:.2f} % measured, not filled")
    row("bone length spread", f"{figures['bone_length_spread']:.2f} %", "standard deviation, median over bones")
    views = ", ".join(f"{name.split()[0]}: {value:.2f}" for name, value in figures["nees"].items() if name != "all")
    row("NEES per dof", f"{figures['nees']['all']:.2f}", f"1 if consistent; by number of rays {views}")
    row("in 90 % ellipsoid", f"{figures['inside_90_ellipsoid']:.1f} %", "of measured joints")
    if figures["rmse_over_cramer_rao"] == figures["rmse_over_cramer_rao"]:
        row(
            "RMSE / Cramer-Rao", f"{figures['rmse_over_cramer_rao']:.3f}", "1 is the optimum without temporal filtering"
        )
    plain_console().print(table)
