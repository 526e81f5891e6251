"""`python -m benchmarks STUDY ...`: run one study; without one, a short run of accuracy and of speed.

The exit status is 1 where a study has limits and is beyond one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from multiview.common.kernel_cache import use_kernel_cache
from multiview.common.picture_file import bound_pictures
from multiview.errors import MultiviewError

use_kernel_cache()
bound_pictures()
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread for everyone, before numpy is imported

STUDIES = {
    "attack": "a studio whose hub is attacked, and the same in peace",
    "bad_night": "a studio whose processes cannot start, die in a row, block, stand still or are told to end",
    "batch": "what many recordings cost, and whether anything is lost while workers, nodes and disks fail",
    "dashboard": "how smooth the pages in a browser are, and what they cost fusion",
    "accuracy": "how near the truth, on synthetic studios",
    "calibration_time": "what faults of frame numbers and clocks cost a calibration with a board",
    "camera_faults": "whether a camera that is bumped, zoomed, flipped, trembles or is cropped is named, and no other",
    "mutated_files": "mutated files of every format at their readers",
    "faults": "what is killed or cut, and how soon all is well again",
    "killed_video": "what videos hold when their recording is killed at any instant",
    "full_disk": "what a recording keeps when its disk is full for a while",
    "feet": "whether feet on the floor slide, and feet that swing are left alone",
    "flexion_bound": "how well one frame can tell the flexion of fingers",
    "hands_recorded": "hands of a real recording: how many are found, how far fused ones are from the pictures",
    "hands": "how near the truth fused fingers are, and whether hands are exchanged",
    "hardware": "what a camera costs a computer, and how many cameras its cores carry",
    "industrial_cameras": "whether emulated industrial cameras lose frames or time, and how soon one is back",
    "filled": "how far off joints are that nothing measures, and whether they say so",
    "fuzz": "mutated messages at the decoder",
    "extrinsic_drift": "how soon a rotated camera is detected, and how often falsely",
    "extrinsic_drift_recorded": "the same on a real recording",
    "lifting": "how near the truth people are whom one camera sees",
    "long_take": "how fast a long recording is smoothed, and in what memory",
    "live": "latency and losses of the live system under load",
    "live_video": "how many frames of real people get 2D poses live, and what takes the time",
    "speed": "how long a frame takes, and how that grows",
    "triangulation": "against other libraries' triangulation of the same points",
    "disturbance": "what comes out when a joint is put in a wrong place",
    "sensitivity": "what a wrong setting costs",
    "oracle": "how accurate fusion would be if it were told noise, outliers and bones",
    "unsteady_clocks": "what stamps that wander cost a calibration with a board",
    "unsynchronised": "what cameras out of step cost, and whether one that is late is found",
    "exchanged_sides": "whether fusion tells which cameras exchange left and right from the first frame on",
    "exports": "how long each export format takes",
    "recorded_offsets": "whether time offsets that are confirmed are right, of random recordings",
    "recovery": "whether people whose prediction fails keep their identity, and how soon they are right again",
    "regions": "what region feedback saves a detector, and whether it loses people",
    "video_decoding": "how fast videos are decoded and unpacked, beside OpenCV's reader",
    "viewer": "how smooth the 3D viewer is, and what it costs fusion",
}
_SHORT = (("accuracy", "--seeds", "0-0"), ("speed", "--frames", "60"))


def main(argv: list[str]) -> int:
    """Run the study that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subparsers = parser.add_subparsers(dest="study", metavar="STUDY", required=True)
    for name, meaning in STUDIES.items():
        module = importlib.import_module(f"benchmarks.{name}")
        subparser = subparsers.add_parser(
            name, help=meaning, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    status = 0
    for study in [argv] if argv else _SHORT:
        args = parser.parse_args(study)
        try:
            status = max(status, args.run(args) or 0)
        except MultiviewError as error:  # a missing or unusable input: one line, as of the commands
            print(f"benchmarks {args.study}: {error}", file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
