"""The last line of a run: what came out, and why not more."""

from __future__ import annotations

from multiview.wire.messages import PosesMessage, ServiceHealth, Stamp, encode
from services.supervise.run import outcome
from services.supervise.watcher import Watcher
from services.transport.bus import Received


def watched(*people: list[int], why: str = "", hopeless: bool = False) -> Watcher:
    """A run whose ticks had these people, and what fusion said of itself at its end."""
    watcher = Watcher()
    for tick, numbers in enumerate(people):
        blob = bytes(4 * 12 * 17 * len(numbers))
        poses = PosesMessage(
            tick=tick,
            time_ns=tick,
            boot_id=1,
            skeleton="coco17",
            joints=17,
            people=numbers,
            cameras=[],
            missing=[],
            blob=blob,
        )
        watcher.take(Received("poses", Stamp(tick, tick, tick), encode(poses)))
    health = ServiceHealth(service="fusion", boot_id=1, values={"hopeless": float(hopeless)}, texts={"why": why})
    watcher.take(Received("service_health/fusion", Stamp(0, 0, 0), encode(health)))
    return watcher


def test_outcome_counts_everyone_who_came_out() -> None:
    assert outcome(watched([1], [1, 2], [3], why="cam03 sends nothing"), {}) == ("3 people in 3 ticks", False)


def test_outcome_says_what_kept_people_out_for_most_of_a_run() -> None:
    """Somebody was there for a moment; a reason of the last seconds alone is of the end."""
    why = "nobody, because this computer is too slow"
    for troubled, fine, said in [
        (9, 3, f"1 person in 1 ticks; most of the time: {why}"),
        (3, 9, "1 person in 1 ticks"),
    ]:
        watcher = watched([1])
        for reason in [""] * fine + [why] * troubled:
            health = ServiceHealth(service="fusion", boot_id=1, texts={"why": reason})
            watcher.take(Received("service_health/fusion", Stamp(0, 0, 0), encode(health)))
        assert outcome(watcher, {}) == (said, False)


def test_outcome_says_why_nobody_did() -> None:
    why = "nobody, because cam01 is the only camera"
    assert outcome(watched([], [], why=why, hopeless=True), {}) == (why, True)
    assert outcome(watched([], [], why=why), {}) == (why, False)  # nobody was there
    assert outcome(watched([], []), {}) == ("nobody in 2 ticks", False)


def test_outcome_names_processes_that_never_worked() -> None:
    line, _ = outcome(watched([1]), {"worker cam03": "cannot start: webcam 3 does not answer"})
    assert line == "1 person in 1 ticks; worker cam03 cannot start: webcam 3 does not answer"
