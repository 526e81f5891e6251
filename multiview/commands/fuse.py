"""`multiview fuse`: fuse recorded 2D keypoints of several views into 3D people, with the same pipeline as live."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.commands.arguments import add_fusion, add_recorded_keypoints
from multiview.common.ranges import FrameRate, ranged

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    add_recorded_keypoints(parser)
    parser.add_argument(
        "--fps", type=ranged(FrameRate), default=25.0, help="frames per second of the recording (default 25)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for poses.parquet and summary.json")
    add_fusion(parser)
    parser.add_argument(
        "--lag", type=ranged(int), default=0, metavar="N", help="correct each pose with N later frames (default 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Fuse every frame and write the poses and a summary."""
    from multiview.body.skeleton import SKELETONS, save_own_skeleton
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.fuse_run import fuse_folders, save_rig_beside, write_summary
    from multiview.commands.fusion_choices import fusion_choices
    from multiview.commands.outcome import say_why
    from multiview.commands.refine_run import refined
    from multiview.errors import ConfigError
    from multiview.fusion.pipeline import PipelineOptions
    from multiview.keypoint_formats import OPENPOSE, open_keypoints
    from multiview.recordings.recorded_keypoints import folder_views
    from multiview.studio.agreement import disagreement
    from multiview.studio.reasons import evidence
    from multiview.studio.view_survey import ViewSurvey

    if args.lag < 0:
        raise ConfigError(f"--lag {args.lag}: a number of frames")
    if args.independent and (args.lag or args.smooth):
        raise ConfigError("--independent uses single frames only: leave out --lag and --smooth")
    choices = fusion_choices(args)
    rig = load_rig(args.rig)
    opened = open_keypoints(args.keypoints, rig, args.skeleton, args.format)
    folders, skeleton = opened.source, opened.skeleton
    for remark in opened.remarks:
        print(remark)
    if choices.refine_cameras:
        rig = refined(rig, skeleton, folder_views(folders, rig, args.fps)[0], args.out)
    options = PipelineOptions(independent=choices.independent, volume=choices.volume())
    out = args.out / "poses.parquet"
    survey = ViewSurvey([camera.size for camera in rig.cameras])
    found, timing = fuse_folders(
        rig, skeleton, folders, args.fps, options, out, args.lag, choices.smooth, survey, choices.contacts
    )
    survey.people = found
    save_own_skeleton(skeleton, args.out)
    save_rig_beside(rig, args.out)
    summary = write_summary(len(found), timing, args.out / "summary.json")
    people = "people" if summary["people"] != 1 else "person"
    print(
        f"{summary['frames']} frames, {summary['people']} {people}, "
        f"{summary['ms_per_frame']['total']['median']:.2f} ms per frame -> {out}"
    )
    if (own := args.out / SKELETONS / f"{skeleton.name}.toml").is_file():
        print(f"skeleton -> {own}: correct it there, and give it with --skeleton")
    nothing = "no folder" if opened.formats == (OPENPOSE,) else "nothing"
    absent = {rig.names[camera]: f"has {nothing} in {args.keypoints}" for camera in folders.cameras_without_folder()}
    why = disagreement(rig, skeleton, survey.sample)
    return say_why(evidence(rig.cameras, survey, absent, choices.box is not None, why))
