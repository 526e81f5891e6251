"""What came of a batch, recording by recording, the worst first: `summary.json`, and `index.html` with links."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from multiview.batch.jobs import Detect, Job
from multiview.batch.recordings import Recording, Rejected
from multiview.batch.results import Done, Failed, Outcome
from multiview.common.atomic_file import replacing
from multiview.common.counted import counted
from multiview.common.json_file import write_json

__all__ = ["Row", "Summary", "summarise", "write_summary"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one recording.

    Attributes:
        recording: Its name.
        kind: Videos, keypoints or take; empty where nothing can be made of it.
        state: `failed`, `unfinished`, `done`.
        frames: Instants that were fused.
        people: How many came out.
        coverage: Share of the frames with anybody, 0 to 1.
        measured: Share of the joints that were measured rather than filled, 0 to 1.
        reprojection_px: Median distance of projected joints to the 2D joints, px.
        seconds: Of work.
        failures: Stage and reason of each failure.
        not_begun: Stages that need one of these.
        warnings: What the stages said.
        results: Stages that have a result.
    """

    recording: str
    kind: str
    state: str
    frames: int = 0
    people: int = 0
    coverage: float = 0.0
    measured: float = 0.0
    reprojection_px: float = 0.0
    seconds: float = 0.0
    failures: dict[str, str] = {}
    not_begun: list[str] = []
    warnings: list[str] = []
    results: list[str] = []


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of a batch.

    Attributes:
        root: Where the recordings are.
        jobs: How many there are.
        done: How many have a result.
        failed: How many failed.
        rows: One for each recording, the worst first.
    """

    root: str
    jobs: int
    done: int
    failed: int
    rows: list[Row]


def summarise(
    root: Path,
    recordings: Iterable[Recording],
    rejected: Iterable[Rejected],
    jobs: Iterable[Job],
    outcomes: Mapping[str, Outcome],
) -> Summary:
    """What is known of each recording.

    Args:
        root: Where they are.
        recordings: Those that jobs were made of.
        rejected: The others.
        jobs: Of all recordings.
        outcomes: By the jobs' names.

    Returns:
        The summary.
    """
    of_recording: dict[str, list[Job]] = {}
    for job in jobs:
        of_recording.setdefault(job.recording, []).append(job)
    rows = [Row(recording=r.name, kind="", state="failed", failures={"plan": r.why}) for r in rejected]
    rows += [_row(recording, of_recording.get(recording.name, []), outcomes) for recording in recordings]
    return Summary(
        root=str(root),
        jobs=sum(map(len, of_recording.values())),
        done=sum(isinstance(outcome, Done) for outcome in outcomes.values()),
        failed=sum(isinstance(outcome, Failed) for outcome in outcomes.values()),
        rows=sorted(rows, key=_badness),
    )


def _row(recording: Recording, jobs: list[Job], outcomes: Mapping[str, Outcome]) -> Row:
    known = {job.stage: outcomes[job.name] for job in jobs if job.name in outcomes}
    done = {stage: outcome for stage, outcome in known.items() if isinstance(outcome, Done)}
    failed = {stage: outcome for stage, outcome in known.items() if isinstance(outcome, Failed)}
    figures = done["poses"].figures if "poses" in done else {}
    warnings = [*recording.notes, *(text for outcome in done.values() for text in outcome.figures.get("warnings", []))]
    return Row(
        recording=recording.name,
        kind=recording.kind,
        state="failed" if failed else "done" if len(known) == len(jobs) else "unfinished",
        seconds=round(sum(outcome.seconds for outcome in done.values()), 1),
        failures={stage: outcome.reason for stage, outcome in failed.items() if not outcome.needs},
        not_begun=[stage for stage, outcome in failed.items() if outcome.needs],
        warnings=list(dict.fromkeys(warnings)),
        results=[job.stage for job in jobs if job.stage in done and not isinstance(job.work, Detect)],
        **{
            key: figures[key]
            for key in ("frames", "people", "coverage", "measured", "reprojection_px")
            if key in figures
        },
    )


def _badness(row: Row) -> tuple[int, float, float, int, str]:
    """Failures, what is not finished, then by coverage, error and warnings."""
    order = {"failed": 0, "unfinished": 1, "done": 2}[row.state]
    return order, row.coverage, -row.reprojection_px, -len(row.warnings), row.recording


def write_summary(summary: Summary, out: Path) -> Path:
    """Write `summary.json` and `index.html`.

    Args:
        summary: Of the batch.
        out: Its folder.

    Returns:
        The page.
    """
    write_json(out / "summary.json", summary, correct=True)
    page = out / "index.html"
    with replacing(page, correct=True) as temporary:
        temporary.write_text(_page(summary), encoding="utf-8")
    return page


_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1d2430}
h1{font-size:1.4rem;margin:0 0 .3rem}p{margin:.2rem 0 1.2rem;color:#556}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .7rem;border-bottom:1px solid #e3e6ea;vertical-align:top}
th{text-align:right;font-weight:600;color:#556;position:sticky;top:0;background:#fff}td{text-align:right}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}td:first-child{overflow-wrap:anywhere;min-width:9rem}
.failed td:first-child{border-left:4px solid #c0392b}.unfinished td:first-child{border-left:4px solid #d9a400}
.done td:first-child{border-left:4px solid #2e8b57}.bad{color:#c0392b}.note{color:#8a6500}
a{color:#1a5fb4;text-decoration:none}a:hover{text-decoration:underline}small{color:#778}
@media(prefers-color-scheme:dark){body{background:#15181c;color:#dde}th{background:#15181c}th,td{border-color:#2b3036}
a{color:#78aeff}.bad{color:#ff8375}.note{color:#e0b94a}p,th,small{color:#99a}}
@media(max-width:50rem){body{margin:1rem auto}tr{display:block;padding:.4rem 0;border-bottom:1px solid #8886}
th{display:none}td{display:inline-block;border:0;padding:.1rem .5rem}td:first-child,td:last-child{display:block}
td[title]::before{content:attr(title)" ";color:#889;font-size:.85em}}"""
_HEAD = ("recording", "frames", "people", "coverage", "measured", "error, px", "work, s", "results and remarks")


def _page(summary: Summary) -> str:
    title = html.escape(f"Batch of {summary.root}")
    left = summary.jobs - summary.done - summary.failed
    said = f"{counted(len(summary.rows), 'recording')}; {summary.done} of {counted(summary.jobs, 'job')} done"
    said += f", {summary.failed} failed" * bool(summary.failed) + f", {left} left" * bool(left)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p>{html.escape(said)}. The worst come first: "
        "failures, then low coverage (share of the frames with anybody), then large reprojection errors (median).</p>"
        f"<table><tr>{''.join(f'<th>{name}' for name in _HEAD)}{''.join(map(_table_row, summary.rows))}</table></html>"
    )


def _table_row(row: Row) -> str:
    fused = "poses" in row.results
    figures = (
        f"{row.frames}",
        f"{row.people}",
        f"{100 * row.coverage:.1f} %",
        f"{100 * row.measured:.1f} %",
        f"{row.reprojection_px:.2f}" if row.people else "-",
    )
    titled = zip(_HEAD[1:6], figures, strict=True)
    cells = "".join(f'<td title="{name}">{figure if fused else "-"}' for name, figure in titled)
    links = " ".join(_link(row.recording, stage) for stage in row.results)
    remarks = [f'<div class="bad">{_failure(row, stage)}</div>' for stage in row.failures]
    if row.not_begun:
        remarks.append(f"<div>not begun: {html.escape(', '.join(row.not_begun))}</div>")
    remarks += [f'<div class="note">{html.escape(text)}</div>' for text in row.warnings]
    name = f"{html.escape(row.recording)} <small>{html.escape(row.kind)}</small>"
    cells += f'<td title="{_HEAD[6]}">{row.seconds:g}<td>{links}{"".join(remarks)}'
    return f'<tr class="{row.state}"><td>{name}{cells}'


def _link(recording: str, stage: str) -> str:
    target = f"{recording}/{stage}/" + ("index.html" if stage == "report" else "")
    return f'<a href="{quote(target)}">{html.escape(stage)}</a>'


def _failure(row: Row, stage: str) -> str:
    if stage == "plan":
        return html.escape(row.failures[stage])
    target = quote(f"{row.recording}/{stage}/failed.json")
    return f'<a href="{target}">{html.escape(stage)}</a>: {html.escape(row.failures[stage])}'
