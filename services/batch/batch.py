"""`multiview batch ROOT`: compute 3D poses of every recording below a folder, on this machine, Ray or Slurm."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.commands.arguments import add_detector, add_fusion
from multiview.common.counted import counted
from multiview.common.plugins import plugin_names
from multiview.common.ranges import FrameRate, ranged
from multiview.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from multiview.batch.jobs import Job, Options
    from multiview.batch.recordings import Found, Recording
    from services.batch.driver import Driver

__all__ = ["add_arguments", "run"]

SOME_FAILED = 3
MOST_LINES = 10  # of failures at the end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", nargs="?", type=Path, metavar="ROOT", help="folder with recordings, however deep")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the results of all recordings")
    parser.add_argument(
        "--rig", type=Path, help="calibration of all recordings (default: the nearest rig.toml in or above each)"
    )
    add_detector(parser)
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the detector; may be repeated"
    )
    parser.add_argument(
        "--fps",
        type=ranged(FrameRate, zero=True),
        default=0.0,
        help="frame rate (default: the videos' own times, 25 for keypoints)",
    )
    parser.add_argument("--skeleton", default="", help="name or TOML file of the joints of recorded keypoints")
    add_fusion(parser)
    parser.add_argument(
        "--to", action="append", default=[], metavar="FORMAT", help="also export the poses; may be repeated"
    )
    parser.add_argument("--no-report", action="store_true", help="leave out the plots of each recording")
    parser.add_argument(
        "--segment",
        type=ranged(float),
        default=10.0,
        metavar="MIN",
        help="cut longer videos into segments of about so many minutes, whose 2D poses are found in parallel "
        "(default 10; 0: never)",
    )
    parser.add_argument("--hash-content", action="store_true", help="notice changed inputs by content, not by time")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    parser.add_argument("--retry", action="store_true", help="try again what failed")
    parser.add_argument("--shard", metavar="I/N", help="only every Nth recording, from the Ith on (1 to N)")
    parser.add_argument(
        "--engine", default="local", help=f"where jobs run: {', '.join(plugin_names('services.batch.engines'))}"
    )
    parser.add_argument("--jobs", type=ranged(int), default=0, metavar="N", help="at once (default: as many as fit)")
    parser.add_argument("--cpus", type=ranged(int), default=1, metavar="N", help="cores of each job (default 1)")
    parser.add_argument(
        "--gpu-share",
        type=ranged(float),
        default=0.0,
        metavar="X",
        help="of a graphics card, for each 2D job: 1, 0.5 ..",
    )
    parser.add_argument("--address", default="", metavar="HOST:PORT", help="of a running Ray cluster")
    parser.add_argument("--cluster", default="", help="of submitit: slurm (default), or local for a trial")
    parser.add_argument(
        "--setting", action="append", default=[], metavar="KEY=VALUE", help="of submitit, as slurm_partition=gpu"
    )
    parser.add_argument(
        "--job", type=Path, metavar="FAILED.JSON", help="only do this failed job again, in the foreground"
    )


def run(args: argparse.Namespace) -> int:
    """Plan, run, and say what came of it."""
    if args.job:
        return _one_job(args.job)
    if args.root is None or args.out is None:
        raise ConfigError("say where the recordings are and where the results go: multiview batch ROOT --out FOLDER")
    from multiview.batch.jobs import plan_jobs
    from multiview.batch.recordings import find_recordings
    from multiview.batch.results import check_folder
    from services.batch.driver import Driver

    options = _options(args)
    root, out = args.root, args.out.absolute()
    check_folder(root, out)
    found = find_recordings(root, args.rig)
    if not found.recordings and not found.rejected:
        raise SourceError(f"{root}: no recordings in it (folders of videos, of keypoints, or takes)")
    jobs = plan_jobs(found.recordings, options)
    share = {recording.name for recording in _share(found.recordings, args.shard)}
    driver = Driver([job for job in jobs if job.recording in share], out, args.retry)
    _print_plan(found, driver, args.dry_run)
    if args.dry_run:
        return 0
    return _run(args, found, jobs, driver, out)


def _run(args: argparse.Namespace, found: Found, jobs: list[Job], driver: Driver, out: Path) -> int:
    """The driver's jobs on an engine; `jobs` are all that the page is about."""
    from multiview.batch.recordings import MARKER
    from multiview.batch.summary import summarise, write_summary
    from multiview.common.atomic_file import replacing
    from multiview.common.plugins import plugin_options
    from services.batch.engine import EngineOptions, make_engine
    from services.batch.show import Show

    with replacing(out / MARKER, correct=True) as temporary:
        temporary.write_text('{"root": "of a batch: this folder is not searched for recordings"}\n', encoding="utf-8")

    own = {job.name for job in driver.jobs}
    others = [job for job in jobs if job.name not in own]  # of other shards

    def write() -> Path:
        outcomes = driver.progress.outcomes | type(driver)(others, out).progress.outcomes
        return write_summary(summarise(args.root.absolute(), found.recordings, found.rejected, jobs, outcomes), out)

    if driver.to_do:
        settings = plugin_options(args.setting)
        engine = make_engine(
            args.engine,
            EngineOptions(
                folder=out,
                jobs=args.jobs,
                cpus=args.cpus,
                gpus=args.gpu_share,
                address=args.address,
                cluster=args.cluster,
                settings=settings,
            ),
        )
        try:
            with Show(driver.to_do, engine.where, write) as show:
                driver.run(engine, show.update)
        except KeyboardInterrupt:
            print(f"stopped: {counted(len(driver.to_do), 'job')} left; the same command goes on", file=sys.stderr)
            raise
        finally:
            engine.close()
    page = write()
    failed = driver.progress.failed
    done = len(driver.progress.outcomes) - failed
    print(f"{done} of {counted(len(driver.jobs), 'job')} done, {failed} failed -> {page}")
    for name, reason in list(driver.failures().items())[:MOST_LINES]:
        print(f"multiview: {name}: {reason}", file=sys.stderr)
    if failed > MOST_LINES:
        print(f"multiview: {failed - MOST_LINES} more failed: {page} has them all", file=sys.stderr)
    return SOME_FAILED if failed or found.rejected else 0


def _options(args: argparse.Namespace) -> Options:
    from multiview.batch.jobs import Options
    from multiview.commands.fusion_choices import fusion_choices
    from multiview.common.plugins import plugin_options
    from multiview.export import load_exporter

    exports = tuple(dict.fromkeys(name for names in args.to for name in names.split(",")))
    for name in exports:
        load_exporter(name, "")
    return Options(
        detector=args.detector,
        detector_options=plugin_options(args.option),
        fps=args.fps,
        skeleton=args.skeleton,
        fusion=fusion_choices(args),
        exports=exports,
        report=not args.no_report,
        segment_s=60.0 * args.segment,
        cpus=args.cpus,
        gpus=args.gpu_share,
        hash_content=args.hash_content,
    )


def _share(recordings: list[Recording], shard: str | None) -> list[Recording]:
    """Every Nth recording: those of one job of an array."""
    if shard is None:
        return recordings
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise ConfigError(f"--shard {shard}: write I/N, with I from 1 to N")
    return recordings[int(index) - 1 :: int(count)]


def _print_plan(found: Found, driver: Driver, every: bool) -> None:
    """What there is to do; with `every`, job by job."""
    for rejected in found.rejected:
        print(f"multiview: {rejected.name}: {rejected.why}", file=sys.stderr)
    to_do = {job.name for job in driver.to_do}
    stages: dict[str, list[str]] = {}
    failures = driver.failures()
    for job in driver.jobs:
        state = "" if job.name in to_do else " (failed)" if job.name in failures else " (done)"
        stages.setdefault(job.recording, []).append(job.stage + state)
    for recording in found.recordings if every else ():
        if recording.name in stages:
            print(f"{recording.name}: {recording.kind}, {recording.rig_path}: {', '.join(stages[recording.name])}")
        for note in recording.notes:
            print(f"  {note}")
    failed = driver.progress.failed
    print(
        f"{counted(len(stages), 'recording')}, {counted(len(driver.jobs), 'job')}: {len(to_do)} to do, "
        f"{len(driver.jobs) - len(to_do) - failed} done before"
        + (f", {failed} failed before (--retry tries them again)" if failed else "")
        + (f"; {len(found.rejected)} recordings cannot be used" if found.rejected else "")
    )


def _one_job(path: Path) -> int:
    """A job that failed, here and now, with everything it says on the terminal; its result is thrown away."""
    import tempfile

    import msgspec

    from multiview.batch.results import Failed
    from multiview.batch.stages import do

    try:
        failed = msgspec.json.decode(path.read_bytes(), type=Failed)
    except (OSError, msgspec.MsgspecError) as error:
        raise SourceError(f"{path}: not the failed.json of a batch ({error})") from None
    job = failed.spec
    recording = path.absolute().parents[job.stage.count("/") + 1]
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{job.name}: {do(job, recording, Path(scratch))}")
    print("it works now: --retry makes the batch do it again")
    return 0
