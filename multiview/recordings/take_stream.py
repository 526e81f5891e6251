"""The stream of a take, part after part, and an account of what it lacks.

The hub numbers its messages, and a file says at its end how many it holds; so of what cannot be read it is known when
it was and, mostly, how much it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multiview.errors import SourceError
from multiview.recordings.mcap_log import Gap, Record, RecordingReader, Summary, UnreadableError, read_summary
from multiview.wire import topics
from multiview.wire.messages import Stamp

__all__ = ["PartReport", "TakeStream"]


@dataclass(slots=True)
class PartReport:
    """One file of the take, once it has been read.

    Attributes:
        name: Of the file.
        messages: How many were read.
        trouble: What is wrong with the file; empty if nothing is.
        gaps: The stretches that gave nothing.
        missing: Messages that the file says it held and that could not be read; None if it does not say.
        missing_ticks: How many of them were poses.
        exchanged: It is whole, but another one than the take had under this name when it ended.
    """

    name: str
    messages: int = 0
    trouble: str = ""
    gaps: list[Gap] = field(default_factory=list)
    missing: int | None = None
    missing_ticks: int | None = None
    exchanged: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing that was recorded is missing, as far as can be known."""
        return not self.gaps and not self.missing and not self.exchanged


class TakeStream:
    """Reads the parts one after the other. `parts`, `counts` (by topic) and `unrecorded` are known at the end.

    `unrecorded` are messages that the hub sent and no recorder wrote: it was not running, too slow, or the disk full.

    Args:
        files: The parts, in order.
        declared: What each part held that was closed when the take ended, by its name; None if that is not known.
        live: Whether it is being recorded: then the last part has no end yet.
    """

    def __init__(self, files: Sequence[Path], declared: Mapping[str, Summary] | None, live: bool = False) -> None:
        self._files, self._declared, self._live = files, declared, live
        self._restart()

    def _restart(self) -> None:
        self.parts: list[PartReport] = []
        self.counts: Counter[str] = Counter()
        self.unrecorded = 0
        self.first_ns: int | None = None
        self._last: Stamp | None = None

    def __iter__(self) -> Iterator[Record]:
        """Every record that can be read; SourceError if there is none though there are files, or of another version."""
        self._restart()
        error: SourceError | None = None
        for path in self._files:
            reader = RecordingReader(path, self._last)
            report = PartReport(path.name)
            self.parts.append(report)
            gaps = 0
            try:
                for record in reader:
                    self._note(record.stamp, reader.messages == 1, len(reader.gaps) > gaps)
                    gaps = len(reader.gaps)
                    yield record
            except UnreadableError as unreadable:
                error = error or unreadable
                report.trouble = "nothing in it can be read" if path.exists() else "it is not there"
                report.gaps.append(Gap(self._last and self._last.arrival_ns, None, None, report.trouble))
            else:
                report.trouble, report.gaps = reader.torn, reader.gaps
            report.messages = reader.messages
            self.counts += reader.counts
            self._compare(path, report, reader.counts)
        if self._live and self.parts and self.parts[-1].gaps and self.parts[-1].gaps[-1].before_ns is None:
            self.parts[-1].gaps.pop()
            self.parts[-1].trouble = ""
        if error is not None and not self.counts:
            raise error

    def lines(self) -> list[str]:
        """What is missing, a line for each part that is not whole; times are seconds since the first message."""
        return [
            f"{part.name}: {part.trouble or ('exchanged' if part.exchanged else 'damaged')}: {self._words(part)}"
            for part in self.parts
            if not part.whole
        ]

    def _note(self, stamp: Stamp, first: bool, behind_gap: bool) -> None:
        self.first_ns = stamp.arrival_ns if self.first_ns is None else self.first_ns
        last, self._last = self._last, stamp
        between = stamp.sequence - last.sequence - 1 if last is not None else -1  # negative: unknown
        if not (first and self._close_open_gaps(stamp, between, behind_gap)) and not behind_gap:
            self.unrecorded += max(0, between)

    def _close_open_gaps(self, behind: Stamp, missing: int, again: bool) -> bool:
        """The parts before may have ended in a gap: it ends here, and was none if no message is missing."""
        before = [part for part in self.parts[:-1] if part.gaps and part.gaps[-1].before_ns is None]
        for part in before:
            gap = part.gaps.pop()
            if missing:
                known = missing if missing > 0 and len(before) == 1 and not again else None
                part.gaps.append(gap._replace(before_ns=behind.arrival_ns, messages=known))
        return bool(before)

    def _compare(self, path: Path, report: PartReport, read: Mapping[str, int]) -> None:
        """With what the part says it held, or what the take says."""
        own, known = read_summary(path), (self._declared or {}).get(path.name)
        if own is not None and self._declared is not None and own != known:
            report.exchanged = True
        declared = own or known
        if declared is None:
            return
        missing = {topic: max(0, count - read.get(topic, 0)) for topic, count in declared.messages.items()}
        report.missing, report.missing_ticks = sum(missing.values()), missing.get(topics.POSES, 0)
        if len(self.parts) == 1:  # the beginning, also if its first messages cannot be read
            self.first_ns = declared.first_ns if self.first_ns is None else min(self.first_ns, declared.first_ns)
        if not report.missing:
            report.gaps = []
        elif report.gaps and report.gaps[-1].before_ns is None:
            report.gaps[-1] = report.gaps[-1]._replace(before_ns=declared.last_ns)
        if len(report.gaps) == 1:
            report.gaps[0] = report.gaps[0]._replace(messages=report.missing)

    def _words(self, part: PartReport) -> str:
        if part.exchanged:
            return "not the file that the take had under this name when it ended (contents.toml): renamed, or a copy?"
        known = [gap.messages for gap in part.gaps if gap.messages is not None]
        if part.missing is not None:
            ticks = f" ({part.missing_ticks} of them poses)" if part.missing_ticks else ""
            amount = f"{part.missing} messages{ticks} are missing"
        elif len(known) == len(part.gaps):
            amount = f"{sum(known)} messages are missing"
        else:
            amount = "messages are missing, and nothing says how many"
        spans = ", ".join(self._span(gap) for gap in part.gaps)
        return f"{amount}{': ' * bool(spans)}{spans}"

    def _span(self, gap: Gap) -> str:
        seconds = [None if at is None or self.first_ns is None else (at - self.first_ns) / 1e9
                   for at in (gap.after_ns, gap.before_ns)]  # fmt: skip
        after, before = seconds
        if after is None:
            return "from the beginning" + (f" to {before:.3f} s" if before is not None else " to the end")
        return f"{after:.3f} to {before:.3f} s" if before is not None else f"from {after:.3f} s on"
